package quorum

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/clusterup/clusterup/facts"
)

func TestUpkeep(t *testing.T) {
	f := &fake{}
	c, _ := oneMember(t, f)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	must(c.Defragment(t.Context(), epIPv4))
	must(c.Compact(t.Context(), epIPv4, 7))
	must(c.Disarm(t.Context(), epIPv4, facts.Alarm{Member: 0xa1, Type: "NOSPACE"}))
	must(c.Disarm(t.Context(), epIPv4, facts.Alarm{Type: "CORRUPT"}))
	for _, kind := range []string{"", "NONE", "OTHER"} { // etcd takes NONE for all
		if err := c.Disarm(t.Context(), epIPv4, facts.Alarm{Member: 0xa1, Type: kind}); err == nil {
			t.Errorf("an alarm %q is disarmed", kind)
		}
	}
	want := []string{"defragment", "compact 7, physical true", "DEACTIVATE NOSPACE of a1", "DEACTIVATE CORRUPT of 0"}
	if !slices.Equal(f.upkeep, want) {
		t.Errorf("told %q, want %q", f.upkeep, want)
	}
	f.fail = map[string]error{"Compact": rpctypes.ErrGRPCCompacted, "Defragment": rpctypes.ErrGRPCPermissionDenied}
	must(c.Compact(t.Context(), epIPv4, 7)) // it is so already
	if err := c.Defragment(t.Context(), epIPv4); !errors.Is(err, facts.ErrPermission) {
		t.Errorf("a refusal: %v", err)
	}
}

// A large database takes longer than any other call may, and is waited for as long as the caller wants.
func TestLongUpkeep(t *testing.T) {
	f := &fake{hang: map[string]bool{"Defragment": true, "Compact": true}, hanging: make(chan struct{}, 2)}
	c, _ := oneMember(t, f)
	c.cfg.Timeout = time.Millisecond
	for what, do := range map[string]func(context.Context) error{
		"defragment": func(ctx context.Context) error { return c.Defragment(ctx, epIPv4) },
		"compact":    func(ctx context.Context) error { return c.Compact(ctx, epIPv4, 7) },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- do(ctx) }()
		select {
		case <-f.hanging: // and a thousand times the timeout goes by unnoticed
		case err := <-ended:
			t.Fatalf("%s: %v", what, err)
		case <-time.After(patience):
			t.Fatalf("%s: nobody is asked", what)
		}
		select {
		case err := <-ended:
			t.Errorf("%s ends by itself: %v", what, err)
		case <-time.After(50 * time.Millisecond):
		}
		cancel()
		if err := <-ended; err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}
