package look

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/facts"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// demo is what the answers in testdata were asked with, on real hosts.
func demo(name string) facts.Ask {
	a := facts.Ask{
		Unit: "etcd-demo", ConfigDir: "/etc/etcd/demo", DataDir: "/var/lib/etcd/demo", Ports: []int{2380, 2379, 2381},
		Endpoint: "https://198.18.219.11:2379",
	}
	if strings.HasPrefix(name, "waldir") {
		a.WALDir = "/srv/wal/wal"
	}
	return a
}

func answer(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func parsed(t testing.TB, name string) facts.Host {
	t.Helper()
	host, err := parseHost(demo(name), answer(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return host
}

func parseHost(a facts.Ask, answer []byte) (facts.Host, error) {
	host, _, err := parse(a, answer)
	return host, err
}

// answers are all that lie in testdata: bare-* of hosts on which nothing of ours lies, running-* and waldir-* of
// members of one cluster, replaced-* of one whose binary was replaced by equal bytes under it, odd-* of one that is
// stopped, disabled and tampered with.
func answers(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no answers: %v", err)
	}
	for i, file := range files {
		files[i] = strings.TrimSuffix(filepath.Base(file), ".txt")
	}
	return files
}

func TestParseGolden(t *testing.T) {
	for _, name := range answers(t) {
		t.Run(name, func(t *testing.T) {
			got, err := json.MarshalIndent(parsed(t, name), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			file := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What the golden files hold is read by people; this says what must be right in them.
func TestParseMeaning(t *testing.T) {
	const bin = "/opt/clusterup/etcd/3.6.16-edde7537/etcd"
	tests := map[string]struct {
		name string
		ok   func(h facts.Host) bool
	}{
		"a bare host has nothing": {"bare-debian12", func(h facts.Host) bool {
			return h.Process == nil && !h.Data.Exists && !h.EtcdUser && len(h.Files) == 0 && h.Unit.Load == "not-found" &&
				h.Systemd == 252
		}},
		"a running member": {"running-debian11", func(h facts.Host) bool {
			return h.Process.SameAs == bin && h.Process.Args[0] == bin && h.Unit.Active == "active"
		}},
		"its pairs are whole": {
			"running-debian11",
			func(h facts.Host) bool { return h.Leaves["peer"].Intact && h.Leaves["server"].Intact },
		},
		"its sockets": {"running-debian11", func(h facts.Host) bool {
			return len(h.Sockets) == 4 && h.Sockets[0].Process == "etcd" && h.Sockets[0].Port == 2379
		}},
		"a WAL directory apart": {"waldir-debian13", func(h facts.Host) bool {
			return h.Data.WAL && h.Data.ClusterID == 0x20e6d8e99aebbaad && h.Files["/srv/wal"].Kind == facts.Dir
		}},
		"runs a replaced binary": {
			"replaced-debian12",
			func(h facts.Host) bool { return h.Process.SameAs == "" && h.Process.SHA256 == h.Binaries[bin] },
		},
		"stopped and disabled": {"odd-debian11", func(h facts.Host) bool {
			return h.Process == nil && h.Unit.Active == "inactive" && h.Unit.Enabled == "disabled"
		}},
		"a broken pair": {
			"odd-debian11",
			func(h facts.Host) bool { return h.Leaves["peer"].Intact && !h.Leaves["server"].Intact },
		},
		"an altered binary": {
			"odd-debian11",
			func(h facts.Host) bool { return strings.HasPrefix(h.Binaries[bin+"ctl"], "c9f88344") },
		},
		"data open to all": {
			"odd-debian11",
			func(h facts.Host) bool { return h.Files["/var/lib/etcd/demo"].Mode == 0o755 },
		},
		"a dangling link is there": {
			"odd-debian11",
			func(h facts.Host) bool { return cmp.Equal(h.Data.Entries, []string{"dangling", "member"}) },
		},
		"a stopped member's data": {
			"odd-debian11",
			func(h facts.Host) bool { return h.Data.WAL && h.Data.ClusterID == 0x20e6d8e99aebbaad },
		},
		"a drop-in": {"odd-debian11", func(h facts.Host) bool { return len(h.Unit.DropIns) == 1 }},
		"who holds the port": {"odd-debian11", func(h facts.Host) bool {
			return len(h.Sockets) == 1 && h.Sockets[0].Address == "*" && h.Sockets[0].Port == 2379 && h.Sockets[0].PID > 0
		}},
		// A file that only looks like a bundle stays on the host, whatever it holds.
		"a stray PEM file is not read": {"odd-debian11", func(h facts.Host) bool {
			stray, there := h.Files["/etc/etcd/demo/stray.pem"]
			return there && stray.Content == nil
		}},
	}
	for name, test := range tests {
		if h := parsed(t, test.name); !test.ok(h) {
			t.Errorf("%s: not so in %+v", name, h)
		}
	}
}

// What clusterup wrote and what etcd wrote agree on who the member is.
func TestMarkerAndWALAgree(t *testing.T) {
	for _, name := range []string{"running-debian11", "waldir-debian13", "replaced-debian12", "odd-debian11"} {
		h := parsed(t, name)
		var born struct {
			ClusterID facts.ID `json:"cluster_id"`
			MemberID  facts.ID `json:"member_id"`
		}
		if err := json.Unmarshal(h.Files["/etc/etcd/demo/born.json"].Content, &born); err != nil {
			t.Fatal(err)
		}
		if born.ClusterID == 0 || h.Data.ClusterID != born.ClusterID || h.Data.MemberID != born.MemberID {
			t.Errorf("%s: the log says cluster %s member %s, the marker %s %s", name, h.Data.ClusterID, h.Data.MemberID,
				born.ClusterID, born.MemberID)
		}
	}
}

// No key, not even a part of one, is in any answer.
func TestNoKeyInAnswers(t *testing.T) {
	for _, name := range answers(t) {
		h := parsed(t, name)
		for file, f := range h.Files {
			if bytes.Contains(f.Content, []byte("PRIVATE")) || strings.HasSuffix(file, "key.pem") && f.Content != nil {
				t.Errorf("%s: the content of %s is in the answer", name, file)
			}
		}
	}
}

// An answer that was cut anywhere is an error, never a host with less on it.
func TestParseCutShort(t *testing.T) {
	for _, name := range answers(t) {
		whole := bytes.TrimRight(answer(t, name), "\n")
		for n := range whole {
			if n%61 != 0 && whole[n] != '\n' && whole[n] != '\t' && n < len(whole)-10 {
				continue // every place where a line or field ends, and some within
			}
			if _, err := parseHost(demo(name), whole[:n]); err == nil {
				t.Fatalf("%s: %d of %d bytes are taken for an answer", name, n, len(whole))
			}
		}
	}
}

func TestParseRejects(t *testing.T) {
	const head = "clock\t1795234534.291223737\narch\tx86_64\n"
	tests := map[string]struct{ text, says string }{
		"nothing":            {"", "cut short"},
		"no end":             {head, "cut short"},
		"half an end":        {head + "en", "cut short"},
		"an end without one": {head + "end", "cut short"},
		"no clock":           {"arch\tx86_64\nend\n", "no clock"},
		"no architecture":    {"clock\t1.5\nend\n", "no clock or architecture"},
		"a clock of letters": {"clock\tnoon\narch\tx86_64\nend\n", "no clock"},
		"binary rubbish":     {"\x00\xff\xfe", "cut short"},
		"lines without end":  {head + strings.Repeat("\n", 20_000) + "end\n", "20000 lines"},
		"one line of all":    {head + "os\t" + strings.Repeat("x", 16<<20) + "\nend\n", "16 MiB"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if h, err := parseHost(demo(name), []byte(test.text)); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("host %+v, error %v; want one that says %q", h, err, test.says)
			}
		})
	}
}

// A line that cannot be read costs what it was to tell, not the host, and is told of.
func TestParseUnread(t *testing.T) {
	const head = "clock\t1795234534.291223737\narch\tx86_64\n"
	tests := map[string]struct{ text, says string }{
		"a login banner":        {"Welcome!\n" + head + "end\n", `"Welcome!": no line of ours`},
		"an unknown line":       {head + "colour\tblue\nend\n", "no line of ours"},
		"too few fields":        {head + "free\tdata\nend\n", "1 fields"},
		"too many fields":       {head + "machine\ta\tb\nend\n", "2 fields"},
		"no number":             {head + "memory\tmuch\nend\n", "much"},
		"less than nothing":     {head + "memory\t-1\nend\n", "kilobytes"},
		"a stray backslash":     {head + "machine\t\\x\nend\n", "backslash"},
		"a backslash at last":   {head + "machine\t\\\nend\n", "backslash"},
		"an odd file":           {head + "odd\t/x\\ny\nend\n", `a file called "x\ny" in /`},
		"stray content":         {head + "content\t/x\nend\n", "was not listed"},
		"a port not asked for":  {head + "listen\tLISTEN 0 1 *:22 *:*\nend\n", "nobody asked"},
		"too big a number":      {head + "memory\t9223372036854775807\nend\n", "kilobytes"},
		"a mode of letters":     {head + "file\tzz\troot\troot\t1 1 1.0\t/x\nend\n", "zz"},
		"a size of letters":     {head + "file\t81a4\troot\troot\tbig 1 1.0\t/x\nend\n", "big"},
		"a ninth entry":         {head + strings.Repeat("entry\tx\n", 9) + "end\n", "more than 8 entries"},
		"PID of letters":        {head + "process\tme\t\t/x\t\nend\n", "me"},
		"a short listener":      {head + "listen\tLISTEN 0 1\nend\n", "no listener"},
		"a port of letters":     {head + "listen\tLISTEN 0 1 *:etcd *:*\nend\n", "no listener"},
		"the end of a name":     {head + "listen\tsystemd\\t0\",pid=7,fd=3))\nend\n", "no listener"},
		"an exit code of words": {head + "v2store\tfine\t\nend\n", "fine"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h, err := parseHost(demo(name), []byte(test.text))
			if err != nil || h.Arch != "amd64" || len(h.Unread) != 1 || !strings.Contains(h.Unread[0], test.says) {
				t.Errorf("host %+v, error %v; want a note that says %q", h, err, test.says)
			}
		})
	}
}

// The notes about what cannot be read are few, whatever a host says.
func TestParseUnreadIsBounded(t *testing.T) {
	h, err := parseHost(demo(""), []byte("clock\t1.5\narch\tx86_64\n"+strings.Repeat("x\n", 1000)+"end\n"))
	if err != nil || len(h.Unread) != 8+1 || h.Unread[8] != "and 992 more lines" {
		t.Errorf("%q, %v", h.Unread, err)
	}
}

// What is odd, but can happen on a good host, is no error.
func TestParseAccepts(t *testing.T) {
	const head = "arch\taarch64\n"
	tests := map[string]struct {
		text string
		ok   func(facts.Host) bool
	}{
		"a date without nanoseconds": {"clock\t17.%N\n" + head, func(h facts.Host) bool { return h.Arch == "arm64" }},
		"a machine that Go does not know": {
			"clock\t17.5\narch\tvax\n", func(h facts.Host) bool { return h.Arch == "vax" },
		},
		"a WAL that cannot be read": {
			"clock\t17.5\n" + head + "wal\tyes\nraw\n\nwal\n\x00\x00\n",
			func(h facts.Host) bool { return h.Data.WAL && h.Data.ClusterID == 0 },
		},
		"a WAL without a byte": {
			"clock\t17.5\n" + head + "wal\tyes\nraw\n\nwal\n\n",
			func(h facts.Host) bool { return h.Data.WAL && h.Data.ClusterID == 0 },
		},
		"a certificate that is none": {
			"clock\t17.5\n" + head + "file\t81a4\troot\troot\t4 1 1.0\t/etc/etcd/demo/tls/peer/cert.pem\n" +
				"content\t/etc/etcd/demo/tls/peer/cert.pem\nraw\n==> /etc/etcd/demo/tls/peer/cert.pem <==\nAAAA\n",
			func(h facts.Host) bool { return len(h.Leaves) == 0 && len(h.Unread) == 0 },
		},
		"a socket in brackets": {"clock\t17.5\n" + head + "listen\tLISTEN 0 1 [::1]:2379 [::]:*\n", func(h facts.Host) bool {
			return h.Sockets[0] == facts.Socket{Address: "::1", Port: 2379}
		}},
		"a socket of somebody": {"clock\t17.5\n" + head + `listen` + "\t" +
			`LISTEN 0 1 [::]:2379 [::]:* users:(("a b",pid=7,fd=3),("c",pid=8,fd=3))` + "\n", func(h facts.Host) bool {
			return h.Sockets[0].Port == 2379
		}},
		"v2 words cut within a letter": {
			"clock\t17.5\n" + head + "v2store\t1\t" + strings.Repeat("x", 499) + "ää\n",
			func(h facts.Host) bool { return !h.V2Store.Clean && h.V2Store.Text == strings.Repeat("x", 499) },
		},
		"v2 words that are none": {
			"clock\t17.5\n" + head + "v2store\t0\t\xff\xff\n",
			func(h facts.Host) bool { return !h.V2Store.Clean && h.V2Store.Text == "?" },
		},
		"what comes after the end": {
			"clock\t17.5\n" + head + "end\nmachine\tabc\n",
			func(h facts.Host) bool { return h.MachineID == "" },
		},
		"a socket of one who calls itself another": {
			"clock\t17.5\n" + head + "listen\t" + `LISTEN 0 1 [::]:2379 [::]:* users:(("etcd",pid=99,",pid=7,fd=3))` + "\n",
			func(h facts.Host) bool { return h.Sockets[0] == facts.Socket{Address: "::", Port: 2379} },
		},
		"names that are encoded": {
			"clock\t17.5\n" + head + "entry\tx\\nsystemd\\t0\\\\n\n", func(h facts.Host) bool {
				return h.Systemd == 0 && cmp.Equal(h.Data.Entries, []string{"x\nsystemd\t0\\n"})
			},
		},
		"names of stat, which are not": {
			"clock\t17.5\n" + head + "file\t81a4\troot\troot\t1 1 1.0\t/x\\n\n",
			func(h facts.Host) bool { return h.Files[`/x\n`].Kind == facts.Regular },
		},
		"a device": {
			"clock\t17.5\n" + head + "file\t2180\troot\troot\t0 1 1.0\t/x\n",
			func(h facts.Host) bool { return h.Files["/x"].Kind == facts.Other },
		},
		"set-user-ID": {
			"clock\t17.5\n" + head + "file\t89ed\troot\troot\t0 1 1.0\t/x\n",
			func(h facts.Host) bool { return h.Files["/x"].Mode == 0o4755 },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h, err := parseHost(demo(name), []byte(test.text+"end\n"))
			if err != nil || !test.ok(h) {
				t.Errorf("host %+v, error %v", h, err)
			}
		})
	}
}
