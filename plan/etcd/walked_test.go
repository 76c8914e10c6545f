package etcd

import (
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/clusterup/clusterup/plan"
)

// walked is what walks came to, which may go side by side.
type walked struct {
	mu     sync.Mutex
	states int
	kinds  map[plan.Kind]bool // of steps
}

// add counts the states that walkers decided, and more of them.
func (r *walked) add(more int, walkers ...*walker) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kinds == nil {
		r.kinds = map[plan.Kind]bool{}
	}
	r.states += more
	for _, k := range walkers {
		r.states += len(k.decided)
		maps.Copy(r.kinds, k.kinds)
	}
}

// holds checks that walks went anywhere at all: they came to so many states, which is far below what they come to now,
// and did steps of all these kinds.
func (r *walked) holds(t *testing.T, least int, kinds ...plan.Kind) {
	t.Helper()
	t.Logf("%d states in all; steps of the kinds %v", r.states, slices.Sorted(maps.Keys(r.kinds)))
	if raced {
		return
	}
	if r.states < least {
		t.Errorf("%d states only, want %d", r.states, least)
	}
	for _, kind := range kinds {
		if !r.kinds[kind] {
			t.Errorf("no way has a step of the kind %s", kind)
		}
	}
}
