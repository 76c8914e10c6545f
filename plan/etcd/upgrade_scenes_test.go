package etcd

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// ailments are what may be the matter with one host of a cluster whose versions are to change. grave is the refusal
// that one may lead to.
var ailments = []struct {
	name  string
	do    func(w Want, h *facts.Host)
	grave plan.RefusalKind // "": none
}{
	{"", nil, ""},
	{"stopped", as(stop), ""},
	{"failed", as(func(h *facts.Host) { stop(h); h.Unit.Active, h.Unit.Result = "failed", "exit-code" }), ""},
	{"hangs", as(func(h *facts.Host) { h.Reads = false }), ""},
	{"silent", as(func(h *facts.Host) { h.Etcd, h.V2Store, h.Reads = nil, nil, false }), ""},
	{
		"knows no leader", as(func(h *facts.Host) { status := *h.Etcd; status.Leader = 0; h.Etcd, h.Reads = &status, false }),
		"",
	},
	{"far behind", as(func(h *facts.Host) { status := *h.Etcd; status.Applied = 1; h.Etcd = &status }), ""},
	{"other flags", running(func(p *facts.Process) { p.Args = append(p.Args, "--max-txn-ops=7") }), ""},
	{"other flags, hangs", func(w Want, h *facts.Host) {
		running(func(p *facts.Process) { p.Args = append(p.Args, "--max-txn-ops=7") })(w, h)
		h.Reads = false
	}, ""},
	{"unit edited", func(w Want, h *facts.Host) { *h = withUnit(w, *h, "Restart=on-failure", "Restart=no") }, ""},
	{"unit gone", func(w Want, h *facts.Host) { delete(h.Files, UnitPath(w.Cluster)) }, ""},
	{
		"unit gone, stopped", func(w Want, h *facts.Host) { delete(h.Files, UnitPath(w.Cluster)); stop(h) },
		plan.VersionChange,
	},
	{"releases gone", as(gone), plan.VersionChange},
	{"releases gone, stopped", as(func(h *facts.Host) { gone(h); stop(h) }), plan.VersionChange},
	{"disabled", as(func(h *facts.Host) { h.Unit.Enabled = "disabled" }), ""},
	{
		"v2 content", as(func(h *facts.Host) { h.V2Store = &facts.V2Store{Text: "custom v2 content in WAL records"} }),
		plan.V2Content,
	},
}

// gone takes all releases from a host.
func gone(h *facts.Host) {
	for name := range h.Files {
		if strings.HasPrefix(name, facts.ReleaseDir+"/") {
			delete(h.Files, name)
		}
	}
	h.Binaries = map[string]string{}
	if h.Process != nil {
		p := *h.Process
		p.SameAs, p.SHA256 = "", releaseOf(versionIn(p.Args[0])).Binaries["etcd"]
		h.Process = &p
	}
}

// roundabouts are the versions that a cluster of two versions may hold.
var roundabouts = [][2]string{{"3.5.35", "3.6.16"}, {"3.6.16", "3.7.3"}, {"3.6.12", "3.6.16"}}

// Clusters between two versions, in any condition, at random: members of either, in good and bad health, with the
// downgrade enabled or not, data that has come along or not yet, requests of 3.5 in the log, alarms, an old snapshot,
// any leader. Either version, if wanted, is reached, or refused for a reason that is there; also when another run goes
// on in the middle.
func TestVersionScenes(t *testing.T) {
	t.Parallel()
	for n, samples := range map[int]int{1: 100, 3: 500, 5: 50} {
		if raced {
			samples /= 8
		}
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(11, uint64(n)))
			var all walked
			refused := 0
			bases := map[string]facts.Snapshot{}
			walkers := map[string]*walker{}
			for i := range samples {
				pair := roundabouts[i%len(roundabouts)]
				low, high := at(wanted(t, n), pair[0]), at(wanted(t, n), pair[1])
				low.Accept, high.Accept = plan.Risks(), plan.Risks()
				for _, w := range []Want{low, high} {
					if v := w.Cluster.Version; walkers[v] == nil {
						bases[v], walkers[v] = settled(t, w), newWalker(t, w)
					}
				}
				sc := versionScene{random: random, low: bases[pair[0]], high: bases[pair[1]], w: low}
				st, excuses := sc.make()
				for _, k := range []*walker{walkers[pair[0]], walkers[pair[1]]} {
					k.finishUnless(st, excuses)
					if stage := k.decide(&st).stage; stage != nil {
						cut := k.cut(random, st, *stage)
						cut.id = nil
						k.finishUnless(cut, excuses)
					}
				}
			}
			for _, k := range walkers {
				all.add(0, k)
				refused += k.refused
			}
			t.Logf("%d scenes, %d refused", samples, refused)
			kinds := []plan.Kind{plan.RestartMember, plan.StartMember, plan.SaveSnapshot, plan.AwaitVersion}
			if n == 3 {
				kinds = append(kinds, plan.EnableDowngrade, plan.CancelDowngrade, plan.MoveLeader)
			}
			all.holds(t, samples, kinds...)
		})
	}
}

