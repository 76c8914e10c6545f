package etcd

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// night is a state in which hosts are dark, with what lies there.
type night struct {
	state
	there map[string]facts.Host
}

// Every operation is walked with hosts that go dark at any point, also in the middle of a stage: one, or two of five.
// Their members run on, or do not. Meanwhile the laws hold whatever may be true of dark hosts, and the end is where
// only dark hosts are left to wait for. They come back at any point: as they were, with a stopped member, or as they
// were at the beginning. Then all is caught up.
func TestEveryWayInTheDark(t *testing.T) {
	var all walked
	t.Run("walk", func(t *testing.T) {
		for _, o := range slices.Concat(operations, allRotations(), bootstraps) {
			for _, n := range []int{3, 5} {
				if n == 5 && !slices.Contains(inFive, o.name) {
					continue
				}
				t.Run(fmt.Sprintf("%s/%d", o.name, n), func(t *testing.T) {
					t.Parallel()
					o.darkWays(t, n, &all)
				})
			}
		}
	})
	all.holds(t, 2000, plan.CreateCA, plan.RetireCA, plan.WriteTrust, plan.IssueLeaf, plan.WriteUnit, plan.InstallRelease,
		plan.StartMember, plan.RestartMember, plan.MoveLeader, plan.UpdateMember, plan.SaveSnapshot, plan.AwaitVersion)
}

// inFive are the operations that are walked with five members too, which can do without one.
var inFive = []string{"minor up", "flags", "slower beat", "both CAs", "TLS between peers", "bootstrap"}

// bootstraps begin from bare hosts.
var bootstraps = []operation{{
	name: "bootstrap", from: "3.6.16", to: "3.6.16",
	begin: func(w Want, _ facts.Snapshot) facts.Snapshot { return bare(w) },
}}

// sleeper walks the nights of an operation.
type sleeper struct {
	*walker
	first facts.Snapshot // the beginning
	been  map[key]bool
}

func (o operation) darkWays(t *testing.T, n int, all *walked) {
	t.Helper()
	_, w, s := o.start(t, n)
	k := &sleeper{newWalker(t, w), s, map[key]bool{}}
	st := state{seen: s, token: "run-1", way: &way{what: o.name}}
	for range 20 + 10*n {
		d := k.decide(&st)
		k.nightfall(st)
		if d.stage == nil {
			break
		}
		if n == 3 {
			for _, cut := range k.cuts(st, *d.stage, true) {
				k.nightfall(cut)
			}
		}
		for _, step := range d.stage.Steps {
			st = k.do(st, step)
		}
	}
	t.Logf("%d states in the dark, %d others", len(k.been), len(k.decided))
	all.add(len(k.been), k.walker)
}

// nightfall is every way in which hosts may go dark in a state.
func (k *sleeper) nightfall(st state) {
	members := k.w.Cluster.Members
	for i, m := range members {
		sets := [][]string{{m.Name}}
		if len(members) > 3 || i == 0 {
			sets = append(sets, []string{m.Name, members[(i+1)%len(members)].Name})
		}
		for _, names := range sets {
			for _, dies := range []bool{false, true} {
				k.walk(k.darken(st, names, dies))
			}
		}
	}
}

func (k *sleeper) darken(st state, names []string, dies bool) night {
	dark := night{state{seen: st.seen, token: st.token, truth: st.truth}, map[string]facts.Host{}}
	dark.way = st.way.then(fmt.Sprintf("%s dark, died: %v", plan.Enumerate(names), dies))
	for _, name := range names {
		if dies {
			dark.seen = change(dark.seen, name, stop)
		}
	}
	if dies {
		dark.seen = scenes{w: k.w}.settle(dark.seen)
	}
	for _, name := range names {
		dark.there[name] = dark.seen.Hosts[name]
		dark.seen = change(dark.seen, name, func(h *facts.Host) {
			*h = facts.Host{Machine: facts.Machine{Name: name, Unreachable: "no route to host"}}
		})
	}
	return dark
}

