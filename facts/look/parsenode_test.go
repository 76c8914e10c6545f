package look

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/facts"
)

// nodeAsk is what the answers of these tests were asked with.
func nodeAsk() facts.NodeAsk {
	return facts.NodeAsk{
		Owner: "/run/clusterup/front.owner", Packages: []string{"haproxy", "keepalived"},
		Units: []string{"haproxy", "clusterup-front"}, Users: []string{"clusterup"},
		Files: []string{"/etc/haproxy/haproxy.cfg"}, Dirs: []string{"/etc/clusterup/front"},
		Pairs: []string{"/etc/clusterup/front/tls/client"}, Programs: "/opt/clusterup/node", Ports: []int{5000},
	}
}

const nodeHead = "clock\t1795234534.291223737\narch\tx86_64\n"

// One answer with a line of every kind.
const nodeAnswer = "run\tended {}\n" + nodeHead + `os	debian 12
systemd	252
machine	m
boot	b
memory	1024
missing	flock
package	haproxy	2.6.12-1	hold	installed
shipped	haproxy	/etc/haproxy/haproxy.cfg
candidate	keepalived	1:2.2.7-1+b2
unit	haproxy	LoadState=loaded
unit	haproxy	ActiveState=active
process	haproxy	7
exe	/proc/7/exe	/usr/sbin/haproxy (deleted)
unit	clusterup-front	LoadState=loaded
process	clusterup-front	8
exe	/proc/8/exe	/opt/clusterup/node/aa/clusterup-node
same	/proc/8/exe	/opt/clusterup/node/aa/clusterup-node
file	41ed	root	root	4096 1 1.0	/proc/7
file	41ed	clusterup	clusterup	4096 1 1.0	/proc/8
file	81a4	root	root	6 1 1.0	/etc/haproxy/haproxy.cfg
file	41ed	root	root	4096 1 1.0	/etc/clusterup/front
file	81a4	root	root	2 1 1.0	/etc/clusterup/front/node.json
file	a1ff	root	root	8 1 1.0	/etc/clusterup/front/tls/client
link	/etc/clusterup/front/tls/client	client-1
file	8180	root	root	4 1 1.0	/etc/clusterup/front/tls/client-1/key.pem
user	clusterup
binary	/opt/clusterup/node/aa/clusterup-node	2a97516c354b68848cdbd8f54a226a0a55b21ed138e207ad6c5cbb9c00aa5aea
binary	/proc/7/exe	2a97516c354b68848cdbd8f54a226a0a55b21ed138e207ad6c5cbb9c00aa5aea
intact	/etc/clusterup/front/tls/client
listen	LISTEN 0 1 *:5000 *:* users:(("haproxy",pid=7,fd=3))
content	/etc/haproxy/haproxy.cfg
content	/etc/clusterup/front/node.json
raw
` + "/proc/7/cmdline:haproxy\x00/proc/7/cmdline:-Ws\x00/proc/8/cmdline:node\x00" +
	"==> /etc/haproxy/haproxy.cfg <==\nglobal\n==> /etc/clusterup/front/node.json <==\n{}\nend\n"

