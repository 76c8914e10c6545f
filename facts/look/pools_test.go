package look

import (
	"errors"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/pool"
)

func TestReadPools(t *testing.T) {
	front := pool.Wanted{Revision: 7, Servers: map[string]pool.Server{"pg-1": {Port: 1}}}
	tells := permitting(1, facts.AuthState{})
	tells.pools = map[string]pool.Wanted{"front": front}
	fails := tells
	fails.listing = errors.New("no answer")
	silent := tells
	silent.readErr = errors.New("no leader")
	for name, test := range map[string]struct {
		members   [3]fakeMember
		balancers []string
		pools     map[string]pool.Wanted
		errors    map[string]string
		asked     int
	}{
		"nobody wants to know": {members: [3]fakeMember{tells, tells, tells}},
		"one tells": {
			[3]fakeMember{tells, fails, fails},
			[]string{"front"},
			map[string]pool.Wanted{"front": front},
			map[string]string{},
			1,
		},
		"another one tells": {
			[3]fakeMember{fails, tells, fails},
			[]string{"front"},
			map[string]pool.Wanted{"front": front},
			map[string]string{},
			2,
		},
		"two fail": {
			[3]fakeMember{fails, fails, tells},
			[]string{"front"},
			map[string]pool.Wanted{},
			map[string]string{"front": "no answer"},
			2,
		},
		"one that has no quorum is not asked": {
			[3]fakeMember{silent, tells, tells},
			[]string{"front"},
			map[string]pool.Wanted{"front": front},
			map[string]string{},
			1,
		},
		"nobody serves": {members: [3]fakeMember{silent, silent, silent}, balancers: []string{"front"}},
	} {
		t.Run(name, func(t *testing.T) {
			site := newSite(t, map[string]string{"a": "replaced-debian12", "b": "running-debian11", "c": "waldir-debian13"})
			for i, host := range []string{"a", "b", "c"} {
				site.etcd.members["https://"+host] = test.members[i]
			}
			src := site.source()
			src.Balancers = test.balancers
			s := gather(t, src)
			if !reflect.DeepEqual(test.pools, s.Pools) {
				t.Errorf("the pools are %v, want %v", s.Pools, test.pools)
			}
			if d := cmp.Diff(test.errors, s.PoolErrors); d != "" {
				t.Error(d)
			}
			asked := 0
			for _, host := range []string{"a", "b", "c"} {
				asked += site.etcd.asked["pool https://"+host]
			}
			if asked != test.asked {
				t.Errorf("keys were read %d times, want %d", asked, test.asked)
			}
		})
	}
}
