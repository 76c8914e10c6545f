package quorum

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/clusterup/clusterup/facts"
)

func TestHashKV(t *testing.T) {
	status := aStatus()
	status.Header.Revision = 12
	f := &fake{status: status, hashes: map[int64]fakeHash{12: {0xdeadbeef, 4}, 7: {0xfeed, 4}}}
	c, _ := oneMember(t, f)
	for asked, want := range map[int64]Hash{0: {0xdeadbeef, 12, 4}, 12: {0xdeadbeef, 12, 4}, 7: {0xfeed, 7, 4}} {
		if got, err := c.HashKV(t.Context(), epIPv4, asked); err != nil || got != want {
			t.Errorf("HashKV(%d) = %+v, %v; want %+v", asked, got, err, want)
		}
	}
	if got, err := c.HashKV(t.Context(), epIPv4, 13); !errors.Is(err, rpctypes.ErrFutureRev) {
		t.Errorf("a revision to come: %+v, %v", got, err)
	}
	f.mu.Lock()
	f.fail = map[string]error{"HashKV": rpctypes.ErrGRPCCompacted}
	f.mu.Unlock()
	if got, err := c.HashKV(t.Context(), epIPv4, 3); !errors.Is(err, rpctypes.ErrCompacted) {
		t.Errorf("a revision compacted: %+v, %v", got, err)
	}
}

// The time that a hash may take grows with the database, as far as a size can be believed.
func TestHashTime(t *testing.T) {
	for size, want := range map[int64]time.Duration{
		-1: 2 * time.Minute, 4096: 2 * time.Minute, 1 << 30: 2*time.Minute + 256*time.Second,
		8 << 30: 2*time.Minute + 2048*time.Second, math.MaxInt64: 2*time.Minute + (1<<18)*time.Second,
	} {
		if got := hashTime(size); got != want {
			t.Errorf("%d bytes: %s, want %s", size, got, want)
		}
	}
	f := &fake{status: aStatus(), hang: map[string]bool{"HashKV": true}, hashes: map[int64]fakeHash{7: {0xfeed, 4}}}
	c, _ := oneMember(t, f)
	asked := int64(0)
	c.hashTime = func(size int64) time.Duration {
		asked = size
		return quick
	}
	_, err := c.HashKV(t.Context(), epIPv4, 7)
	if want := "none within 300ms, of 4096 bytes: "; asked != 4096 || !errors.Is(err, context.DeadlineExceeded) ||
		!strings.Contains(errorText(err), want) {
		t.Errorf("of a database of %d bytes: %v, want one that says %q", asked, err, want)
	}
	f.mu.Lock()
	f.hang = nil
	f.mu.Unlock()
	if got, err := c.HashKV(t.Context(), epIPv4, 7); err != nil || got.Sum != 0xfeed {
		t.Errorf("the next one: %+v, %v", got, err)
	}
}

func TestRevision(t *testing.T) {
	for _, tc := range []struct {
		name string
		fake *fake
		want int64
		kind error
	}{
		{"healthy", &fake{store: map[string]string{}, revision: 42}, 42, nil},
		{"no leader", &fake{store: map[string]string{}, revision: 42, noLeader: true}, 0, rpctypes.ErrNoLeader},
		{"no permission", &fake{fail: map[string]error{"Range": rpctypes.ErrGRPCPermissionDenied}}, 0, facts.ErrPermission},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := oneMember(t, tc.fake)
			if got, err := c.Revision(t.Context(), epIPv4); got != tc.want || !errors.Is(err, tc.kind) {
				t.Errorf("got %d, %v; want %d, %v", got, err, tc.want, tc.kind)
			}
		})
	}
}
