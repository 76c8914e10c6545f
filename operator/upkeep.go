package operator

import (
	"context"
	"errors"
	"sync"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/quorum"
)

// Filling says what fills the databases, as a follower has it that serves; the leader where there is no other.
func (s *Session) Filling(ctx context.Context, seen facts.Snapshot) (facts.Filling, error) {
	from := ""
	for _, m := range s.Cluster.Members {
		host := seen.Hosts[m.Name]
		if host.Etcd == nil || !host.Reads {
			continue
		}
		if from = m.Name; host.Etcd.MemberID != host.Etcd.Leader {
			break
		}
	}
	if from == "" {
		return facts.Filling{}, errors.New("read what fills the database: no member serves")
	}
	told, err := ask(s.Etcd, func(c *quorum.Cluster) (facts.Filling, error) {
		return c.Filling(ctx, seen.Hosts[from].Endpoint)
	})
	told.Member = from
	return told, err
}

// Hashes are digests of the data of all members at one revision, by member; those that have none say why. While CORRUPT
// is raised nobody writes, so they can be compared. It blocks until all have gone through their databases.
func (s *Session) Hashes(ctx context.Context, seen facts.Snapshot) map[string]facts.Hash {
	found := map[string]facts.Hash{}
	revision, why := int64(0), errors.New("no member tells the revision of the store")
	for _, host := range seen.Hosts {
		if !host.Dark() && host.Etcd != nil && host.Reads {
			if revision, why = s.Etcd.Revision(ctx, host.Endpoint); why == nil {
				break
			}
		}
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for name := range etcd.Listed(etcd.Want{Cluster: s.Cluster}, seen) {
		wg.Go(func() {
			hash := facts.Hash{Revision: revision}
			err := why
			switch host := seen.Hosts[name]; {
			case err != nil:
			case host.Dark():
				err = errors.New("its host cannot be looked at")
			case host.Etcd == nil:
				err = errors.New("it does not answer")
			default:
				hash.Sum, hash.Compacted, err = s.Etcd.Hash(ctx, host.Endpoint, revision)
			}
			if err != nil {
				hash = facts.Hash{Error: err.Error()}
			}
			mu.Lock()
			defer mu.Unlock()
			found[name] = hash
		})
	}
	wg.Wait()
	return found
}
