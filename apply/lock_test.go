package apply

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// fakeHolder answers one script of the lock, and keeps what it answered.
type fakeHolder struct {
	ground   *Ground
	t        *testing.T
	name     string
	line     string
	err      error
	asked    func() // nil: nothing happens then
	scripts  []string
	released int
	order    *[]string
}

func (h *fakeHolder) Hold(ctx context.Context, script string) (string, <-chan struct{}, func() error, error) {
	*h.order = append(*h.order, h.name)
	h.scripts = append(h.scripts, script)
	if !strings.Contains(script, "name='prod'") || len(h.scripts) > 1 {
		h.t.Errorf("%s: script %d is not to be expected:\n%s", h.name, len(h.scripts), script)
	}
	if h.asked != nil && h.err != nil {
		h.asked()
	}
	line, lost, release, err := h.ground.Hold(ctx, script)
	return line, lost, func() error { h.released++; return release() }, err
}

var names = []string{"etcd-1", "etcd-2", "etcd-3"}

func holders(t *testing.T) (map[string]*fakeHolder, map[string]Holder, *[]string) {
	t.Helper()
	fakes, all, order := map[string]*fakeHolder{}, map[string]Holder{}, &[]string{}
	for _, name := range names {
		fake := &fakeHolder{t: t, name: name, line: "held", order: order}
		fake.ground = &Ground{Name: name, Runs: func(context.Context, string, []byte) (string, error) {
			return fake.line + "\n", fake.err
		}}
		fakes[name] = fake
		all[name] = fakes[name]
	}
	return fakes, all, order
}

var somebody = Owner{User: "ann", From: "laptop", PID: 7, Since: noon, Doing: `clusterup apply it's.hcl`}

func TestAcquire(t *testing.T) {
	fakes, all, order := holders(t)
	lock, err := Acquire(t.Context(), "prod", names, all, somebody, time.Minute)
	if err != nil || !slices.Equal(*order, names) {
		t.Fatalf("order %q, %v", *order, err)
	}
	// A killed run gives its locks up in any order, so each host is stood in line at.
	for _, name := range names {
		if script := fakes[name].scripts[0]; !strings.Contains(script, "flock -w 60 9") {
			t.Errorf("%s: does not wait in\n%s", name, script)
		}
	}
	select {
	case host := <-lock.Lost:
		t.Errorf("lost on %s at once", host)
	default:
	}
	if err := lock.Release(); err != nil {
		t.Error(err)
	}
	for name, fake := range fakes {
		if fake.released != 1 {
			t.Errorf("%s was released %d times", name, fake.released)
		}
	}
}

// The loss on one host is told, and the lock holds on the others.
func TestLost(t *testing.T) {
	fakes, all, _ := holders(t)
	lock, err := Acquire(t.Context(), "prod", names, all, somebody, 0)
	if err != nil {
		t.Fatal(err)
	}
	held := names
	for _, next := range []string{"etcd-2", "etcd-1"} {
		if !slices.Equal(lock.Held(), held) || !lock.Holds(next) {
			t.Errorf("held on %q, want %q", lock.Held(), held)
		}
		fakes[next].ground.Cut()
		select {
		case host := <-lock.Lost:
			if host != next {
				t.Errorf("lost on %s, want %s", host, next)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the loss is not noticed within 10 s")
		}
		held = slices.DeleteFunc(slices.Clone(held), func(host string) bool { return host == next })
	}
	if lock.Holds("etcd-2") || !slices.Equal(lock.Held(), []string{"etcd-3"}) {
		t.Errorf("held on %q in the end", lock.Held())
	}
}

// A host that cannot be locked is told of, and the others are locked all the same.
func TestAcquireMissing(t *testing.T) {
	fakes, all, order := holders(t)
	broken := errors.New("connect: refused")
	fakes["etcd-2"].err = broken
	lock, err := Acquire(t.Context(), "prod", names, all, somebody, 0)
	if err != nil || !slices.Equal(*order, names) {
		t.Fatalf("asked %q, %v", *order, err)
	}
	if !slices.Equal(lock.Held(), []string{"etcd-1", "etcd-3"}) || len(lock.Missing) != 1 ||
		!errors.Is(lock.Missing["etcd-2"], broken) {
		t.Errorf("held on %q, missing %v", lock.Held(), lock.Missing)
	}
	if err := lock.Release(); err != nil || fakes["etcd-1"].released != 1 || fakes["etcd-3"].released != 1 {
		t.Errorf("released %d and %d times, %v", fakes["etcd-1"].released, fakes["etcd-3"].released, err)
	}
}

func TestAcquireFails(t *testing.T) {
	tests := map[string]struct {
		line   string
		err    error // with which the run is stopped when it comes to the host; nil: it is not
		locked bool
		says   string
	}{
		"busy": {
			`busy {"user":"ben","from":"desk","pid":9,"since":"2026-11-21T11:00:00Z","doing":"clusterup apply"}`, nil, true,
			"etcd-2: the cluster is locked by ben@desk (PID 9), since 2026-11-21T11:00:00Z: clusterup apply",
		},
		"busy, nobody says with what": {"busy ", nil, true, "etcd-2: the cluster is locked by another run"},
		"busy, garbled":               {"busy {", nil, true, "etcd-2: the cluster is locked by another run"},
		"stopped":                     {"", errors.New("stopped"), false, "etcd-2: stopped"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fakes, all, order := holders(t)
			ctx, stop := context.WithCancelCause(t.Context())
			defer stop(nil)
			fakes["etcd-2"].line, fakes["etcd-2"].err = test.line, test.err
			fakes["etcd-2"].asked = func() { stop(test.err) }
			lock, err := Acquire(ctx, "prod", names, all, somebody, 0)
			if lock != nil || err == nil || err.Error() != test.says || errors.Is(err, ErrLocked) != test.locked {
				t.Errorf("lock %v, error %v; want %q", lock, err, test.says)
			}
			if fakes["etcd-1"].released != 1 || len(*order) != 2 {
				t.Errorf("asked %q, and the first one was released %d times", *order, fakes["etcd-1"].released)
			}
		})
	}
}
