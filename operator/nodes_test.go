package operator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/balancer"
	"github.com/clusterup/clusterup/plan/etcd"
)

// withNodes gives a session's cluster a balancer whose nodes are these.
func withNodes(s *Session, names ...string) {
	b := inventory.Balancer{Name: "front"}
	for _, name := range names {
		b.Nodes = append(b.Nodes, inventory.Node{Name: name, Address: name})
	}
	cluster := *s.Cluster
	cluster.Balancers = []inventory.Balancer{b}
	s.Cluster = &cluster
}

// A program for nodes is read once a run, from beside clusterup. One that is not at hand is for the rules to refuse.
// One that cannot be read is an error.
func TestPrograms(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "clusterup-node-linux-amd64")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("program")
	s := &Session{Cluster: &inventory.Cluster{Name: "prod"}, options: Options{Programs: dir}}
	if rules, err := s.NodeRules(etcd.Want{}, facts.Snapshot{}); rules != nil || err != nil {
		t.Errorf("no nodes, and rules %v, %v", rules, err)
	}
	withNodes(s, "lb-1", "lb-2", "lb-3")
	seen := facts.Snapshot{Nodes: map[string]facts.Node{
		"lb-1": {Machine: facts.Machine{Arch: "amd64"}}, "lb-2": {Machine: facts.Machine{Arch: "arm64"}}, "lb-3": {},
	}}
	programs := func() map[string]plan.Program {
		t.Helper()
		rules, err := s.NodeRules(etcd.Want{}, seen)
		if err != nil {
			t.Fatal(err)
		}
		return rules.(balancer.Rules).Programs
	}
	sum := sha256.Sum256([]byte("program"))
	digest := hex.EncodeToString(sum[:])
	want := plan.Program{
		Arch: "amd64", SHA256: digest, Size: 7, Path: "/opt/clusterup/node/" + digest[:16] + "/clusterup-node",
	}
	if got := programs(); len(got) != 1 || got["amd64"] != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	write("another")
	if got := programs(); got["amd64"] != want {
		t.Errorf("it was read again: %+v", got)
	}
	input, err := operatorDir{s}.Program(t.Context(), want)
	if err != nil || input.Size != 7 {
		t.Fatalf("%+v, %v", input, err)
	}
	content, err := input.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	if text, err := io.ReadAll(content); err != nil || string(text) != "another" { // who sends it compares digests
		t.Errorf("%q, %v", text, err)
	}
	if _, err := s.program("arm64"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want that there is none", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "clusterup-node-linux-riscv64"), 0o700); err != nil {
		t.Fatal(err)
	}
	seen.Nodes["lb-2"] = facts.Node{Machine: facts.Machine{Arch: "riscv64"}}
	seen.Nodes["lb-3"] = facts.Node{Machine: facts.Machine{Arch: "x/../../secret"}}
	rules, err := s.NodeRules(etcd.Want{}, seen)
	if err != nil {
		t.Fatal(err)
	}
	for _, arch := range []string{"riscv64", "x/../../secret"} { // what a host says becomes no part of a path
		if got, ok := rules.(balancer.Rules).Programs[arch]; ok {
			t.Errorf("%s: %+v", arch, got)
		}
	}
}

// A node on which the lock is not held is dark for the run, as a member's host is. It takes no part in majorities.
func TestNodesDarkened(t *testing.T) {
	s, hosts := lockedSession(t)
	withNodes(s, "etcd-2", "lb-1")
	seen := *s.last.Load()
	seen.Nodes = map[string]facts.Node{
		"etcd-2": {Machine: facts.Machine{Name: "etcd-2"}}, "lb-1": {Machine: facts.Machine{Name: "lb-1"}},
		"etcd-1": {Machine: facts.Machine{Name: "etcd-1"}},
	}
	close(hosts["etcd-2"].cut)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for s.holding.Load().unheld("etcd-2") == nil && ctx.Err() == nil {
		<-tick.C
	}
	now := s.holding.Load().darkened(seen)
	if !now.Nodes["etcd-2"].Dark() || !now.Hosts["etcd-2"].Dark() || now.Nodes["etcd-1"].Dark() {
		t.Errorf("%+v", now.Nodes)
	}
	if !now.Nodes["lb-1"].Dark() { // the lock was never taken there
		t.Error("a node without a lock is seen")
	}
	if seen.Nodes["etcd-2"].Dark() {
		t.Error("what was given has been changed")
	}
	if err := s.Quorate(now, s.holding.Load().lock.Held()); err != nil {
		t.Errorf("two of three members are locked: %v", err)
	}
}

// A look counts under the lock only where nodes were seen and locked, too.
func TestNodesUntouched(t *testing.T) {
	now := time.Now()
	for name, test := range map[string]struct {
		node string
		seen facts.Machine
		want bool
	}{
		"as it was seen":   {"etcd-2", facts.Machine{Name: "etcd-2"}, true},
		"dark":             {"etcd-2", facts.Machine{Name: "etcd-2", Unreachable: "no route"}, false},
		"never looked at":  {"etcd-2", facts.Machine{}, false},
		"a run was there":  {"etcd-2", facts.Machine{Name: "etcd-2", Run: "ended {}"}, false},
		"it is not locked": {"lb-1", facts.Machine{Name: "lb-1"}, false},
	} {
		s, _ := lockedSession(t)
		withNodes(s, test.node)
		s.Now = func() time.Time { return now }
		seen := *s.last.Load()
		seen.Taken, seen.Nodes = now, map[string]facts.Node{test.node: {Machine: test.seen}}
		if got := s.Untouched(seen); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
