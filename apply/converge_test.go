package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
)

// inBubble runs a test on a clock of its own, so that waiting for members and deadlines takes no time.
func inBubble(t *testing.T, name string, do func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, do) })
}

// settled lets a run finish, and then finds that there is nothing left to do: no step, no action on a host, no key
// written.
func settled(t *testing.T, o *world, token string) {
	t.Helper()
	if _, err := o.run(token).Converge(t.Context()); err != nil {
		t.Fatalf("the run after it: %v", err)
	}
	actions, canaries := o.actions, fmt.Sprint(o.canary)
	result, err := o.run("idle").Converge(t.Context())
	if err != nil || result.Steps != 0 || o.actions != actions || fmt.Sprint(o.canary) != canaries {
		t.Fatalf("law 9: an idle run did %d steps and %d actions, wrote %v; %v", result.Steps, o.actions-actions, o.canary,
			err)
	}
	oneCluster(t, o)
}

func oneCluster(t *testing.T, o *world) {
	t.Helper()
	ids := map[facts.ID]bool{}
	for _, m := range o.want.Cluster.Members {
		name, host := m.Name, o.seen.Hosts[m.Name]
		if m.Absent {
			if host.Process != nil || host.Data.WAL {
				t.Errorf("%s has left, and its host is not clean", name)
			}
			continue
		}
		ids[host.Data.ClusterID], ids[host.Etcd.ClusterID] = true, true
		var born struct {
			ClusterID facts.ID `json:"cluster_id"`
			MemberID  facts.ID `json:"member_id"`
		}
		if err := json.Unmarshal(host.Files["/etc/etcd/prod/born.json"].Content, &born); err != nil ||
			born.MemberID != host.Data.MemberID {
			t.Errorf("%s: marker %+v, member %s; %v", name, born, host.Data.MemberID, err)
		}
		ids[born.ClusterID] = true
	}
	if len(ids) != 1 {
		t.Errorf("law 4: clusters %v", ids)
	}
}

func TestConverge(t *testing.T) {
	for _, n := range []int{1, 3, 5} {
		inBubble(t, fmt.Sprint(n), func(t *testing.T) {
			o := newWorld(t, wanted(t, n))
			result, err := o.run("first").Converge(t.Context())
			if err != nil || result.Stages != 4 || o.looks != 4 { // none after that of the operator directory, one before it
				t.Fatalf("%d stages, %d looks, %v", result.Stages, o.looks, err)
			}
			if len(o.canary) != n {
				t.Errorf("canaries through %v", o.canary)
			}
			settled(t, o, "second")
		})
	}
}

