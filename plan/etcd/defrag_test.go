package etcd

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// sized gives a member a database of so many MiB, of which some are in use; its quota is 1000 MiB.
func sized(s facts.Snapshot, name string, size, used int64) facts.Snapshot {
	return change(s, name, func(h *facts.Host) {
		status := *h.Etcd
		status.DBSize, status.DBInUse = size<<20, used<<20
		h.Etcd = &status
		running(func(p *facts.Process) {
			p.Args = slices.DeleteFunc(slices.Clone(p.Args), func(arg string) bool {
				return strings.HasPrefix(arg, "--quota-backend-bytes")
			})
			p.Args = append(p.Args, "--quota-backend-bytes=1048576000")
		})(Want{}, h)
	})
}

// allSized is sized for all members.
func allSized(s facts.Snapshot, size, used int64) facts.Snapshot {
	for _, name := range s.Names() {
		s = sized(s, name, size, used)
	}
	return s
}

// ledBy makes a member the leader.
func ledBy(s facts.Snapshot, name string) facts.Snapshot {
	id := s.Hosts[name].Etcd.MemberID
	for _, other := range s.Names() {
		s = change(s, other, func(h *facts.Host) {
			status := *h.Etcd
			status.Leader = id
			h.Etcd = &status
		})
	}
	return s
}

func TestWasteful(t *testing.T) {
	w := wanted(t, 1)
	s := settled(t, w)
	for _, c := range []struct {
		size, used int64
		want       bool
	}{
		{99, 1, false},  // too small
		{100, 50, true}, // half of it
		{100, 51, false},
		{790, 600, false}, // not half, and not near its quota
		{810, 705, true},  // near its quota, and a tenth of that is free
		{810, 715, false},
		{1000, 1000, false},
	} {
		if got := Wasteful(sized(s, "etcd-1", c.size, c.used).Hosts["etcd-1"]); got != c.want {
			t.Errorf("%d of %d MiB in use: %v", c.used, c.size, got)
		}
	}
	if Wasteful(change(allSized(s, 200, 1), "etcd-1", stop).Hosts["etcd-1"]) {
		t.Error("a member that does not run")
	}
}

func TestNextDefrag(t *testing.T) {
	w := wanted(t, 3)
	base := ledBy(settled(t, w), "etcd-2")
	full := allSized(base, 200, 20)
	const (
		one, two, three = "defragment/etcd-1", "defragment/etcd-2", "defragment/etcd-3"
		move            = "move-leader/etcd-2"
		down            = "2 of 3 voters are known to serve, and a member defragments while all do"
	)
	slow := change(full, "etcd-3", func(h *facts.Host) { h.Reads, h.ReadError = false, "timeout" })
	gone := slow // the member that was added in its place has not started
	gone.Members = slices.Clone(gone.Members)
	gone.Members[2].ID++
	grows, learns := learning(t)
	corrupt := full
	corrupt.Alarms = []facts.Alarm{{Member: full.Hosts["etcd-1"].Etcd.MemberID, Type: "CORRUPT"}}
	for name, c := range map[string]struct {
		member string
		want   Want
		seen   facts.Snapshot
		steps  []string
	}{
		"all are due, the leader last":   {"", w, full, []string{one, three, move, two}},
		"none is":                        {"", w, allSized(base, 200, 190), nil},
		"one is":                         {"", w, sized(base, "etcd-3", 200, 20), []string{three}},
		"one is, and leads":              {"", w, sized(base, "etcd-2", 200, 20), []string{move, two}},
		"one that is named":              {"etcd-1", w, allSized(base, 10, 9), []string{one}},
		"one that is named has no room":  {"etcd-1", w, allSized(base, 10, 10), nil},
		"what is done is not done twice": {"", defragged(w, "etcd-1"), full, []string{three, move, two}},
		"one does not serve yet":         {"", w, slow, []string{"await-member/etcd-3", one, three, move, two}},
		"one is down":                    {"", w, change(full, "etcd-3", stop), []string{down}},
		"one runs that was removed":      {"", w, gone, []string{down}},
		"one is dark":                    {"", w, change(full, "etcd-3", dark), []string{down}},
		"a learner": {
			"", grows, learns,
			[]string{"etcd-4: it is a learner, and no member defragments while another catches up"},
		},
		"there is no cluster": {"", w, bare(w), []string{"there is no cluster prod yet"}},
		"data differ": {
			"", w, corrupt,
			[]string{"data of members differ, and the alarm CORRUPT is raised: a member defragments when it is gone"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := decided(t, NextDefrag(c.member), c.want, c.seen); !slices.Equal(got, c.steps) {
				t.Errorf("got %q, want %q", got, c.steps)
			}
		})
	}
	for what, seen := range torn(w, full) {
		stage, err := NextDefrag("")(w, seen)
		if err != nil || stage == nil ||
			stage.Steps[0].Kind != plan.AwaitLeader && stage.Steps[0].Kind != plan.AwaitMember {
			t.Errorf("%s: %v, %v; want to wait for a leader", what, stage, err)
		}
	}
}

