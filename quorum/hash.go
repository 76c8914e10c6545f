package quorum

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Hash is a member's digest of its keys. Those of two members can be compared when they are of the same Revision and
// Compacted: then they are equal, or the data of the members differ.
type Hash struct {
	Sum       uint32
	Revision  int64 // up to which was hashed
	Compacted int64 // below which history was dropped before; members compact at about, not exactly, the same time
}

// A hash reads the whole database. hashPace is how many bytes a second a slow disk gives, hashLeast what the smallest
// database gets, and hashMost the largest size that a member is believed.
const (
	hashPace  = 4 << 20
	hashLeast = 2 * time.Minute
	hashMost  = 1 << 40
)

// hashTime is how long a member may take to digest a database of that size: two minutes, and four more a GiB.
func hashTime(size int64) time.Duration {
	return hashLeast + time.Duration(min(max(0, size), hashMost)/hashPace)*time.Second
}

// HashKV has the member at endpoint digest its own keys up to revision; 0 takes the revision that it has now. The
// member reads its whole database for that, so this may take two minutes, and four more for each GiB, and no longer. It
// needs no quorum and writes nothing. It is an error when the member has not that revision yet, as happens to a
// follower right after a write, or has compacted it. For the revision of a compaction, a member answers with what it
// noted as it compacted, of the history before, and that note goes with its process (server/storage/mvcc/hash.go,
// HashByRev). So members of which one has restarted compare by 0 then.
func (c *Cluster) HashKV(ctx context.Context, endpoint string, revision int64) (Hash, error) {
	const op = "ask hash of"
	now, err := ask(ctx, c, endpoint, op, func(ctx context.Context, n *conn) (*clientv3.StatusResponse, error) {
		return n.maintenance().Status(ctx, endpoint)
	})
	if err != nil {
		return Hash{}, err
	}
	n, err := c.conn(endpoint)
	if err != nil {
		return Hash{}, &Error{Endpoint: endpoint, Op: op, Err: err}
	}
	limit := c.hashTime(now.DbSize)
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r, err := n.maintenance().HashKV(bounded, endpoint, revision)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil { // its other calls go on
		err = &Error{Err: fmt.Errorf("none within %s, of %d bytes: %w", limit, now.DbSize, bounded.Err())}
	}
	if err != nil {
		return Hash{}, c.fault(ctx, n, op, err)
	}
	if header := r.Header; revision == 0 { // a 3.5 member has no other word for it
		revision = header.GetRevision()
	}
	return Hash{Sum: r.Hash, Revision: revision, Compacted: r.CompactRevision}, nil
}

// Applied is the store's revision in the member at endpoint, which may be behind the cluster's. A snapshot that is
// asked for afterwards has it.
func (c *Cluster) Applied(ctx context.Context, endpoint string) (int64, error) {
	return ask(ctx, c, endpoint, "ask revision of", func(ctx context.Context, n *conn) (int64, error) {
		r, err := n.maintenance().Status(ctx, endpoint)
		if err != nil {
			return 0, err
		}
		header := r.Header
		return header.GetRevision(), nil
	})
}

// Revision is the revision of the cluster's store, by a linearizable read through the member at endpoint: every write
// that was acknowledged before is within it. It counts from 1, which is an empty store. A member that is asked right
// after may not be there yet. Nothing is written. Unlike ReadLinearizable it needs the right to read.
func (c *Cluster) Revision(ctx context.Context, endpoint string) (int64, error) {
	return ask(ctx, c, endpoint, "read revision through", func(ctx context.Context, n *conn) (int64, error) {
		r, err := n.client.Get(clientv3.WithRequireLeader(ctx), "health", clientv3.WithCountOnly())
		if err != nil {
			return 0, err
		}
		header := r.Header
		return header.GetRevision(), nil
	})
}

// Keys is how many keys the member at endpoint had at a revision, which it must have reached and not have compacted. It
// needs no quorum and writes nothing.
func (c *Cluster) Keys(ctx context.Context, endpoint string, revision int64) (int64, error) {
	return ask(ctx, c, endpoint, "count keys of", func(ctx context.Context, n *conn) (int64, error) {
		r, err := n.client.Get(ctx, "", clientv3.WithPrefix(), clientv3.WithCountOnly(), clientv3.WithSerializable(),
			clientv3.WithRev(revision))
		if err != nil {
			return 0, err
		}
		return r.Count, nil
	})
}