// finishUnless goes on to the end, or to a refusal for one of some reasons.
func (k *walker) finishUnless(st state, excuses map[plan.RefusalKind]bool) {
	refused := k.end(st)
	if refused == nil {
		return
	}
	few := 0
	for _, host := range st.seen.Hosts {
		if host.Process == nil {
			few++
		}
	}
	for _, r := range refused.Refusals {
		if !excuses[r.Kind] && !(r.Kind == plan.QuorumAtRisk && few > 0) {
			k.fail(st, "wanted %s: a refusal without a reason: %s", k.w.Cluster.Version, r)
		}
	}
}

// versionScene makes one cluster between two versions.
type versionScene struct {
	random    *rand.Rand
	low, high facts.Snapshot
	w         Want
}

func (sc versionScene) make() (state, map[plan.RefusalKind]bool) {
	s := facts.Snapshot{Taken: noon, Hosts: map[string]facts.Host{}, Operator: sc.high.Operator, Members: sc.high.Members}
	s.Operator.Snapshots = []facts.SavedSnapshot{{
		ClusterID: clusterID(sc.w.Cluster, sc.w.Token), Version: []string{"3.5.35", "3.6.16", "3.7.3"}[sc.random.IntN(3)],
		Taken:  noon.Add(-time.Duration(sc.random.IntN(3)) * 45 * time.Minute),
		Damage: []string{"", "", "altered"}[sc.random.IntN(3)],
	}}
	var upper []bool
	what := sc.random.IntN(4) // all of the lower version, all of the upper one, or some
	for _, m := range sc.w.Cluster.Members {
		upper = append(upper, what == 1 || what > 1 && sc.random.IntN(2) == 0)
		base := sc.low
		if upper[len(upper)-1] {
			base = sc.high
		}
		s.Hosts[m.Name] = copyHost(base.Hosts[m.Name])
	}
	st := state{token: "run-2"}
	t := sc.truth(s, upper)
	s = t.shown(s)
	s = lead(s, s.Hosts[sc.w.Cluster.Members[sc.random.IntN(len(upper))].Name].Data.MemberID)
	excuses := map[plan.RefusalKind]bool{}
	for i, m := range sc.w.Cluster.Members {
		ailment := ailments[0]
		if sc.random.IntN(2) == 0 {
			ailment = ailments[sc.random.IntN(len(ailments))]
		}
		st.way = st.way.then(fmt.Sprintf("%s %s %s", m.Name, t.last[m.Name], ailment.name))
		unknown := ailment.name == "unit gone, stopped" && i == 0 // of one member at least it is known what it runs
		if ailment.do == nil || unknown || ailment.grave == plan.V2Content && minorNo(t.last[m.Name]) != 5 {
			continue
		}
		s = change(s, m.Name, func(h *facts.Host) {
			h.Etcd.Applied = 9000
			ailment.do(sc.w, h)
		})
		excuses[ailment.grave] = true
		// what its log holds, nobody can know; where others hold the like, it is asked for
		if ailment.name == "unit gone, stopped" {
			t.dirty[m.Name] = minorNo(t.last[m.Name]) == 5
		}
	}
	switch sc.random.IntN(12) {
	case 0:
		s.Alarms, excuses[plan.Alarmed] = []facts.Alarm{{Member: 7, Type: "CORRUPT"}}, true
	case 1:
		s.Alarms, excuses[plan.Alarmed] = []facts.Alarm{{Member: 7, Type: "NOSPACE"}}, true
	}
	st.way = st.way.then(fmt.Sprintf("cluster 3.%d, downgrade 3.%d, data %v, dirty %v, alarms %v", t.cluster, t.downgrade,
		t.data, t.dirty, s.Alarms))
	st.seen, st.truth = scenes{w: sc.w}.settle(s), &t
	return st, excuses
}

// truth is one that goes with members of these versions.
func (sc versionScene) truth(s facts.Snapshot, upper []bool) truth {
	t := truthOf(sc.w, s)
	low, high := minorNo(sc.w.Cluster.Version), 0
	for _, version := range t.last {
		high = max(high, minorNo(version))
	}
	t.cluster = low
	switch all := !slices.Contains(upper, false); {
	case high == low:
	case all && sc.random.IntN(2) == 0: // it has been agreed on
		t.cluster = high
		if sc.random.IntN(2) == 0 {
			t.downgrade = low
		}
	case sc.random.IntN(2) == 0: // on the way down
		t.downgrade = low
	}
	for name, version := range t.last {
		t.data[name] = min(t.cluster, minorNo(version))
		t.dirty[name] = minorNo(version) == 5 || minorNo(version) == 6 && sc.random.IntN(3) == 0
	}
	return t
}