// defragged says that a member was defragmented by this run.
func defragged(w Want, name string) Want {
	w.Defragmented = []string{name}
	return w
}

// In a cluster of one or two it takes a consent.
func TestDefragDowntime(t *testing.T) {
	for n, reason := range map[int]string{
		1: "defragmenting the only member stops the cluster for that time",
		2: "defragmenting one of two members stops the cluster for that time: a quorum of 2 is 2",
	} {
		w := wanted(t, n)
		s := allSized(settled(t, w), 200, 20)
		got := decided(t, NextDefrag(""), w, s)
		if len(got) != 1 || !strings.HasSuffix(got[0], reason) {
			t.Errorf("%d members: %q", n, got)
		}
		w.Accept = []plan.Risk{plan.Downtime}
		if got := decided(t, NextDefrag(""), w, s); len(slices.DeleteFunc(got, func(id string) bool {
			return !strings.HasPrefix(id, "defragment/")
		})) != n {
			t.Errorf("%d members, downtime accepted: %q", n, got)
		}
	}
}

// NextDefrag and NextDisarm keep the laws in every state that they lead to, whatever a run was killed at, and whichever
// member then stops, goes dark, or stops serving; and they come to an end.
func TestUpkeepWalk(t *testing.T) {
	t.Parallel()
	states, ends := 0, map[string]int{}
	faults := []func(*facts.Host){stop, dark, func(h *facts.Host) { h.Reads = false }}
	for n, spoils := range map[int][]func(*facts.Host){1: {nil}, 2: {nil}, 3: faults, 5: {nil}} {
		w := wanted(t, n)
		base := settled(t, w)
		if n < 3 {
			w.Accept = []plan.Risk{plan.Downtime}
		}
		full := allSized(base, 950, 600)
		full.Alarms = []facts.Alarm{{Member: base.Hosts["etcd-1"].Etcd.MemberID, Type: "NOSPACE"}}
		for verb, next := range map[string]func(Want, facts.Snapshot) (*plan.Stage, error){
			"defrag": NextDefrag(""), "one": NextDefrag("etcd-1"), "disarm": NextDisarm,
		} {
			for _, spoil := range spoils {
				walk := &upkeep{t: t, want: w, next: next}
				walk.from(ledBy(full, base.Names()[n/2]), spoil)
				states += walk.states
				for end, count := range walk.ends {
					ends[verb+" "+end] += count
				}
			}
		}
	}
	t.Logf("%d states, %v", states, ends)
	for _, end := range []string{"defrag done", "one done", "disarm done", "defrag refused", "disarm refused"} {
		if ends[end] == 0 {
			t.Errorf("no walk ends with %s", end)
		}
	}
}

// upkeep goes on from every state between two stages, with and without a fault there.
type upkeep struct {
	t      *testing.T
	want   Want
	next   func(Want, facts.Snapshot) (*plan.Stage, error)
	states int
	ends   map[string]int
}

func (u *upkeep) from(s facts.Snapshot, spoil func(*facts.Host)) {
	u.t.Helper()
	u.ends = map[string]int{}
	for i := range 40 {
		if spoil != nil {
			for _, name := range s.Names() {
				u.run(change(s, name, spoil))
			}
		}
		stage := u.stage(s)
		if stage == nil {
			return
		}
		if i == 39 {
			u.t.Fatal("no end")
		}
		s = Simulate(u.want, s, *stage)
	}
}

