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
	t        *testing.T
	name     string
	line     string
	err      error
	lost     chan struct{}
	scripts  []string
	released int
	order    *[]string
}

func (h *fakeHolder) Hold(_ context.Context, script string) (string, <-chan struct{}, func() error, error) {
	*h.order = append(*h.order, h.name)
	h.scripts = append(h.scripts, script)
	if !strings.Contains(script, "name='prod'") || len(h.scripts) > 1 {
		h.t.Errorf("%s: script %d is not to be expected:\n%s", h.name, len(h.scripts), script)
	}
	return h.line, h.lost, func() error { h.released++; return nil }, h.err
}

var names = []string{"etcd-1", "etcd-2", "etcd-3"}

func holders(t *testing.T) (map[string]*fakeHolder, map[string]Holder, *[]string) {
	t.Helper()
	fakes, all, order := map[string]*fakeHolder{}, map[string]Holder{}, &[]string{}
	for _, name := range names {
		fakes[name] = &fakeHolder{t: t, name: name, line: "held", lost: make(chan struct{}), order: order}
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
	case <-lock.Lost:
		t.Error("lost at once")
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

// The loss on one host is the loss of all.
func TestLost(t *testing.T) {
	fakes, all, _ := holders(t)
	lock, err := Acquire(t.Context(), "prod", names, all, somebody, 0)
	if err != nil {
		t.Fatal(err)
	}
	close(fakes["etcd-2"].lost)
	select {
	case <-lock.Lost:
	case <-t.Context().Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the loss is not noticed within 10 s")
	}
	close(fakes["etcd-1"].lost) // a second one does no harm
	close(fakes["etcd-3"].lost)
}

func TestAcquireFails(t *testing.T) {
	broken := errors.New("etcd-2: connect: refused")
	tests := map[string]struct {
		line   string
		err    error
		locked bool
		says   string
	}{
		"busy": {
			`busy {"user":"ben","from":"desk","pid":9,"since":"2026-11-21T11:00:00Z","doing":"clusterup apply"}`, nil, true,
			"etcd-2: the cluster is locked by ben@desk (PID 9), since 2026-11-21T11:00:00Z: clusterup apply",
		},
		"busy, nobody says with what": {"busy ", nil, true, "etcd-2: the cluster is locked by another run"},
		"busy, garbled":               {"busy {", nil, true, "etcd-2: the cluster is locked by another run"},
		"unreachable":                 {"", broken, false, broken.Error()},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fakes, all, order := holders(t)
			fakes["etcd-2"].line, fakes["etcd-2"].err = test.line, test.err
			lock, err := Acquire(t.Context(), "prod", names, all, somebody, 0)
			if lock != nil || err == nil || err.Error() != test.says || errors.Is(err, ErrLocked) != test.locked {
				t.Errorf("lock %v, error %v; want %q", lock, err, test.says)
			}
			if fakes["etcd-1"].released != 1 || len(*order) != 2 {
				t.Errorf("asked %q, and the first one was released %d times", *order, fakes["etcd-1"].released)
			}
		})
	}
}
