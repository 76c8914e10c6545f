package look

import (
	"context"
	"sync"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/pool"
)

// readPools reads the keys of balancers through a member that serves; another one is asked if it fails.
func readPools(ctx context.Context, s *facts.Snapshot, src Source) {
	through := answered(s, func(h facts.Host) bool {
		return h.Reads && !h.Etcd.Learner && h.Etcd.ClusterID == s.Cluster
	})
	if src.Etcd == nil || len(through) == 0 || len(src.Balancers) == 0 {
		return
	}
	pools, errs := make([]pool.Wanted, len(src.Balancers)), make([]error, len(src.Balancers))
	var wg sync.WaitGroup
	for i, balancer := range src.Balancers {
		wg.Go(func() {
			for _, host := range through[:min(len(through), 2)] {
				if pools[i], errs[i] = src.Etcd.Pool(ctx, host.Endpoint, balancer); errs[i] == nil {
					return
				}
			}
		})
	}
	wg.Wait()
	s.Pools, s.PoolErrors = map[string]pool.Wanted{}, map[string]string{}
	for i, balancer := range src.Balancers {
		if errs[i] != nil {
			s.PoolErrors[balancer] = errs[i].Error()
			continue
		}
		s.Pools[balancer] = pools[i]
	}
}
