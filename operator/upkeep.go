package operator

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/quorum"
)

// Filling says what fills the databases, as a follower has it that serves; the leader where there is no other.
func (s *Session) Filling(ctx context.Context, seen facts.Snapshot) (facts.Filling, error) {
	from := reader(seen)
	if from == "" {
		return facts.Filling{}, errors.New("read what fills the database: no member serves")
	}
	told, err := ask(s.Etcd, func(c *quorum.Cluster) (facts.Filling, error) {
		return c.Filling(ctx, seen.Hosts[from].Endpoint)
	})
	told.Member = from
	return told, err
}

// reader is a follower that serves, the first by name; the leader where there is no other; empty: none serves.
func reader(seen facts.Snapshot) string {
	from := ""
	for _, name := range seen.Names() {
		host := seen.Hosts[name]
		if !serves(seen, host) || host.Etcd.Learner { // which may not have all yet
			continue
		}
		if from = name; host.Etcd.MemberID != host.Etcd.Leader {
			break
		}
	}
	return from
}

// serves says that a host has a member that serves, of the cluster that was seen and not of one before.
func serves(seen facts.Snapshot, host facts.Host) bool {
	return host.Etcd != nil && host.Reads && host.Etcd.ClusterID == seen.Cluster
}

// hashNow is the digest of a member's data as they are, which have to be of that revision.
func (s *Session) hashNow(ctx context.Context, endpoint string, revision int64) (facts.Hash, error) {
	hash, err := ask(s.Etcd, func(c *quorum.Cluster) (quorum.Hash, error) { return c.HashKV(ctx, endpoint, 0) })
	if err == nil && hash.Revision != revision {
		err = fmt.Errorf("it is at revision %d, and others are at %d", hash.Revision, revision)
	}
	return facts.Hash{Sum: hash.Sum, Revision: revision, Compacted: hash.Compacted}, err
}

// Hashes are digests of the data of all members at one revision, by member; those that have none say why. While CORRUPT
// is raised nobody writes, so they can be compared. It blocks until all have gone through their databases.
func (s *Session) Hashes(ctx context.Context, seen facts.Snapshot) map[string]facts.Hash {
	found := map[string]facts.Hash{}
	revision, why := int64(0), errors.New("no member tells the revision of the store")
	for _, host := range seen.Hosts {
		if !host.Dark() && serves(seen, host) {
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
			case host.Etcd.ClusterID != seen.Cluster:
				err = errors.New("it is of another cluster")
			default:
				hash, err = s.hashNow(ctx, host.Endpoint, revision)
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
