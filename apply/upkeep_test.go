package apply

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
)

// roomy gives all members a database of so many MiB, of which some are in use.
func roomy(o *world, size, used int64) {
	for name := range o.seen.Hosts {
		o.change(name, func(h *facts.Host) {
			status := *h.Etcd
			status.DBSize, status.DBInUse = size<<20, used<<20
			h.Etcd = &status
		})
	}
}

// keeps is a run of a verb, with the notes of its steps.
func keeps(o *world, next func(etcd.Want, facts.Snapshot) (*plan.Stage, error)) (r *Run, steps, notes *[]string) {
	r, steps, notes = o.run("first"), &[]string{}, &[]string{}
	r.Next = next
	r.Gather = func(ctx context.Context, _ *Last) (facts.Snapshot, error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.seen.Alarms = o.alarms
		return o.seen, ctx.Err()
	}
	r.Emit = func(e Event) {
		switch e.Type {
		case StepDone:
			*steps = append(*steps, e.Step)
		case StepNote:
			*notes = append(*notes, e.Text)
		}
	}
	return r, steps, notes
}

func TestDefragment(t *testing.T) {
	o := running(t, 3, "3.6.16", "3.6.16")
	o.lead("etcd-2")
	roomy(o, 200, 20)
	r, steps, notes := keeps(o, etcd.NextDefrag(""))
	if _, err := r.Converge(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"defragment/etcd-1", "defragment/etcd-3", "move-leader/etcd-2", "defragment/etcd-2"}
	if !slices.Equal(*steps, want) {
		t.Errorf("steps %v, want %v", *steps, want)
	}
	if want := "200 MiB → 20 MiB: 180 MiB given back"; len(*notes) != 3 || (*notes)[0] != want {
		t.Errorf("notes %q, want %q", *notes, want)
	}
}

// A member that gives nothing back is done all the same: it is not asked twice in one run.
func TestDefragmentInVain(t *testing.T) {
	o := running(t, 3, "3.6.16", "3.6.16")
	roomy(o, 200, 20)
	o.deaf = true
	r, steps, _ := keeps(o, etcd.NextDefrag("etcd-1"))
	r.Etcd = still{o}
	if _, err := r.Converge(t.Context()); err != nil || !slices.Contains(*steps, "defragment/etcd-1") {
		t.Errorf("%v, %v", *steps, err)
	}
}

// still is a world in which leadership moves, and databases stay as they are.
type still struct{ *world }

func (s still) MoveLeader(ctx context.Context, endpoint string, to facts.ID) error {
	s.deaf = false
	defer func() { s.deaf = true }()
	return s.world.MoveLeader(ctx, endpoint, to)
}

// The time that a step may take grows with the database, and what is late goes on by itself.
func TestDefragTime(t *testing.T) {
	for size, want := range map[int64]time.Duration{
		-1: time.Minute, 0: time.Minute, 1 << 30: time.Minute + 256*time.Second, 8 << 30: time.Minute + 2048*time.Second,
		math.MaxInt64: time.Minute + (1<<18)*time.Second,
	} {
		if got := defragTime(size); got != want {
			t.Errorf("%d bytes: %s, want %s", size, got, want)
		}
	}
	err := within(t.Context(), time.Millisecond, func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	if err == nil || !strings.Contains(err.Error(), "not done within 1ms: the member goes on with it by itself") {
		t.Error(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	err = within(over, time.Hour, func(ctx context.Context) error { return ctx.Err() })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A member that stops serving between the look and the step keeps the others up.
func TestDefragmentGate(t *testing.T) {
	o := running(t, 3, "3.6.16", "3.6.16")
	o.lead("etcd-2")
	roomy(o, 200, 20)
	r, steps, _ := keeps(o, etcd.NextDefrag("etcd-1"))
	r.Seam = func(point string) error {
		if point == "before defragment/etcd-1" {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.change("etcd-3", func(h *facts.Host) { h.Reads = false })
		}
		return nil
	}
	_, err := r.Converge(t.Context())
	if gone := new(GateError); !errors.As(err, &gone) || gone.Serve != 1 || len(*steps) > 0 {
		t.Errorf("%v after %v", err, *steps)
	}
}

// Nor is history dropped then, since every member has to free the room.
func TestCompactGate(t *testing.T) {
	o := running(t, 3, "3.6.16", "3.6.16")
	o.want.Cluster.Etcd.QuotaBackendBytes = 8
	roomy(o, 1, 1)
	o.alarms = []facts.Alarm{{Member: o.seen.Hosts["etcd-1"].Etcd.MemberID, Type: "NOSPACE"}}
	r, steps, _ := keeps(o, etcd.NextDisarm)
	r.Seam = func(point string) error {
		if strings.HasPrefix(point, "before compact/") {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.change("etcd-3", func(h *facts.Host) { h.Reads = false })
		}
		return nil
	}
	_, err := r.Converge(t.Context())
	gone := new(GateError)
	const says = " is not done: 2 of the members serve now"
	if !errors.As(err, &gone) || gone.Serve != 2 || !strings.Contains(err.Error(), says) || len(*steps) > 0 {
		t.Errorf("%v after %v", err, *steps)
	}
}

func TestDisarm(t *testing.T) {
	o := running(t, 3, "3.6.16", "3.6.16")
	o.lead("etcd-2")
	o.want.Cluster.Etcd.QuotaBackendBytes = 8 // that is what members run with
	roomy(o, 1, 1)
	o.alarms = []facts.Alarm{{Member: o.seen.Hosts["etcd-1"].Etcd.MemberID, Type: "NOSPACE"}}
	r, steps, _ := keeps(o, etcd.NextDisarm)
	var through []string
	r.Etcd = disarming{o, &through}
	if _, err := r.Converge(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"compact/etcd-2", "defragment/etcd-1", "defragment/etcd-3", "move-leader/etcd-2", "defragment/etcd-2",
		"disarm-alarm/NOSPACE/" + o.seen.Hosts["etcd-1"].Etcd.MemberID.String() + "/etcd-1",
	}
	if !slices.Equal(*steps, want) || len(o.alarms) > 0 {
		t.Errorf("steps %v, want %v; alarms %v", *steps, want, o.alarms)
	}
	if each := []string{"etcd-2", "etcd-1", "etcd-3"}; !slices.Equal(through, each) {
		t.Errorf("it waited for %v, want %v: a slow member frees room later than the leader", through, each)
	}
}

// disarming is a world whose alarms end, and that notes through whom it is compacted.
type disarming struct {
	*world

	through *[]string
}

func (d disarming) Compact(ctx context.Context, endpoint string, revision int64) error {
	*d.through = append(*d.through, d.hostsOf[endpoint])
	return d.world.Compact(ctx, endpoint, revision)
}

func (d disarming) Disarm(_ context.Context, _ string, alarm facts.Alarm) error {
	d.alarms = slices.DeleteFunc(d.alarms, func(a facts.Alarm) bool { return a == alarm })
	return nil
}
