package acceptance

import (
	"slices"
	"testing"
)

// TestMembersFive replaces members of a cluster of five, also such as cannot be looked at, and learners that are slow.
func TestMembersFive(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	s := newSite(t, "five", hosts(6)...)
	inv := s.inventory(t, "prod")
	five := among(inv, 1, 2, 3, 4, 5)
	s.converges(t, five)
	t.Run("two at once", func(t *testing.T) { twoReplaced(t, s, five) })
	t.Run("dark", func(t *testing.T) { darkReplaced(t, s, five) })
	if !whole() {
		return
	}
	t.Run("half-way", func(t *testing.T) { halfway(t, s, among(inv, 1, 2, 3, 4, 5, 6)) })
	t.Run("unreachable peers", func(t *testing.T) { deafLearner(t, s, among(inv, 1, 2, 3, 4, 5, 6)) })
	t.Run("slow link", func(t *testing.T) { slowLearner(t, s, among(inv, 1, 2, 3, 4, 5, 6)) })
}

// twoReplaced has two of five members lose their data, which one apply brings back one after the other.
func twoReplaced(t *testing.T, s *site, inv inventory) {
	for _, host := range []string{"etcd-2", "etcd-4"} {
		s.on(t, host, "systemctl stop etcd-prod; rm -rf /var/lib/etcd-prod/member")
	}
	tr := startTraffic(t, s, among(inv, 1, 3, 5), somebody)
	s.converges(t, inv, "--accept=replace:etcd-2,replace:etcd-4")
	tr.stop(t).unnoticed(t)
	if !t.Failed() {
		guarantee(t, "the data of two of five members is lost", "replacement of members of 5, under load",
			"by consent both are removed, then added and promoted one after the other; no acknowledged write is lost")
	}
}

// darkReplaced gives up a member whose host is dark, beside another dark one. Its host comes back empty.
func darkReplaced(t *testing.T, s *site, inv inventory) {
	file := s.write(t, "prod.hcl", inv)
	tr := startTraffic(t, s, among(inv, 1, 2, 3), somebody)
	s.cut(t, "etcd-4", "etcd-5")
	s.dark(t, []string{"etcd-4", "etcd-5"}, "apply", "--yes", file)
	waits := s.dark(t, []string{"etcd-4", "etcd-5"}, "apply", "--yes", "--accept=replace:etcd-5", file).
		saysNot(t, "remove-member/")
	s.dark(t, []string{"etcd-4", "etcd-5"}, "apply", "--yes", waits.consent(t, "replace:etcd-5@"), file)
	s.listed(t, among(inv, 1, 2, 3, 4))
	must(t, s.lab.Wipe(t.Context(), "etcd-5"))
	s.dark(t, []string{"etcd-4"}, "apply", "--yes", file).says(t, "adding etcd-5")
	s.heal(t, "etcd-4")
	s.converges(t, inv)
	tr.stop(t).sound(t) // who led may have been cut off
	if !t.Failed() {
		guarantee(t, "two of five hosts are cut off the network, and one comes back empty",
			"replacement of members of 5, under load",
			"exit 12; by consent that names its ID the lost one is removed, and added when all voters are seen; no acknowledged write "+
				"is lost")
	}
}

// halfway wants a member more while the cluster is half-way to another minor version.
func halfway(t *testing.T, s *site, inv inventory) {
	newer := among(inv, 1, 2, 3, 4, 5)
	newer.Version = "3.7.3"
	s.ok(t, "apply", "--yes", "--hold-last", s.write(t, "newer.hcl", newer))
	more := inv
	more.Version = newer.Version
	refused(t, s, s.write(t, "more.hcl", more), 13, "etcd-6 to come", "3.6", "[membership]")
	s.ok(t, "apply", "--yes", s.write(t, "newer.hcl", newer))
	refused(t, s, s.write(t, "back.hcl", inv), 13, "etcd-6 to come", "[membership]")
	if !t.Failed() {
		guarantee(t, "a member more is wanted half-way to another minor version", "growth of 5 members",
			"exit 13, with the order to take")
	}
}

// deafLearner cannot reach its peers once it is added, so it never becomes ready. It can be taken out again.
func deafLearner(t *testing.T, s *site, inv inventory) {
	inv.Version = "3.7.3"
	file := s.write(t, "prod.hcl", inv)
	tr := startTraffic(t, s, among(inv, 1, 2, 3, 4, 5), nobody)
	r := s.hold(t, "after add-learner/etcd-6", func() { s.on(t, "etcd-6", offPeers) }, "apply", "--yes",
		"--start-timeout=8s", file)
	r.exits(t, 14).says(t, "start-member/etcd-6: ", "reaches none of the others", "peer port is open")
	out := inv
	out.Members = slices.Clone(inv.Members)
	out.Members[5].More = "\n    state = \"absent\""
	s.converges(t, out)
	s.heal(t, "etcd-6")
	tr.stop(t).unnoticed(t)
	if !t.Failed() {
		guarantee(t, "a learner cannot reach its peers", "growth of 5 members",
			"exit 14, with the cause; it is taken out again, and nobody notices")
	}
}

// offPeers keeps a host from the peer ports of others.
const offPeers = `nft -f - <<'EOF'
table inet cutoff {
  chain outgoing {
    type filter hook output priority -300
    oifname lo accept
    tcp dport 2380 reject with tcp reset
  }
}
EOF`

// slowLearner has a link of 10 Mbit/s, over which a database of some megabytes has to come.
func slowLearner(t *testing.T, s *site, inv inventory) {
	inv.Version = "3.7.3"
	s.on(t, "etcd-6", "rm -rf /var/lib/etcd-prod.aside-*")
	must(t, s.lab.SlowLink(t.Context(), "etcd-6", 10_000_000))
	tr := startTraffic(t, s, among(inv, 1, 2, 3, 4, 5), nobody)
	s.converges(t, inv)
	tr.stop(t).unnoticed(t)
	must(t, s.lab.SlowLink(t.Context(), "etcd-6", 0))
	if !t.Failed() {
		guarantee(t, "a learner has a link of 10 Mbit/s", "growth of 5 members",
			"it is waited for, and promoted when it has caught up; no client notices")
	}
}

// TestMembersMove takes a cluster to other machines, one after the other, until none of the first is left.
func TestMembersMove(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	s := newSite(t, "move", hosts(6)...)
	inv := s.inventory(t, "prod")
	s.converges(t, among(inv, 1, 2, 3))
	tr := startTraffic(t, s, inv, nobody)
	for _, members := range [][]int{{-1, 2, 3, 4}, {-2, 3, 4, 5}, {-3, 4, 5, 6}} {
		s.converges(t, among(inv, members...))
	}
	seen := tr.stop(t)
	seen.sound(t, s.names()...)
	s.inSync(t, s.write(t, "prod.hcl", among(inv, 4, 5, 6)), among(inv, 4, 5, 6))
	if !t.Failed() {
		measured(t, "all three machines are changed for others, one at a time", seen, seen.took.Seconds())
	}
}
