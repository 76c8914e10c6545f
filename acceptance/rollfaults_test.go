package acceptance

import (
	"slices"
	"strings"
	"sync"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// underway are the clients at work while an operation on a stand is disturbed.
type underway struct {
	mu  sync.Mutex
	all map[*stand]*traffic
}

func (u *underway) start(t *testing.T, s *stand, inv inventory) {
	t.Helper()
	u.keep(s, startTraffic(t, s.site, inv, unhurried(somebody)))
}

func (u *underway) keep(s *stand, tr *traffic) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all[s] = tr
}

// stop checks that nothing acknowledged was lost, and no two members were away at once.
func (u *underway) stop(t *testing.T, s *stand) {
	t.Helper()
	u.report(t, s).sound(t)
}

func (u *underway) report(t *testing.T, s *stand) report {
	t.Helper()
	u.mu.Lock()
	tr := u.all[s]
	u.mu.Unlock()
	return tr.stop(t)
}

// lead has a member lead, so that every run of an operation has the same points. Its clients are gone afterwards: they
// would go on to knock with what is of no use any more.
func (s *stand) lead(t *testing.T, wanted member) {
	t.Helper()
	config := s.as(t, s.inv, "root") // nobody else may, where permissions are on
	clients, ids := map[string]*clientv3.Client{}, map[string]uint64{}
	for _, m := range s.inv.Members {
		c := s.client(t, config, s.inv.url(m))
		defer c.Close()
		clients[m.Name] = c
	}
	until(t, wanted.Name+" to lead", func() bool {
		names, leader := map[uint64]string{}, uint64(0)
		for name, c := range clients {
			status, err := c.Status(t.Context(), c.Endpoints()[0])
			if err != nil {
				return false
			}
			ids[name], names[status.Header.MemberId], leader = status.Header.MemberId, name, status.Leader
		}
		if leader == ids[wanted.Name] {
			return true
		}
		if c := clients[names[leader]]; c != nil {
			_, _ = c.MoveLeader(t.Context(), ids[wanted.Name]) // it is asked again what came of it
		}
		return false
	})
	until(t, "all members to follow "+wanted.Name, func() bool {
		for _, c := range clients {
			if status, err := c.Status(t.Context(), c.Endpoints()[0]); err != nil || status.Leader != ids[wanted.Name] {
				return false
			}
		}
		return true
	})
}

// wholeSteps leaves the points around whole steps, since every action is tried with a bootstrap and a repair. The
// members' agreement on a version is left out: nothing is changed, and the host that is asked is whoever leads by then.
// So is a second handing over of leadership: the first is by etcd-1, but who leads when the members restart again is
// for them to decide.
func wholeSteps(verb string, points []string) []string {
	if verb == "fail" {
		points = steps(points, "etcd-2")
	}
	return slices.DeleteFunc(slices.Clone(points), func(p string) bool {
		again := strings.Contains(p, " move-leader/") && hostOf(p) != "etcd-1"
		return again || strings.Contains(p, "#") || strings.Contains(p, " look") || strings.Contains(p, " await-version/")
	})
}

var (
	partOfRoll = map[string]string{
		"kill": "around every step that changes something",
		"fail": "around every such step on one host",
	}
	partOfRolls = map[string]string{
		"kill": partOfRoll["kill"] + ", but for the second change of the leader",
		"fail": partOfRoll["fail"],
	}
)

// flagging changes a flag of three members, while clients are at work.
func flagging() operation {
	u := &underway{all: map[*stand]*traffic{}}
	return operation{
		name: flagRoll, args: []string{"apply", "--yes"}, whole: wholeSteps, part: partOfRoll,
		prepare: func(t *testing.T, s *stand) {
			old := s.inv
			s.write(t, "prod.hcl", old)
			s.ok(t, "apply", "--yes", s.file)
			s.lead(t, old.Members[0])
			etcdBlock(`flags = { "max-request-bytes" = "2097152" }`)(&old)
			s.write(t, "prod.hcl", old)
			u.start(t, s, old)
		},
		ends: func(t *testing.T, s *stand, end []picture) {
			s.served(t, end)
			u.stop(t, s)
		},
	}
}

// upgrading takes three members from one minor version to the next, while clients are at work.
func upgrading() operation {
	u := &underway{all: map[*stand]*traffic{}}
	return operation{
		name: upgradeRoll, args: []string{"apply", "--yes"},
		telling: only("after restart-member/etcd-3"),
		whole:   wholeSteps, part: partOfRoll,
		prepare: func(t *testing.T, s *stand) {
			old, next := s.inv, s.inv
			old.Version, next.Version = release, releaseNext
			s.bare(t)
			s.write(t, "prod.hcl", old)
			s.ok(t, "apply", "--yes", s.file)
			s.lead(t, old.Members[0])
			s.write(t, "prod.hcl", next)
			s.inv = next
			u.start(t, s, next)
		},
		ends: func(t *testing.T, s *stand, end []picture) {
			s.served(t, end)
			u.stop(t, s)
		},
	}
}

// TestRollFaults disturbs rolling changes.
func TestRollFaults(t *testing.T) {
	t.Parallel()
	stands := standsOf(t, "roll-faults", 3, clusters())
	t.Run("upgrade", func(t *testing.T) { disturb(t, upgrading(), stands...) })
	if whole() {
		t.Run("flags", func(t *testing.T) { disturb(t, flagging(), stands...) })
	}
}
