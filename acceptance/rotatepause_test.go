package acceptance

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// withPauses rotates the client CA as an operator does who hands out files by hand: after each phase the clients get
// what they need for the next one. Clients are at work all the time.
func withPauses(t *testing.T, s *site, inv inventory) {
	file := s.write(t, "prod.hcl", inv)
	before := s.inUse(t, inv.Cluster)
	old := s.credentials(t, "app", file)
	w := &wallet{members: inv.Members}
	w.put(old.trust, old.pair)
	tr, seconds := startTrafficAs(t, s, inv, unhurried(everybody), w.config()), 0.0
	rotate := func(more ...string) result {
		p := s.start(t, slices.Concat([]string{"rotate", "ca", "--client", "--yes"}, more, []string{file})...)
		r := p.wait(t).exits(t, 0)
		seconds += p.took.Seconds()
		return r
	}

	rotate("--pause-after=trust").says(t, "waits: …phase trust").saysNot(t, "issue-leaf",
		"retire-ca")
	s.waiting(t, inv, file, "phase trust")
	next := s.credentials(t, "app", file)
	s.issuedInTheDark(t, file)
	w.put(next.trust) // both CAs; its certificate is still that of old
	rotate("--pause-after=leaves").says(t, "issue-leaf/server/etcd-1",
		"waits: …phase leaves").saysNot(t, "restart-member", "retire-ca")
	s.waiting(t, inv, file, "phase leaves")
	s.received(t, "a client of the old CA, before that is dropped", old, inv, 2379, welcome)
	w.put(next.trust, next.pair)
	rotate().says(t, "retire-ca/client").saysNot(t, "waits")

	seen := tr.stop(t)
	seen.unnoticed(t)
	s.inSync(t, file, inv)
	s.rotated(t, inv, before, "client")
	s.nobodyRefused(t, inv)
	s.received(t, "a client of the old CA, after that was dropped", old, inv, 2379, alert)
	if s.refused(t, inv) == "" {
		t.Error("no journal has a word about a client that was refused")
	}
	s.received(t, "a client of the new CA", next, inv, 2379, welcome)
	s.received(t, "a client of the new CA", next, inv, 2380, alert)
	if !t.Failed() {
		measured(t, "the CA of clients is rotated with pauses, in which the clients get what they need, 3 members", seen,
			seconds)
	}
}

// issuedInTheDark is a certificate that nobody has to be asked for: all members accept what the old CA signs as long as
// it is not dropped.
func (s *site) issuedInTheDark(t *testing.T, file string) {
	t.Helper()
	s.on(t, "etcd-3", "systemctl stop ssh")
	s.ok(t, "cert", "issue", "dark", file, "--out", filepath.Join(t.TempDir(), "dark")).says(t,
		"the old one", "etcd-3")
	s.on(t, "etcd-3", "systemctl start ssh")
	s.ok(t, "cert", "revoke", "dark", file, "--yes")
}

// waiting checks that a rotation waits: a plan says so, and an apply says so and changes nothing. Hosts as a whole
// cannot be compared while clients are at work: members write what they like.
func (s *site) waiting(t *testing.T, inv inventory, file, why string) {
	t.Helper()
	type picture struct{ PIDs, Bundles, Shown, Control map[string]string }
	take := func() picture {
		p := picture{s.pids(t, inv.Cluster), s.bundles(t, inv), map[string]string{}, control(t, s.dir, s.home)}
		for where, leaf := range s.shown(t, inv) {
			p.Shown[where] = leaf.SerialNumber.String()
		}
		return p
	}
	before := take()
	s.ok(t, "plan", "--exit-code", file).says(t, "waits: …"+why)
	s.ok(t, "apply", "--yes", file).says(t, "waits: …"+why)
	if d := cmp.Diff(before, take()); d != "" {
		t.Errorf("while a rotation waits, this has changed: %s", d)
	}
}
