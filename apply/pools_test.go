package apply

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/pool"
)

// torn is a cluster whose answers to changes of servers may get lost, and whose keys somebody else may change then.
type torn struct {
	*world
	losses  int
	between func(*pool.Wanted) // what somebody else does after a loss; nil: nothing
}

func (e *torn) ChangePool(ctx context.Context, endpoint string, change pool.Change) (bool, error) {
	done, err := e.world.ChangePool(ctx, endpoint, change)
	if e.losses == 0 {
		return done, err
	}
	e.losses--
	if e.between != nil {
		now := e.seen.Pools[change.Balancer]
		e.between(&now)
		e.seen.Pools[change.Balancer] = now
	}
	return false, errors.New("the connection broke")
}

func TestPutServers(t *testing.T) {
	server := pool.Server{Address: netip.MustParseAddr("10.0.0.21"), Port: 1, Check: 1, Weight: 100, State: pool.Ready}
	drained := server
	drained.State = pool.Drain
	writes := func(now *pool.Wanted) { now.GenerationRevision++ }
	drains := func(now *pool.Wanted) {
		now.Servers = map[string]pool.Server{"pg-1": drained}
		now.GenerationRevision++
	}
	for name, test := range map[string]struct {
		losses  int
		before  func(*pool.Wanted)
		between func(*pool.Wanted)
		says    string // "": it is done
	}{
		"done":                                 {},
		"an answer got lost":                   {losses: 1},
		"two answers got lost":                 {losses: 2},
		"it was done, and another one writes":  {losses: 1, between: writes},
		"it was done, and another one drains":  {losses: 1, between: drains, says: "an answer got lost"},
		"another one has written since a look": {before: writes, says: "nothing was written"},
	} {
		t.Run(name, func(t *testing.T) {
			o := permitted(t, 3)
			o.seen.Pools = map[string]pool.Wanted{"front": {Revision: 9, GenerationRevision: 8}}
			change := o.seen.Pools["front"].Change("front", map[string]pool.Server{"pg-1": server})
			if test.before != nil {
				now := o.seen.Pools["front"]
				test.before(&now)
				o.seen.Pools["front"] = now
			}
			r := o.run("one")
			r.Etcd = &torn{o, test.losses, test.between}
			err := r.putServers(t.Context(), plan.Step{Kind: plan.PutServers, Host: "etcd-1", Pool: &change})
			if (err != nil) != (test.says != "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v, want %q", err, test.says)
			}
			if is := o.seen.Pools["front"].Servers["pg-1"]; err == nil && is != server {
				t.Errorf("pg-1 is %s", is)
			}
		})
	}
}
