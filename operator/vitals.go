package operator

import (
	"context"
	"sync"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/quorum"
)

// Vitals are what the members count of themselves, by name; one that does not tell is left out. It blocks until all
// have answered.
func (s *Session) Vitals(ctx context.Context, seen facts.Snapshot) map[string]facts.Vitals {
	found := map[string]facts.Vitals{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for name, host := range seen.Hosts {
		if host.Dark() || host.Etcd == nil || host.Endpoint == "" {
			continue
		}
		wg.Go(func() {
			told, err := ask(s.Etcd, func(c *quorum.Cluster) (facts.Vitals, error) { return c.Vitals(ctx, host.Endpoint) })
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			found[name] = told
		})
	}
	wg.Wait()
	return found
}
