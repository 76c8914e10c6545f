package acceptance

import (
	"slices"
	"strings"
	"testing"
)

const (
	replaceFaults = "replacement of 1 of 3 members, under load"
	changeFaults  = "one of 2 members leaves, and another comes"
	diskFaults    = "another data_dir for 1 of 3 members"
)

// loseData takes the data of the second member.
func loseData(t *testing.T, s *stand) {
	t.Helper()
	settledAs(t, s)
	s.on(t, s.hosts()[1], "systemctl stop etcd-prod; rm -rf /var/lib/etcd-prod/member /etc/etcd/prod/*.aside-*")
}

// replacing brings a member back whose data is lost, while clients are at work.
func replacing() operation {
	u := &underway{all: map[*stand]*traffic{}}
	return operation{
		name: replaceFaults, args: []string{"apply", "--yes", "--accept=replace:etcd-2"},
		telling: func(points []string) []string {
			all := only("after remove-member/etcd-2", "after move-aside/etcd-2", "after add-learner/etcd-2")(points)
			return all[:min(3, len(all))]
		},
		prepare: func(t *testing.T, s *stand) {
			loseData(t, s)
			u.start(t, s, among(s.inv, 1, 3))
		},
		ends: func(t *testing.T, s *stand, end []picture) {
			s.served(t, end)
			u.stop(t, s)
		},
		whole:   everyStep,
		part:    map[string]string{"kill": "around every step that changes something", "fail": partOfMembers["fail"]},
		deletes: true, // the test does
	}
}

// changing takes one of two members out, and has a third one come.
func changing() operation {
	return operation{
		name: changeFaults, args: []string{"apply", "--yes"},
		telling: only("before promote-member/etcd-3", "after remove-member/etcd-2"),
		prepare: func(t *testing.T, s *stand) {
			s.bare(t)
			s.write(t, "prod.hcl", among(s.inv, 1, 2))
			s.ok(t, "apply", "--yes", s.file)
			s.write(t, "prod.hcl", among(s.inv, 1, -2, 3))
		},
		ends: func(t *testing.T, s *stand, _ []picture) {
			s.ok(t, "plan", "--exit-code", s.file)
			s.listed(t, among(s.inv, 1, 3))
			s.clean(t, s.hosts()[1])
		},
		whole: memberSteps, part: partOfMembers,
	}
}

// moving gives one of three members, which leads, another data_dir by consent.
func moving() operation {
	moved := func(s *stand) inventory {
		inv := among(s.inv, 1, 2, 3)
		inv.Members[1].More = "\n    data_dir = \"/srv/etcd\""
		return inv
	}
	return operation{
		name: diskFaults, args: []string{"apply", "--yes", "--accept=replace:etcd-2"},
		telling: func(points []string) []string {
			all := only("after remove-member/etcd-2", "after move-aside/etcd-2", "after add-learner/etcd-2",
				"after start-member/etcd-2")(points)
			return all[:min(4, len(all))]
		},
		prepare: func(t *testing.T, s *stand) {
			s.write(t, "prod.hcl", s.inv)
			s.ok(t, "apply", "--yes", "--accept=replace:etcd-2", s.file)
			s.lead(t, s.inv.Members[1])
			s.on(t, s.hosts()[1], "rm -rf /srv/etcd /srv/etcd.aside-* /var/lib/etcd-prod.aside-* /etc/etcd/prod/*.aside-*")
			s.write(t, "prod.hcl", moved(s))
		},
		ends: func(t *testing.T, s *stand, _ []picture) {
			s.inSync(t, s.file, moved(s))
			s.on(t, s.hosts()[1], "test -d /srv/etcd/member/wal; test ! -e /var/lib/etcd-prod; ls -d /var/lib/etcd-prod.aside-*/member/wal")
		},
		whole: memberSteps, part: partOfMembers,
	}
}

var partOfMembers = map[string]string{
	"kill": "around every step that changes who is a member, or what one that has left leaves",
	"fail": "around every such step on one host",
}

// everyStep leaves the points around all steps to be killed at. Whether an election, or a learner, is waited for
// differs from run to run, and changes nothing.
func everyStep(verb string, points []string) []string {
	if verb == "fail" {
		return memberSteps(verb, points)
	}
	return slices.DeleteFunc(steps(points, ""), func(p string) bool {
		return strings.Contains(p, " await-leader/") || strings.Contains(p, " await-learner/")
	})
}

// memberSteps are the points around steps of members; the others are tried with a bootstrap and a replacement.
func memberSteps(verb string, points []string) []string {
	host := map[string]string{"kill": "", "fail": "etcd-2"}[verb]
	return slices.DeleteFunc(steps(points, host), func(p string) bool {
		kinds := []string{"add-learner", "promote-member", "remove-member", "stop-member", "move-aside", "remove-files"}
		return !slices.ContainsFunc(kinds, func(kind string) bool { return strings.Contains(p, " "+kind+"/") })
	})
}

// partitions are replacements in the middle of which the control machine loses its way to one host.
func partitions() []darkening {
	rival := []string{"rotate", "certs", "--yes"}
	all := []darkening{
		{
			rival: rival, point: "after add-learner/etcd-2", host: "etcd-2", where: "where the member lives that was just added",
			without: []string{"start-member/etcd-2", "promote-member/"},
		},
		{
			rival: rival, point: "after remove-member/etcd-2", host: "etcd-2",
			where: "where the member lived that was just removed", slow: true,
			says: []string{"adding etcd-2 waits for its host"}, without: []string{"add-learner/"},
		},
		{
			point: "after remove-member/etcd-2", host: "etcd-3",
			where: "with another voter, before the member is added", slow: true,
			says: []string{"waits for etcd-3"}, without: []string{"add-learner/"},
		},
		{
			point: "before promote-member/etcd-2", host: "etcd-1", where: "with the leader, before the member gets its vote",
			slow: true,
		},
	}
	for i := range all {
		all[i].during, all[i].load, all[i].ssh, all[i].prepare = replaceFaults, true, true, loseData
		all[i].args = []string{"apply", "--yes", "--accept=replace:etcd-2"}
	}
	return all
}

// TestMembersFaults has runs die that replace a member, or lose their way to a host, and runs die that move the data of
// a member, or take one out while another one comes.
func TestMembersFaults(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	t.Run("replace", func(t *testing.T) {
		stands := standsOf(t, "flt-replace", 3, clusters())
		disturb(t, replacing(), stands...)
		for _, d := range partitions() {
			if !d.slow || whole() {
				t.Run(d.where, func(t *testing.T) { d.undergo(t, stands[0]) })
			}
		}
	})
	t.Run("disk", func(t *testing.T) { disturb(t, moving(), standsOf(t, "flt-disk", 3, 1)...) })
	t.Run("change", func(t *testing.T) { disturb(t, changing(), standsOf(t, "flt-change", 3, clusters())...) })
}