// After a stage only the hosts that it touched need to be looked at, and before one those whose process it disturbs,
// unless they were just now (who leads hands that over first, and restarts last); before all is called done, every one
// is.
func TestLooks(t *testing.T) {
	inBubble(t, "", func(t *testing.T) {
		o := newWorld(t, wanted(t, 3))
		if _, err := o.run("first").Converge(t.Context()); err != nil {
			t.Fatal(err)
		}
		leader, followers := "", []string{} // the first to start leads
		for _, m := range o.want.Cluster.Members {
			if status := o.seen.Hosts[m.Name].Etcd; status.Leader == status.MemberID {
				leader = m.Name
			} else {
				followers = append(followers, m.Name)
			}
		}
		first, second := followers[0], followers[1]
		o.want.Cluster.Etcd.Flags = map[string]string{"max-txn-ops": "7"}
		r := o.run("second")
		gather, looks := r.Gather, []string{}
		r.Gather = func(ctx context.Context, last *Last) (facts.Snapshot, error) {
			what := "all"
			if last != nil {
				slices.Sort(last.Touched)
				what = strings.Join(slices.Compact(slices.Clone(last.Touched)), " ")
			}
			looks = append(looks, what)
			return gather(ctx, last)
		}
		if _, err := r.Converge(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := []string{"all", first, second, second, leader, leader, leader, "all"}; !slices.Equal(looks, want) {
			t.Errorf("looks %q, want %q", looks, want)
		}
	})
}

// points are the places where a run of a scene can be hit.
func points(t *testing.T, scene func(t *testing.T) *world) []string {
	t.Helper()
	var mu sync.Mutex
	var found []string
	synctest.Test(t, func(t *testing.T) {
		o := scene(t)
		r := o.run("first")
		r.Seam = o.seam(func(point string) error {
			mu.Lock()
			defer mu.Unlock()
			found = append(found, point)
			return nil
		})
		if _, err := r.Converge(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	slices.Sort(found)
	return slices.Compact(found)
}

// scenes: from bare hosts, a roll of all members whose flags have changed, one member more, and one less.
var scenes = map[string]func(t *testing.T, n int) *world{
	"bootstrap": func(t *testing.T, n int) *world { t.Helper(); return newWorld(t, wanted(t, n)) },
	"roll": func(t *testing.T, n int) *world {
		t.Helper()
		o := newWorld(t, wanted(t, n))
		o.want.Accept = []plan.Risk{plan.Downtime}
		if _, err := o.run("zeroth").Converge(t.Context()); err != nil {
			t.Fatal(err)
		}
		o.lead("etcd-1")
		o.want.Cluster.Etcd.Flags = map[string]string{"max-txn-ops": "7"}
		o.change("etcd-1", func(h *facts.Host) { h.Unit.Enabled = "disabled" })
		return o
	},
	"grow":   grown,
	"shrink": shrunk,
}

var errFault = errors.New("cut")

// Another run goes on and finishes, whatever happens before or after any look, step or action. Three things happen:
// that one place fails; the whole run dies there; it is asked to stop there.
func TestFaultAtEveryPoint(t *testing.T) {
	for name, scene := range scenes {
		for _, n := range []int{1, 3, 5} {
			if n == 5 && (name == "grow" || name == "shrink") { // what is one of many there is so with three
				continue
			}
			make := func(t *testing.T) *world { t.Helper(); return scene(t, n) }
			all := points(t, make)
			if len(all) < 15 {
				t.Fatalf("%s, %d members: %d points only", name, n, len(all))
			}
			if n == 5 { // one host in the middle suffices there
				all = slices.DeleteFunc(all, func(p string) bool {
					return strings.Contains(p, "etcd-") && !strings.Contains(p, "etcd-4")
				})
			}
			for _, point := range all {
				inBubble(t, fmt.Sprintf("%s/%d/die %s", name, n, point), func(t *testing.T) { dieAt(t, make(t), point) })
				if n == 5 {
					continue
				}
				inBubble(t, fmt.Sprintf("%s/%d/fail %s", name, n, point), func(t *testing.T) { failAt(t, make(t), point) })
				inBubble(t, fmt.Sprintf("%s/%d/stop %s", name, n, point), func(t *testing.T) { stopAt(t, make(t), point) })
			}
		}
	}
}

func failAt(t *testing.T, o *world, point string) {
	t.Helper()
	r := o.run("first")
	hit := false
	r.Seam = o.seam(func(p string) error {
		if p == point {
			hit = true
			return errFault
		}
		return nil
	})
	_, err := r.Converge(t.Context())
	var stage *StageError
	inStep := !strings.HasSuffix(point, " look") && !strings.HasSuffix(point, " verify")
	if !hit || !errors.Is(err, errFault) || inStep != errors.As(err, &stage) {
		t.Fatalf("hit %v, error %v", hit, err)
	}
	settled(t, o, "second")
}

func dieAt(t *testing.T, o *world, point string) {
	t.Helper()
	r := o.run("first")
	ctx, kill := context.WithCancelCause(t.Context())
	var mu sync.Mutex
	r.Seam = o.seam(func(p string) error {
		mu.Lock()
		defer mu.Unlock()
		if p == point {
			kill(errFault)
		}
		return context.Cause(ctx)
	})
	if _, err := r.Converge(ctx); err == nil && !strings.HasSuffix(point, " verify") {
		t.Fatal("no error")
	}
	settled(t, o, "second")
}

func stopAt(t *testing.T, o *world, point string) {
	t.Helper()
	r := o.run("first")
	stop := make(chan struct{})
	r.Stop = stop
	var once sync.Once
	r.Seam = o.seam(func(p string) error {
		if p == point {
			once.Do(func() { close(stop) })
		}
		return nil
	})
	_, err := r.Converge(t.Context())
	var stopped *Stopped
	switch {
	case strings.HasSuffix(point, " verify"): // everything was done by then
		if err != nil {
			t.Fatal(err)
		}
	case !errors.As(err, &stopped) || stopped.Next == "":
		t.Fatalf("error %v, want *Stopped", err)
	}
	settled(t, o, "second")
}

// A failure ends the steps of its own host only.
func TestOthersFinish(t *testing.T) {
	inBubble(t, "", func(t *testing.T) {
		o := newWorld(t, wanted(t, 3))
		r := o.run("first")
		r.Seam = o.seam(func(p string) error {
			if p == "before install-release/etcd-2" {
				return errFault
			}
			return nil
		})
		_, err := r.Converge(t.Context())
		var stage *StageError
		var step *StepError
		if !errors.As(err, &stage) || len(stage.Errs) != 1 || !errors.As(err, &step) ||
			step.Step.ID() != "install-release/etcd-2" {
			t.Fatalf("error %v", err)
		}
		for name, ready := range map[string]bool{"etcd-1": true, "etcd-2": false, "etcd-3": true} {
			if _, ok := o.seen.Hosts[name].Files[etcd.UnitPath(o.want.Cluster)]; ok != ready {
				t.Errorf("%s has its unit: %v, want %v", name, ok, ready)
			}
		}
	})
}

// A member that does not start is shown with the end of its journal, and with what the whole of it is known to mean.
func TestStartFails(t *testing.T) {
	const cause = "listen tcp 10.0.0.11:2380: bind: address already in use\n"
	for name, test := range map[string]struct {
		journal string
		lines   int // shown
		known   bool
	}{
		"known": {
			"an earlier line\n" + cause + journalParts + "\nof an earlier start\nan earlier line\n" + cause, 2,
			true,
		},
		"unknown":       {"an earlier line\n" + journalParts + "\nof an earlier start\nan earlier line\n", 2, false},
		"a trace":       {cause + strings.Repeat("\truntime/panic.go:860 +0x13a\n", 100) + journalParts + "\n", 101, true},
		"silent":        {journalParts + "\n", 0, false},
		"started again": {"starting\n" + journalParts + "\n" + cause + "starting\n", 2, true},
		"came late": {"an earlier line\n" + journalParts +
			"\nStarting etcd\nflag provided but not defined: -x\nStarting etcd\nan earlier line\n" + cause, 3, true},
		"two reasons": {cause + journalParts + "\nflag provided but not defined: -x\nusage\n" + cause, 1, true},
	} {
		inBubble(t, name, func(t *testing.T) {
			o := newWorld(t, wanted(t, 3))
			o.journal = test.journal
			o.broken = func(step plan.Step) error {
				if step.Host == "etcd-3" {
					return errors.New("etcd-3: exit status 1")
				}
				return nil
			}
			_, err := o.run("first").Converge(t.Context())
			var step *StepError
			if !errors.As(err, &step) || step.Step.Host != "etcd-3" || len(step.Log) != test.lines ||
				(step.Why != nil) != test.known {
				t.Fatalf("error %+v", err)
			}
			if test.known && step.Why.Line+"\n" != cause {
				t.Errorf("explained as %+v", step.Why)
			}
			o.broken = nil
			settled(t, o, "second")
		})
	}
}

// A run that is over reads no journals: what ended it has been said.
func TestEndedRunReadsNoJournal(t *testing.T) {
	inBubble(t, "", func(t *testing.T) {
		o := newWorld(t, wanted(t, 3))
		ctx, cancel := context.WithCancel(t.Context())
		o.broken = func(step plan.Step) error {
			if step.Kind != plan.StartMember {
				return nil
			}
			cancel()
			return errors.New("etcd-3: the lock was lost")
		}
		_, err := o.run("first").Converge(ctx)
		var step *StepError
		if !errors.As(err, &step) || step.Step.Kind != plan.StartMember || step.Log != nil {
			t.Errorf("error %+v", err)
		}
	})
}

// A release that finds no room says so in one sentence; what else goes wrong with it has only its own words.
func TestReleaseFindsNoRoom(t *testing.T) {
	for words, known := range map[string]bool{
		"etcd-1: run script: no room to unpack the release on /opt: 61 MiB needed, 8 MiB free": true,
		"etcd-1: run script: tar: etcd: Cannot write: No space left on device":                 true,
		"etcd-1: run script: the connection was lost: i/o timeout":                             false,
	} {
		inBubble(t, words, func(t *testing.T) {
			o := newWorld(t, wanted(t, 1))
			o.full = words
			_, err := o.run("first").Converge(t.Context())
			var step *StepError
			if !errors.As(err, &step) || step.Step.Kind != plan.InstallRelease || (step.Why != nil) != known || step.Log != nil {
				t.Fatalf("error %+v", err)
			}
			o.full = ""
			settled(t, o, "second")
		})
	}
}

// A start that takes too long ends at the deadline, and not before.
func TestStartTakesTooLong(t *testing.T) {
	inBubble(t, "", func(t *testing.T) {
		o := newWorld(t, wanted(t, 1))
		o.block = func(ctx context.Context, _ plan.Step) error { <-ctx.Done(); return ctx.Err() }
		began := time.Now()
		_, err := o.run("first").Converge(t.Context())
		if took := time.Since(began); took != 90*time.Second || err == nil ||
			!strings.Contains(err.Error(), "did not become ready within 1m30s") {
			t.Errorf("after %s: %v", took, err)
		}
	})
}

// The time that a member has to start begins when the process before it has ended.
func TestStopTakesLong(t *testing.T) {
	const never = time.Hour
	for name, test := range map[string]struct {
		stops, starts time.Duration
		took          time.Duration // until the failure; 0: there is none
		says          string
	}{
		"both in time": {stops: 90 * time.Second, starts: 80 * time.Second},
		"slow, then no start": {
			60 * time.Second, never, 150 * time.Second,
			"the process that ran before took 1m0s to end, and the unit did not become ready within 1m30s after that",
		},
		"killed, then no start": {
			90 * time.Second, never, 180 * time.Second,
			"the process that ran before took 1m30s to end, and the unit did not become ready within 1m30s after that",
		},
		"quick, then no start": {
			100 * time.Millisecond, never, 90 * time.Second,
			"etcd-1: the unit did not become ready within 1m30s",
		},
		"never": {never, 0, 270 * time.Second, "the process that ran before has not ended within 4m30s"},
	} {
		inBubble(t, name, func(t *testing.T) {
			o := scenes["roll"](t, 1)
			o.stops = test.stops
			o.block = func(ctx context.Context, _ plan.Step) error {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(test.stops + test.starts):
					return nil
				}
			}
			began := time.Now()
			_, err := o.run("first").Converge(t.Context())
			if took := time.Since(began); test.took == 0 && err != nil ||
				test.took > 0 && (err == nil || took != test.took || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("after %s: %v", took, err)
			}
			o.block = nil
			settled(t, o, "second")
		})
	}
}

// The words of the process before do not explain why the next one does not come up; that it had to be killed may.
func TestRestartFails(t *testing.T) {
	const (
		ending   = "Stopping etcd member etcd-1 of cluster prod...\nrafthttp: failed to dial\netcd-prod.service: State 'stop-sigterm' timed out. Killing.\netcd-prod.service: Main process exited, code=killed, status=9/KILL\nStopped etcd member etcd-1 of cluster prod.\n"
		starting = "Starting etcd member etcd-1 of cluster prod...\n"
		stopped  = "Stopped etcd member etcd-1 of cluster prod.\n"
		old      = "flag provided but not defined: -y\n" // said by the process before
		stuck    = "did not end on SIGTERM"
	)
	for name, test := range map[string]struct{ journal, cause string }{
		"it never ended": {journalParts + "\n" + ending, stuck},
		"it was killed":  {starting + journalParts + "\n" + ending + starting, stuck},
		"another reason": {
			starting + journalParts + "\n" + ending + starting + "flag provided but not defined: -x\n",
			"does not know the flag x",
		},
		"reason of this start": {
			"flag provided but not defined: -x\n" + journalParts + "\n" + ending,
			"does not know the flag x",
		},
		"two restarts":        {starting + journalParts + "\n" + starting + old + ending + starting, stuck},
		"it ran for a moment": {journalParts + "\n" + starting + old + strings.TrimSuffix(ending, stopped), stuck},
		"it has stopped":      {journalParts + "\n" + starting + old + stopped, ""},
		"no reason":           {journalParts + "\nrafthttp: failed to dial\nStopped etcd\n" + starting, ""},
	} {
		inBubble(t, name, func(t *testing.T) {
			o := scenes["roll"](t, 1)
			o.journal = test.journal
			o.broken = func(plan.Step) error { return errFault }
			_, err := o.run("first").Converge(t.Context())
			var step *StepError
			if !errors.As(err, &step) || (step.Why != nil) != (test.cause != "") ||
				step.Why != nil && !strings.Contains(step.Why.Cause, test.cause) {
				t.Errorf("error %v, explained as %+v", err, step.Why)
			}
			o.broken = nil
			settled(t, o, "second")
		})
	}
}

func TestNeverReads(t *testing.T) {
	inBubble(t, "", func(t *testing.T) {
		o := newWorld(t, wanted(t, 3))
		if _, err := o.run("first").Converge(t.Context()); err != nil {
			t.Fatal(err)
		}
		o.change("etcd-2", func(h *facts.Host) { h.Reads = false })
		r := o.run("second")
		r.Timeout = time.Second
		began := time.Now()
		_, err := r.Converge(t.Context())
		var step *StepError
		if took := time.Since(began); took != time.Second || !errors.As(err, &step) || step.Step.Kind != plan.AwaitMember ||
			!strings.Contains(err.Error(), "no linearizable read within 1s: no leader") {
			t.Errorf("after %s: %v", took, err)
		}
	})
}

// A stop does not wait for a member that does not come up; nor does the end of the context.
func TestStopWhileStarting(t *testing.T) {
	for name, ending := range map[string]func(stop chan struct{}, cancel func()){
		"stop":   func(stop chan struct{}, _ func()) { close(stop) },
		"cancel": func(_ chan struct{}, cancel func()) { cancel() },
	} {
		inBubble(t, name, func(t *testing.T) {
			o := newWorld(t, wanted(t, 3))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stop := make(chan struct{})
			var once sync.Once
			o.block = func(ctx context.Context, _ plan.Step) error {
				once.Do(func() { ending(stop, cancel) })
				<-ctx.Done()
				return ctx.Err()
			}
			r := o.run("first")
			r.Stop = stop
			began := time.Now()
			_, err := r.Converge(ctx)
			var stopped *Stopped
			if time.Since(began) != 0 || name == "stop" != errors.As(err, &stopped) ||
				name == "cancel" && !errors.Is(err, context.Canceled) {
				t.Errorf("after %s: %v", time.Since(began), err)
			}
			o.block = nil
			settled(t, o, "second")
		})
	}
}

// Steps that succeed without an effect are a defect somewhere, and must not go on for ever.
func TestNoEffect(t *testing.T) {
	inBubble(t, "", func(t *testing.T) {
		o := newWorld(t, wanted(t, 3))
		o.deaf = true
		result, err := o.run("first").Converge(t.Context())
		var stage *StageError
		if !errors.Is(err, ErrNoEffect) || !errors.As(err, &stage) || result.Stages != 1 {
			t.Errorf("%d stages, %v", result.Stages, err)
		}
	})
}

func TestRefusedAndUnseen(t *testing.T) {
	inBubble(t, "", func(t *testing.T) {
		o := newWorld(t, wanted(t, 3))
		o.change("etcd-2", func(h *facts.Host) { h.Systemd = 0 })
		_, err := o.run("first").Converge(t.Context())
		var refused *plan.Refused
		if !errors.As(err, &refused) || o.actions != 0 {
			t.Errorf("%d actions, error %v", o.actions, err)
		}
		r := o.run("second")
		r.Gather = func(context.Context, *Last) (facts.Snapshot, error) { return facts.Snapshot{}, errFault }
		if _, err := r.Converge(t.Context()); !errors.Is(err, errFault) {
			t.Errorf("error %v", err)
		}
	})
}

func TestUnknownStep(t *testing.T) {
	inBubble(t, "", func(t *testing.T) {
		o := newWorld(t, wanted(t, 1))
		r := o.run("first")
		r.Next = func(etcd.Want, facts.Snapshot) (*plan.Stage, error) {
			return &plan.Stage{Name: "odd", Steps: []plan.Step{{Kind: "dance", Host: "etcd-1"}}}, nil
		}
		if _, err := r.Converge(t.Context()); err == nil || !strings.Contains(err.Error(), "dance") {
			t.Errorf("error %v", err)
		}
	})
}