// run goes on from one state as a new run does.
func (u *upkeep) run(s facts.Snapshot) {
	u.t.Helper()
	for range 40 {
		stage := u.stage(s)
		if stage == nil {
			return
		}
		s = Simulate(u.want, s, *stage)
	}
	u.t.Fatal("no end")
}

// stage is the next one, which has to be lawful; nil: there is none.
func (u *upkeep) stage(s facts.Snapshot) *plan.Stage {
	u.t.Helper()
	u.states++
	stage, err := u.next(u.want, s)
	if refused := new(plan.Refused); errors.As(err, &refused) {
		if err := lawRemedy(refused); err != nil {
			u.t.Fatal(err)
		}
		u.ends["refused"]++
		return nil
	}
	if err != nil {
		u.t.Fatal(err)
	}
	if stage == nil {
		u.ends["done"]++
		return nil
	}
	if err := errors.Join(lawShape(u.want, *stage), lawAlone(*stage), lawUpkeep(s, *stage), lawQuorum(u.want, s, *stage),
		lawNeeds(u.want, s, *stage), lawUnseen(s, *stage), lawLeads(s, *stage)); err != nil {
		u.t.Fatal(err)
	}
	return stage
}

// lawUpkeep: keeping a cluster healthy stops no process, removes nothing, and waits for those that do not serve. It
// drops history while all serve.
func lawUpkeep(s facts.Snapshot, stage plan.Stage) error {
	for _, step := range stage.Steps {
		switch step.Kind {
		case plan.Compact:
			if n := len(s.Hosts); step.Needs == nil || step.Needs.Least != n || len(step.Needs.Serve) != n {
				return fmt.Errorf("%s needs %+v, want all %d", step.ID(), step.Needs, n)
			}
		case plan.Defragment, plan.DisarmAlarm, plan.MoveLeader, plan.AwaitLeader, plan.AwaitMember:
		default:
			return errors.New(step.ID() + " is no step of keeping a cluster healthy")
		}
	}
	return nil
}

// lawLeads: the leader of several does not defragment before it has handed over.
func lawLeads(s facts.Snapshot, stage plan.Stage) error {
	for _, step := range stage.Steps {
		if e := s.Hosts[step.Host].Etcd; step.Kind == plan.Defragment && e.Leader == e.MemberID && len(s.Hosts) > 1 {
			return errors.New(step.ID() + " while it leads")
		}
	}
	return nil
}

// The checks of the walk notice what must not be.
func TestUpkeepLawsNotice(t *testing.T) {
	w := wanted(t, 3)
	s := ledBy(settled(t, w), "etcd-2")
	stage := func(kind plan.Kind, host string, least int, serve ...string) plan.Stage {
		return plan.Stage{Name: "bad", Gate: "none", Width: 1, Steps: []plan.Step{{
			Kind: kind, Host: host, Why: "no reason", Needs: &plan.Needs{Least: least, Serve: serve},
		}}}
	}
	good := stage(plan.Defragment, "etcd-1", 2, "etcd-2", "etcd-3")
	if err := errors.Join(lawQuorum(w, s, good), lawNeeds(w, s, good), lawLeads(s, good), lawUpkeep(s, good)); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{
		"beside one that is down": lawQuorum(w, change(s, "etcd-3", stop), good),
		"needs too few":           lawNeeds(w, s, stage(plan.Defragment, "etcd-1", 1, "etcd-2")),
		"it leads":                lawLeads(s, stage(plan.Defragment, "etcd-2", 2, "etcd-1", "etcd-3")),
		"a restart":               lawUpkeep(s, stage(plan.RestartMember, "etcd-1", 2, "etcd-2", "etcd-3")),
		"history goes beside few": lawUpkeep(s, stage(plan.Compact, "etcd-2", 2, "etcd-1", "etcd-2")),
	} {
		if err == nil {
			t.Errorf("%s: not noticed", what)
		}
	}
}