func TestParseNode(t *testing.T) {
	n, clock, err := parseNode(nodeAsk(), []byte(nodeAnswer))
	if err != nil || clock.Unix() != 1795234534 {
		t.Fatalf("%v, clock %v", err, clock)
	}
	const sum = "2a97516c354b68848cdbd8f54a226a0a55b21ed138e207ad6c5cbb9c00aa5aea"
	const program = "/opt/clusterup/node/aa/clusterup-node"
	want := facts.Node{
		Machine: facts.Machine{
			Arch: "amd64", OS: "debian 12", Systemd: 252, MachineID: "m", BootID: "b", Memory: 1 << 20, Run: "ended {}",
			Missing: []string{"flock"},
			Files: map[string]facts.File{
				"/etc/haproxy/haproxy.cfg": {
					Kind: facts.Regular, Mode: 0o644, Owner: "root", Group: "root", Size: 6, Content: []byte("global"),
				},
				"/etc/clusterup/front": {Kind: facts.Dir, Mode: 0o755, Owner: "root", Group: "root", Size: 4096},
				"/etc/clusterup/front/node.json": {
					Kind: facts.Regular, Mode: 0o644, Owner: "root", Group: "root", Size: 2, Content: []byte("{}"),
				},
				"/etc/clusterup/front/tls/client": {
					Kind: facts.Link, Mode: 0o777, Owner: "root", Group: "root", Size: 8, Target: "client-1",
				},
				"/etc/clusterup/front/tls/client-1/key.pem": {
					Kind: facts.Regular, Mode: 0o600, Owner: "root", Group: "root", Size: 4,
				},
			},
			Sockets:  []facts.Socket{{Address: "*", Port: 5000, PID: 7, Process: "haproxy"}},
			Binaries: map[string]string{program: sum},
		},
		Software: map[string]facts.Package{
			"haproxy":    {Version: "2.6.12-1", Held: true, Shipped: []string{"/etc/haproxy/haproxy.cfg"}},
			"keepalived": {Candidate: "1:2.2.7-1+b2"},
		},
		Units: map[string]facts.Service{
			"haproxy": {Unit: facts.Unit{Load: "loaded", Active: "active"}, Process: &facts.Process{
				PID: 7, Exe: "/usr/sbin/haproxy (deleted)", SHA256: sum, Args: []string{"haproxy", "-Ws"}, User: "root",
			}},
			"clusterup-front": {Unit: facts.Unit{Load: "loaded"}, Process: &facts.Process{
				PID: 8, Exe: program, SameAs: program, Args: []string{"node"}, User: "clusterup",
			}},
		},
		Users: map[string]bool{"clusterup": true},
		Pairs: map[string]facts.Leaf{},
	}
	if diff := cmp.Diff(want, n); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// An answer that was cut anywhere is an error, never a node with less on it.
func TestParseNodeCutShort(t *testing.T) {
	for n := range len(nodeAnswer) - 1 {
		if _, _, err := parseNode(nodeAsk(), []byte(nodeAnswer[:n])); err == nil {
			t.Fatalf("%d of %d bytes are taken for an answer", n, len(nodeAnswer))
		}
	}
	for _, text := range []string{"arch\tx\nend\n", "clock\t1.5\nend\n"} {
		if _, _, err := parseNode(nodeAsk(), []byte(text)); err == nil || !strings.Contains(err.Error(), "no clock") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A line of something that nobody asked for, or that makes no sense, is told of, and taken in by no fact.
func TestParseNodeUnread(t *testing.T) {
	const digest = "2a97516c354b68848cdbd8f54a226a0a55b21ed138e207ad6c5cbb9c00aa5aea"
	const cfg, front = "/etc/haproxy/haproxy.cfg", "/etc/clusterup/front/"
	const spare = front + "tls/client-1/x"
	const listed = "file\t81a4\ta\tb\t1 1 1.0\t"
	tests := map[string]struct{ text, says string }{
		"an unknown line":               {"colour\tblue\n", "no line of ours"},
		"a line of members":             {"data\texists\n", "no line of ours"},
		"another package":               {"package\tsudo\t1\tinstall\tinstalled\n", "nobody asked"},
		"a version for a shell":         {"package\thaproxy\t1;reboot\tinstall\tinstalled\n", "no version"},
		"an empty version":              {"package\thaproxy\t\tinstall\tinstalled\n", "no version"},
		"a candidate for a shell":       {"candidate\thaproxy\t1 -o x\n", "no version"},
		"another candidate":             {"candidate\tsudo\t1\n", "nobody asked"},
		"a file of another package":     {"shipped\tsudo\t/etc/sudoers\n", "nobody asked"},
		"another unit":                  {"unit\tssh\tLoadState=loaded\n", "nobody asked"},
		"another property":              {"unit\thaproxy\tExecStart=x\n", "nobody asked"},
		"a process of another unit":     {"process\tssh\t7\n", "nobody asked"},
		"a PID of letters":              {"process\thaproxy\tme\n", "no number"},
		"no process":                    {"exe\t/proc/7/exe\t/x\n", "no process"},
		"none that is the same":         {"same\t/proc/7/exe\t/x\n", "no process"},
		"another user":                  {"user\troot\n", "nobody asked"},
		"another file":                  {listed + "/etc/shadow\n", "nobody asked"},
		"a way out":                     {listed + "/etc/clusterup/front/../../shadow\n", "nobody asked"},
		"a neighbour":                   {listed + "/etc/clusterup/frontier\n", "nobody asked"},
		"a mode of letters":             {"file\tzz\ta\tb\t1 1 1.0\t/etc/haproxy/haproxy.cfg\n", "zz"},
		"more than fits":                {"more\t/etc/clusterup/front\n", "more lies in"},
		"a link that was not listed":    {"link\t/etc/haproxy/haproxy.cfg\tx\n", "not listed"},
		"another program":               {"binary\t/usr/bin/x\t" + digest + "\n", "nobody asked"},
		"another name of a program":     {"binary\t/opt/clusterup/node/aa/x\t" + digest + "\n", "nobody asked"},
		"no digest":                     {"binary\t/opt/clusterup/node/aa/clusterup-node\tx\n", "no digest"},
		"another pair":                  {"intact\t/etc/clusterup/front/tls/server\n", "nobody asked"},
		"a port not asked for":          {"listen\tLISTEN 0 1 *:22 *:*\n", "nobody asked"},
		"the content of nothing":        {"content\t/etc/haproxy/haproxy.cfg\n", "nobody asked"},
		"the content of a program":      {listed + "/opt/clusterup/node/x\ncontent\t/opt/clusterup/node/x\n", "nobody asked"},
		"the content of a key":          {listed + front + "key.pem\ncontent\t" + front + "key.pem\n", "nobody asked"},
		"a content beside a key":        {listed + spare + "\ncontent\t" + spare + "\n", "nobody asked"},
		"the content behind a link":     {"file\ta1ff\ta\tb\t1 1 1.0\t" + cfg + "\ncontent\t" + cfg + "\n", "nobody asked"},
		"a content twice":               {listed + cfg + strings.Repeat("\ncontent\t"+cfg, 2) + "\n", "told before"},
		"a certificate that is nowhere": {"content\t/etc/clusterup/front/tls/client/cert.pem\n", "was not listed"},
	}
	for name, test := range tests {
		n, _, err := parseNode(nodeAsk(), []byte(nodeHead+test.text+"end\n"))
		if err != nil || n.Arch != "amd64" || len(n.Unread) != 1 || !strings.Contains(n.Unread[0], test.says) {
			t.Errorf("%s: node %+v, error %v; want a note that says %q", name, n, err, test.says)
		}
		if len(n.Software)+len(n.Users)+len(n.Pairs)+len(n.Binaries)+len(n.Sockets) > 0 {
			t.Errorf("%s: something of it is a fact: %+v", name, n)
		}
	}
}

// Whoever runs a process chose its command line, and tells nothing else with it.
func TestParseNodeCommands(t *testing.T) {
	const head = nodeHead + "process\thaproxy\t7\nexe\t/proc/7/exe\t/x\nprocess\tclusterup-front\t8\nexe\t/proc/8/exe\t/y\n" +
		"file\t81a4\ta\tb\t3 1 1.0\t/etc/haproxy/haproxy.cfg\ncontent\t/etc/haproxy/haproxy.cfg\nraw\n"
	const file = "==> /etc/haproxy/haproxy.cfg <==\ncfg"
	const arg7, arg8 = "/proc/7/cmdline:", "/proc/8/cmdline:"
	forged := "\n" + arg8 + "x\n" + file
	for name, test := range map[string]struct {
		raw          string
		seven, eight []string // nil of 7: systemd's still
		content      string
	}{
		"both":          {arg7 + "a\x00" + arg7 + "\x00" + arg8 + "b\x00" + file, []string{"a", ""}, []string{"b"}, "cfg"},
		"a forged one":  {arg7 + forged + "\x00" + arg8 + "b\x00" + file, []string{forged}, []string{"b"}, "cfg"},
		"one has ended": {arg8 + "b:c\x00" + file, []string{}, []string{"b:c"}, "cfg"},
		"all have":      {file, []string{}, []string{}, "cfg"},
		"of nobody":     {"/proc/9/cmdline:b\x00" + file, []string{}, []string{}, ""},
		"no end":        {arg7 + "a\n" + file, []string{}, []string{}, ""},
		"systemd still": {arg7 + "(haproxy)\x00" + arg8 + "b\x00" + file, nil, []string{"b"}, "cfg"},
	} {
		n, _, err := parseNode(nodeAsk(), []byte(head+test.raw+"\nend\n"))
		if err != nil || len(n.Unread) > 0 {
			t.Fatalf("%s: %v, not read %q", name, err, n.Unread)
		}
		seven := n.Units["haproxy"].Process
		if (seven == nil) != (test.seven == nil) || seven != nil && !slices.Equal(seven.Args, test.seven) {
			t.Errorf("%s: 7 is %+v", name, seven)
		}
		if eight := n.Units["clusterup-front"].Process; eight == nil || !slices.Equal(eight.Args, test.eight) {
			t.Errorf("%s: 8 is %+v", name, eight)
		}
		if got := string(n.Files["/etc/haproxy/haproxy.cfg"].Content); got != test.content {
			t.Errorf("%s: the file holds %q", name, got)
		}
	}
}

// A key never is a fact, whatever the name of the file in which it lies.
func TestParseNodeKey(t *testing.T) {
	key := "-----BEGIN EC PRIVATE KEY-----\nAAAA\n"
	text := nodeHead + fmt.Sprintf("file\t81a4\ta\tb\t%d 1 1.0\t/etc/clusterup/front/both.pem\n", len(key)) +
		"content\t/etc/clusterup/front/both.pem\nraw\n==> /etc/clusterup/front/both.pem <==\n" + key + "\nend\n"
	n, _, err := parseNode(nodeAsk(), []byte(text))
	if err != nil || len(n.Unread) > 0 || n.Files["/etc/clusterup/front/both.pem"].Content != nil {
		t.Errorf("%v: %+v", err, n)
	}
}

func FuzzParseNode(f *testing.F) {
	f.Add([]byte(nodeAnswer))
	f.Add([]byte(nodeHead + "process\thaproxy\t7\nexe\t/proc/7/exe\t/x\nraw\n/proc/7/cmdline:\x00/proc/7/cmdline:\n\x00\nend\n"))
	ask := nodeAsk()
	f.Fuzz(func(t *testing.T, raw []byte) {
		n, _, err := parseNode(ask, raw)
		if err != nil {
			return
		}
		if _, err := json.Marshal(n); err != nil {
			t.Errorf("a node that cannot be written: %v", err)
		}
		if len(n.Unread) > 8+1 || len(n.Software) > 2 || len(n.Units) > 2 || len(n.Users) > 1 || len(n.Pairs) > 1 {
			t.Errorf("without bounds: %+v", n)
		}
		for name, file := range n.Files {
			if file.Content != nil && (strings.HasSuffix(name, "key.pem") || name != "/etc/haproxy/haproxy.cfg" &&
				!strings.HasPrefix(name, "/etc/clusterup/front/")) {
				t.Errorf("the content of %q", name)
			}
		}
		for _, socket := range n.Sockets {
			if !slices.Contains(ask.Ports, socket.Port) {
				t.Errorf("a socket that nobody asked for: %+v", socket)
			}
		}
	})
}

// A line of any bytes costs neither the node nor any fact of another line.
func FuzzParseNodeLine(f *testing.F) {
	text, _, _ := strings.Cut(nodeAnswer, "raw\n")
	for line := range strings.Lines(text) {
		kind, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		f.Add(kind, rest)
	}
	f.Fuzz(func(t *testing.T, kind, rest string) {
		switch {
		case kind == "end", kind == "clock", kind == "arch", strings.ContainsAny(kind, "\t\n"), strings.Contains(rest, "\n"):
			return
		}
		n, _, err := parseNode(nodeAsk(), fmt.Appendf(nil, nodeHead+"%s\t%s\nboot\tb\nend\n", kind, rest))
		if err != nil || n.Arch != "amd64" || kind != "boot" && n.BootID != "b" {
			t.Errorf("node %+v, %v", n, err)
		}
	})
}
