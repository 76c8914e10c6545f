package balancer

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/units"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

const digest = "0badcafe00112233445566778899aabbccddeeff0badcafe00112233445566ff"

// nodes are those that tests render.
var nodes = map[string]Node{
	"plain": {
		Cluster: "prod", Balancer: "front", Name: "lb-1",
		Listens:   []Listen{{Name: "web", Port: 8080}},
		Endpoints: []string{"http://10.0.0.11:2379"},
		Program:   ProgramPath(digest),
	},
	"postgres": {
		Cluster: "prod", Balancer: "front", Name: "lb-1",
		Listens: []Listen{
			{Name: "write", Port: 5000, PostgresUser: "check"},
			{Name: "pool", Port: 6432, PostgresUser: "pool check"},
		},
		Endpoints: []string{"https://10.0.0.11:2379", "https://10.0.0.12:2379", "https://10.0.0.13:2379"},
		TLS:       true, Address: "10.0.0.31",
		Program: ProgramPath(digest), Writer: "v1.2.3",
	},
	"ipv6": {
		Cluster: "six", Balancer: "a.b-c", Name: "lb.six",
		Listens:   []Listen{{Name: "write", Port: 5000}},
		Endpoints: []string{"https://[fd00::11]:2379"},
		TLS:       true, Address: "fd00::31",
		Program: ProgramPath(digest),
	},
}

func TestGolden(t *testing.T) {
	for name, n := range nodes {
		t.Run(name, func(t *testing.T) {
			for _, file := range []struct {
				ending string
				units.File
			}{{".cfg", HAProxy(n)}, {".json", Follow(n)}, {".service", Unit(n)}} {
				golden(t, filepath.Join("testdata", name+file.ending), file.Data)
				if file.Owner != "root" || file.Group != "root" || file.Mode != 0o644 || file.Secret {
					t.Errorf("%s: %s:%s %o", file.Path, file.Owner, file.Group, file.Mode)
				}
			}
		})
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("%s (-want +got; -update writes it):\n%s", path, diff)
	}
}

func TestPaths(t *testing.T) {
	n := nodes["postgres"]
	for _, row := range [][2]string{
		{HAProxy(n).Path, "/etc/haproxy/haproxy.cfg"},
		{Unit(n).Path, "/etc/systemd/system/clusterup-follow-front.service"},
		{filepath.Dir(Follow(n).Path), "/etc/clusterup-follow-front"},
		{PairLink("front"), "/etc/clusterup-follow-front/tls/client"},
		{units.LeafDir(ConfigDir("front"), "client", "01"), PairLink("front") + "-01"},
		{TrustPath("front"), "/etc/clusterup-follow-front/ca.pem"},
		{StateDir("front"), "/var/lib/clusterup-follow-front"},
		{n.Program, "/opt/clusterup/node/0badcafe00112233/clusterup-node"},
	} {
		if row[0] != row[1] {
			t.Errorf("%s, want %s", row[0], row[1])
		}
	}
}

// The command line says everything that the follower runs with, so that it tells what needs a restart.
func TestArgs(t *testing.T) {
	n := nodes["postgres"]
	args := Args(n)
	if want := []string{n.Program, "follow", Follow(n).Path}; !slices.Equal(args, want) {
		t.Errorf("%q, want %q", args, want)
	}
	for name, change := range map[string]func(*Node){
		"node":      func(n *Node) { n.Name = "lb-2" },
		"endpoints": func(n *Node) { n.Endpoints = n.Endpoints[1:] },
		"listens":   func(n *Node) { n.Listens = n.Listens[1:] },
		"TLS":       func(n *Node) { n.TLS = false },
		"program":   func(n *Node) { n.Program = ProgramPath(strings.Repeat("1", 64)) },
	} {
		other := n
		change(&other)
		if slices.Equal(Args(other), args) {
			t.Errorf("another %s is the same command line", name)
		}
	}
	other := n
	other.Writer, other.Address, other.Listens = "v9", "10.0.0.32", slices.Clone(n.Listens)
	other.Listens[0].Port, other.Listens[0].PostgresUser = 5001, ""
	if !slices.Equal(Args(other), args) {
		t.Error("what only HAProxy runs with is another command line")
	}
}

// Another version of clusterup alone changes no file.
func TestSettled(t *testing.T) {
	by := func(writer string) Node {
		n := nodes["postgres"]
		n.Writer = writer
		return n
	}
	for _, render := range []func(Node) units.File{HAProxy, Unit} {
		wanted, has := render(by("v2")), render(by("v1")).Data
		if !units.Written(has) {
			t.Errorf("%s is not seen as written by clusterup", wanted.Path)
		}
		if got := units.WriterOf(has); got != (units.Writer{Form: Form, Version: "v1"}) {
			t.Errorf("%s is by %v", wanted.Path, got)
		}
		if got := units.Settled(wanted, has).Data; string(got) != string(has) {
			t.Errorf("%s is written anew for another version:\n%s", wanted.Path, got)
		}
		edited := append(slices.Clone(has), "# by hand\n"...)
		if got := units.Settled(wanted, edited).Data; string(got) != string(wanted.Data) {
			t.Errorf("%s stays as it was edited", wanted.Path)
		}
	}
}

// Whatever a node is called by people ends no line, and no word of HAProxy's configuration.
func TestNothingBreaksOut(t *testing.T) {
	lines := func(data []byte) int { return strings.Count(string(data), "\n") }
	base := nodes["postgres"]
	for _, odd := range []string{"a\nuser root", "a\rb", "100%", "%i", `"`, "'", `\`, "$HOME", "#", "{{.Form}}"} {
		n := base
		n.Cluster, n.Writer = odd, odd
		for _, render := range []func(Node) units.File{HAProxy, Unit} {
			if got := render(n); lines(got.Data) != lines(render(base).Data) {
				t.Errorf("%q adds lines to %s:\n%s", odd, got.Path, got.Data)
			}
		}
		n.Endpoints = []string{odd}
		var c followConfig
		if err := json.Unmarshal(Follow(n).Data, &c); err != nil || c.Endpoints[0] != odd {
			t.Errorf("%q: %q, %v", odd, c.Endpoints, err)
		}
	}
	for in, want := range map[string]string{
		"a": "a", "[fd00::1]:5000": "[fd00::1]:5000", "": "''", "a b": "'a b'", "a'b": `'a'\''b'`,
		`"$HOME" #\`: `'"$HOME" #\'`,
	} {
		if got := word(in); got != want {
			t.Errorf("%q is %s, want %s", in, got, want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a line break is a word of HAProxy's configuration")
		}
	}()
	word("a\nuser root")
}
