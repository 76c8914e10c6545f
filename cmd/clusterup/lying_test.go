package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/remote/lying"
	"github.com/clusterup/clusterup/view"
)

// The phrases by which the scripts of a look and of a probe are known; they arrive without their comments.
const (
	lookPhrase  = `date "+clock`
	probePhrase = "each confined"
)

// lyingSite is an inventory of three hosts of which the first two lie and the last is bare.
type lyingSite struct{ dir, file string }

func newLyingSite(t *testing.T, answers lying.Answers) lyingSite {
	t.Helper()
	s := lyingSite{dir: t.TempDir()}
	s.file = filepath.Join(s.dir, "prod.hcl")
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "id", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	known, members := "", ""
	for n := range 3 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		members += fmt.Sprintf(
			"  member \"etcd-%d\" {\n    address     = \"198.18.0.%d\"\n    ssh_address = \"127.0.0.1\"\n    ssh_port    = %d\n  }\n",
			n+1, n+1, listener.Addr().(*net.TCPAddr).Port)
		if n == 2 {
			answers = lying.Answers{lookPhrase: lying.Say(bareHost(t))}
		}
		host, err := lying.Start(listener, answers)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(host.Close)
		known += host.KnownHost()
	}
	s.write(t, "known", known)
	s.write(t, "prod.hcl", fmt.Sprintf(`cluster "prod" {
  version = "3.6.16"
  ssh {
    user          = "root"
    identity_file = "id"
    known_hosts   = "known"
    agent         = false
  }
  release { mirror = "none" }
%s}
`, members))
	return s
}

func (s lyingSite) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// run is one command, with all that it says.
func (s lyingSite) run(t *testing.T, args ...string) string {
	t.Helper()
	var said bytes.Buffer
	in, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	c := &console{Console: &view.Console{In: in, Out: &said, Err: &said, Stop: make(chan struct{})}, base: t.Context()}
	root := newRoot(c)
	root.SetArgs(append(args, s.file))
	code := c.Report(root.ExecuteContext(t.Context()))
	fmt.Fprintf(&said, "exit %d\n", code)
	return said.String()
}

// bareHost is the answer of a real one, as if it was given now.
func bareHost(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile("../../facts/look/testdata/bare-debian12.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "\n")
	return fmt.Sprintf("clock\t%d.5\n%s", time.Now().Unix(), rest)
}

// with adds lines to an answer.
func with(answer string, lines ...string) string {
	return strings.TrimSuffix(answer, "end\n") + strings.Join(lines, "\n") + "\nend\n"
}

func TestLyingHosts(t *testing.T) {
	words := strings.NewReplacer("\n", `\n`, "\t",
		`\t`).Replace(foul + "\nCluster prod: nothing to do, all is as the inventory says.")
	bare := bareHost(t)
	answers := map[string]lying.Answers{
		"hostile names": {
			lookPhrase: lying.Say(with(bare, "data\texists", "entry\t"+words, "os\t"+words, "unit\tDropInPaths=/etc/"+words,
				"unit\tLoadState="+words, "missing\t"+words, "machine\t"+words, "inuse\t"+words,
				"binary\t/opt/clusterup/etcd/"+words+"\t"+words, "file\t81a4\troot\troot\t1\t1:1\t/etc/etcd/prod/"+foul,
				"listen\t"+`LISTEN 0 1 *:2379 *:* users:(("`+words+`",pid=7,fd=3))`)),
			probePhrase: lying.Say("confined\t" + words + "\nunmeasured\t" + words + "\nservice\t" + words + "\nsynced\t" +
				words + "\nplace\tdata\t/" + words + "\t" + words + "\t" + words + "\t" + words + "\t7\nend\n"),
		},
		"rubbish": {lookPhrase: lying.Say(with(bare, foul, "entry", "listen\t"+foul, "systemd\t-1", "process\tx\ty",
			strings.Repeat("z", 5000)))},
		"an early end":    {lookPhrase: lying.Say(bare[:len(bare)/2])},
		"nothing":         {lookPhrase: lying.Say("")},
		"an endless line": {lookPhrase: lying.Say(strings.Repeat("x", 17<<20))},
		"a sad end": {lookPhrase: func(talk lying.Talk) int {
			_, _ = io.WriteString(talk.Err, foul+"\n"+foul)
			return 3
		}},
	}
	for name, lies := range answers {
		t.Run(name, func(t *testing.T) {
			s := newLyingSite(t, lies)
			commands := [][]string{
				{"status"},
				{"check"},
				{"preflight"},
				{"status", "--json"},
				{"check", "--json"},
				{"preflight", "--json"},
				{"member", "list"},
				{"member", "list", "--json"},
				{"member", "remove", "--yes", "etcd-9"},
				{"member", "replace", "--yes", "etcd-1"},
				{"member", "promote", "--yes", "etcd-1"},
				{"member", "move-leader", "--yes"},
				{"defrag", "--yes"},
				{"defrag", "--yes", "--member=etcd-1"},
				{"disarm", "--yes"},
			}
			if name == "an endless line" { // it takes its time
				commands = commands[:1]
			}
			for _, command := range commands {
				said := s.run(t, command...)
				if draws(said) != "" {
					t.Errorf("%v steers the terminal with %q:\n%q", command, draws(said), said)
				}
				if strings.Contains(said, "\nCluster prod: nothing to do") {
					t.Errorf("%v has a forged line:\n%s", command, said)
				}
				if strings.Contains(said, "exit 1\n") || strings.Contains(said, "exit 10") {
					t.Errorf("%v:\n%s", command, said)
				}
				if strings.Contains(said, "etcd-3: parse facts") || strings.Contains(said, "etcd-3: look at the host") {
					t.Errorf("%v blames the honest host:\n%s", command, said)
				}
				if testing.Verbose() {
					t.Logf("%v:\n%.3000s", command, said)
				}
			}
		})
	}
}

// foul does to a terminal what it can: goes up, takes a line away, fills the clipboard, turns letters round, in C0, C1
// and not UTF-8 at all.
const foul = "\x1b[A\x1b[2K\x1b]52;c;eA==\a\r\b\x00\x7f\u009b2K\u202e\u2066\u2028\xff\x9b"

// draws says which characters of a text would do more than be seen.
func draws(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 ||
			strings.ContainsRune("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029", r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(s, "\x00"))
}