// walk goes on in the dark to the end, and back into the light from every state on the way.
func (k *sleeper) walk(at night) {
	for range 20 + 10*len(k.w.Cluster.Members) {
		if id := k.night(&at); k.been[id] {
			return
		} else {
			k.been[id] = true
		}
		stage, err := Next(k.want(at.state), at.seen)
		k.dawn(at)
		refused := new(plan.Refused)
		switch {
		case errors.As(err, &refused):
			k.waits(at, refused)
			return
		case err != nil || stage == nil:
			k.fail(at.state, "settled although hosts are dark: %v", err)
		}
		for _, truth := range k.truths(at) {
			if err := lawfulIn(k.w, truth, k.true(&at.state), *stage); err != nil {
				k.fail(at.state, "%s: %v", said(stage), err)
			}
		}
		for _, step := range stage.Steps {
			if at.there[step.Host].Name != "" {
				k.fail(at.state, "%s on a host that is dark", step.ID())
			}
			at.state = k.do(at.state, step)
		}
	}
	k.fail(at.state, "no end in the dark")
}

// night tells states in the dark apart.
func (k *sleeper) night(at *night) key {
	h := sha256.New()
	id := k.key(&at.state)
	h.Write(id[:])
	for _, name := range slices.Sorted(maps.Keys(at.there)) {
		k.tell(h, at.there[name])
	}
	return key(h.Sum(nil))
}

// waits checks the end in the dark: it names every dark host, and finds nothing else wrong but what only people can
// mend.
func (k *sleeper) waits(at night, refused *plan.Refused) {
	if err := lawRemedy(refused); err != nil {
		k.fail(at.state, "%v", err)
	}
	for name := range at.there {
		if !slices.ContainsFunc(refused.Refusals,
			func(r plan.Refusal) bool { return r.Host == name && r.Kind == plan.Unreachable }) {
			k.fail(at.state, "%s is dark, and not named: %v", name, refused)
		}
	}
	if !refused.Only(plan.Unreachable) {
		k.fail(at.state, "a refusal without a reason: %v", refused)
	}
}

// truths are what may be true of the hosts that are dark.
func (k *sleeper) truths(at night) []facts.Snapshot {
	found := []facts.Snapshot{at.seen, at.seen, at.seen, at.seen}
	for name, host := range at.there {
		found[0] = change(found[0], name, func(h *facts.Host) { *h = follows(host, at.seen) })
		found[1] = change(found[1], name, func(h *facts.Host) { *h = copyHost(host); stop(h) })
		found[2] = change(found[2], name, func(h *facts.Host) { *h = follows(k.first.Hosts[name], at.seen) })
		found[3] = change(found[3], name, func(h *facts.Host) { *h = copyHost(host); wipe(h) })
	}
	return found
}

// wayBack says that hosts which come back as at the beginning come from too long ago: from before there was data, or
// from a minor version that is more than one away. Only people can mend that.
func (k *sleeper) wayBack(at night) bool {
	for name := range at.there {
		first := k.first.Hosts[name]
		if !first.Data.WAL {
			return true
		}
		for _, version := range k.true(&at.state).last {
			if apart := minorNo(version) - minorNo(first.Etcd.Version); apart > 1 || apart < -1 {
				return true
			}
		}
	}
	return false
}

// follows is a member that has heard who leads now.
func follows(host facts.Host, seen facts.Snapshot) facts.Host {
	if host.Etcd == nil {
		return host
	}
	status := *host.Etcd
	for _, leader := range leadersOf(seen) {
		status.Leader = leader
	}
	host.Etcd = &status
	return host
}

// dawn is every way in which the hosts may come back, after which all is caught up; but for one that has lost its disk.
func (k *sleeper) dawn(at night) {
	for i, seen := range k.truths(at)[:3] {
		t := k.true(&at.state)
		back := state{
			seen: t.shown(scenes{w: k.w}.settle(seen)), token: at.token,
			way: at.way.then(fmt.Sprintf("back, as truth %d", i)), truth: &t,
		}
		if refused := k.end(back); refused != nil && !k.excused(&back, refused) && !(i == 2 && k.wayBack(at)) {
			k.fail(back, "not caught up: %v", refused)
		}
	}
}
