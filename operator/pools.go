package operator

import (
	"context"
	"errors"
	"time"

	"github.com/clusterup/clusterup/pool"
	"github.com/clusterup/clusterup/quorum"
)

// maxFollowers is how many reports of followers are read.
const maxFollowers = 100

// followed is how long a change of servers may take to be everywhere, before it is told where it is not.
const followed = 10 * time.Second

// Followers are the reports of those who follow a balancer's keys, and these keys, as the members that were seen last
// have them.
func (s *Session) Followers(ctx context.Context, balancer string) (pool.Wanted, []pool.Told, error) {
	from := ""
	if last := s.last.Load(); last != nil {
		from = last.Hosts[reader(*last)].Endpoint
	}
	if from == "" {
		return pool.Wanted{}, nil, errors.New("read who follows the keys: no member serves")
	}
	wanted, err := s.Etcd.Pool(ctx, from, balancer)
	if err != nil {
		return pool.Wanted{}, nil, err
	}
	keys := pool.Keys{Balancer: balancer}
	told, err := ask(s.Etcd, func(c *quorum.Cluster) ([]pool.Told, error) {
		read, _, err := c.List(ctx, from, maxFollowers, quorum.Range{Key: keys.Followers(), Prefix: true})
		all := map[string]pool.Key{}
		for _, key := range read {
			all[key.Key] = pool.Key{Value: key.Value, Revision: key.Revision}
		}
		return keys.Told(all), err
	})
	return wanted, told, err
}

// Follow waits until all who follow a balancer's keys have done what these say now, or until that has taken too long.
func (s *Session) Follow(ctx context.Context, balancer string) (pool.Wanted, []pool.Told, error) {
	deadline := time.NewTimer(followed)
	defer deadline.Stop()
	again := time.NewTicker(followed / 20)
	defer again.Stop()
	for {
		wanted, told, err := s.Followers(ctx, balancer)
		lacks := false
		for _, t := range told {
			lacks = lacks || t.Lacks(wanted) != ""
		}
		if err != nil || !lacks {
			return wanted, told, err
		}
		select {
		case <-ctx.Done():
			return wanted, told, nil
		case <-deadline.C:
			return wanted, told, nil
		case <-again.C:
		}
	}
}
