package trust

import (
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// A member gets a leaf for a reason, at once or in its turn.
func TestLeavesToBeIssued(t *testing.T) {
	at := func(left int) func(*facts.Leaf) {
		return func(l *facts.Leaf) {
			l.NotAfter = noon.Add(time.Duration(left) * day)
			l.NotBefore = l.NotAfter.Add(-365 * day)
		}
	}
	for _, test := range []struct {
		name, cas, members string
		leaf               func(*facts.Leaf)
		host               func(*State, *facts.Host)
		why                string // "": it has the best
		now                bool
	}{
		{"good", "1", "1/1", nil, nil, "", false},
		{"none", "1", "1/1", nil, func(_ *State, h *facts.Host) { h.Leaves = nil }, "no peer certificate", true},
		{
			"damaged", "1", "1/1", func(l *facts.Leaf) { l.Intact = false }, nil,
			"peer certificate or key was changed after it was written", true,
		},
		{
			"no longer dialled so", "1", "1/1", func(l *facts.Leaf) { l.Names = []string{"10.0.0.9"} }, nil,
			"peer certificate is for 10.0.0.9, want 10.0.0.1 etcd-1", true,
		},
		{
			"another name", "1", "1/1", func(l *facts.Leaf) { l.Names = []string{"10.0.0.1"} }, nil,
			"peer certificate is for 10.0.0.1, want 10.0.0.1 etcd-1", false,
		},
		{
			"another algorithm", "1", "1/1", func(l *facts.Leaf) { l.Algorithm = "rsa-2048" }, nil,
			"peer key is rsa-2048, want ecdsa-p256", false,
		},
		{
			"elsewhere", "1", "1/1", func(l *facts.Leaf) { l.Dir = "/etc/ssl/peer" }, nil,
			"peer certificate does not lie behind the link /etc/etcd/prod/tls/peer", false,
		},
		{
			"asked for", "1", "1/1", nil, func(s *State, _ *facts.Host) { s.Wish.Replace = map[string]bool{"its": true} },
			"a new peer certificate was asked for", false,
		},
		{"ended", "1", "1/1", at(-1), nil, "peer certificate ended on 2026-11-20", true},
		{
			"not begun", "1", "1/1", func(l *facts.Leaf) { l.NotBefore = noon.Add(day) }, nil,
			"peer certificate is valid only from 2026-11-22 on", true,
		},
		{"near its end", "1", "1/1", at(119), nil, "peer certificate ends on 2027-03-20", false},
		{"long before its end", "1", "1/1", at(121), nil, "", false},
		{
			"cut short by its CA", "1", "1/1", at(10),
			func(s *State, _ *facts.Host) { s.Seen.Operator.CAs[0].NotAfter = noon.Add(10 * day) }, "", false,
		},
		{"of the old CA", "1 2", "1+2/1", nil, nil, "peer certificate is not of peer CA 2", false},
		{
			"of the new CA, which one does not trust", "1 2", "1+2/2 1/1", nil, nil, "peer certificate is not of peer CA 1",
			false,
		},
		{"of the new CA, beside a dark host", "1 2", "1+2/2 dark", nil, nil, "", false},
		{
			"of the new CA, and a host that is seen does not trust it", "1 2", "1+2/2 1/1 dark", nil, nil,
			"peer certificate is not of peer CA 1", false,
		},
		{"of a CA that nobody trusts", "1r 2", "2/1", nil, nil, "peer certificate is not of peer CA 2", true},
		{"the member is stopped", "1 2", "1+2/1", nil, func(s *State, h *facts.Host) {
			h.Files[s.UnitPath] = facts.File{Content: []byte("ExecStart=" + strings.Join(h.Process.Args, " ") + "\n")}
			h.Process = nil
		}, "peer certificate is not of peer CA 2", true},
		{"no pair", "1", "1/1", nil, func(_ *State, h *facts.Host) {
			h.Serves = map[string][]facts.Served{"peer": {{From: "etcd-2", Broken: true}}}
		}, "peer certificate and key do not belong together: the member can show no certificate", true},
		{"what the new CA signed was refused", "1 2", "1+2/1", nil, func(_ *State, h *facts.Host) {
			h.Serves = map[string][]facts.Served{"peer": {{From: "etcd-2", SHA256: "its", Refuses: "unknown authority"}}}
		}, "", false},
	} {
		s := site(t, "peer", test.cas, test.members)
		host := s.Hosts["etcd-1"]
		leaf := host.Leaves["peer"]
		leaf.SHA256, leaf.Dir, leaf.Names, leaf.Algorithm = "its", units.LeafDir(s.ConfigDir, "peer", "1"),
			[]string{"10.0.0.1", "etcd-1"}, "ecdsa-p256"
		leaf.NotBefore, leaf.NotAfter = noon.Add(-day), noon.Add(364*day)
		if test.leaf != nil {
			test.leaf(&leaf)
		}
		host.Leaves["peer"] = leaf
		if test.host != nil {
			test.host(&s, &host)
		}
		s.Hosts["etcd-1"] = host
		holder := Holder{
			Name: "etcd-1", Names: []string{"10.0.0.1", "etcd-1"}, Peer: "10.0.0.1", Client: "10.0.0.1", Seen: host,
			Readable: func(string) bool { return true },
		}
		turn := ""
		if stage := s.Renew(holder); stage != nil {
			turn = why(stage.Steps)
		}
		if now := why(s.Leaves(holder)); turn != test.why || test.now && now != test.why || !test.now && now != "" {
			t.Errorf("%s: at once %q, in its turn %q; want %q, at once: %v", test.name, now, turn, test.why, test.now)
		}
	}
}

// A server certificate of before, with a common name, is good until it is due: nobody restarts for it. The next one has
// none, and is known for the member's own where its port still shows the one of before.
func TestServerLeafOfBefore(t *testing.T) {
	s := site(t, "client", "1", "1/1")
	host := s.Hosts["etcd-1"]
	leaf := facts.Leaf{
		SHA256: "before", Dir: units.LeafDir(s.ConfigDir, "server", "1"), Names: []string{"10.0.0.1"},
		Algorithm: "ecdsa-p256", NotBefore: noon.Add(-day), NotAfter: noon.Add(364 * day), Intact: true, Issuer: "client-1",
		Subject: "server:etcd-1", CN: "server:etcd-1",
	}
	host.Leaves["server"] = leaf
	host.Serves = map[string][]facts.Served{"server": {{From: "etcd-2", SHA256: "before", Name: "server:etcd-1"}}}
	holder := Holder{
		Name: "etcd-1", Names: leaf.Names, Peer: "10.0.0.1", Client: "10.0.0.1", Seen: host,
		Readable: func(string) bool { return true },
	}
	if stage := s.Renew(holder); stage != nil || len(Unproven(host)) > 0 {
		t.Errorf("it is exchanged: %+v, or not proven: %v", stage, Unproven(host))
	}
	s.Wish.Replace = map[string]bool{"before": true}
	stage := s.Renew(holder)
	if stage == nil || stage.Steps[0].Leaf.CN != "" || stage.Steps[0].Leaf.OU != "server:etcd-1" {
		t.Fatalf("the next one is %+v", stage)
	}
	s.Issue(stage.Steps[0].Leaf, &host)
	if next := host.Leaves["server"]; next.CN != "" || next.Subject != leaf.Subject {
		t.Errorf("the next one is of %q, with the common name %q", next.Subject, next.CN)
	}
	host.Serves = map[string][]facts.Served{"server": {{From: "etcd-2", SHA256: "before", Name: "server:etcd-1"}}}
	if len(Unproven(host)) != 1 {
		t.Error("a member that still shows the one of before is not found")
	}
}

func why(steps []plan.Step) string {
	var words []string
	for _, step := range steps {
		words = append(words, step.Why)
	}
	return strings.Join(words, "; ")
}
