package quorum

import (
	"context"
	"errors"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/clusterup/clusterup/facts"
)

// Defragment has the member at endpoint copy its database into a file without free room. It returns when that is done,
// or when ctx ends: there is no other bound, since it takes as long as the database is large. Meanwhile the member
// answers nothing that reads or writes keys, and goes on with it even if nobody waits any more. It needs no quorum.
// Done twice, it does no harm.
func (c *Cluster) Defragment(ctx context.Context, endpoint string) error {
	return c.long(ctx, endpoint, "defragment", func(n *conn) error {
		_, err := n.maintenance().Defragment(ctx, endpoint)
		return err
	})
}

// Compact drops the history of all keys before a revision, through the member at endpoint, and returns when that member
// has freed the room, or when ctx ends; there is no other bound. It needs a quorum. The other members free theirs when
// they come to it. What was compacted already is no error: then it waits for the member all the same, since etcd
// answers after what it has in hand (updateCompactRev, 3.4 and later).
func (c *Cluster) Compact(ctx context.Context, endpoint string, revision int64) error {
	return c.long(ctx, endpoint, "compact through", func(n *conn) error {
		_, err := n.client.Compact(clientv3.WithRequireLeader(ctx), revision, clientv3.WithCompactPhysical())
		if errors.Is(err, rpctypes.ErrCompacted) {
			return nil
		}
		return err
	})
}

// long makes a call that takes as long as it takes, without the timeout of others. The connection of such a call is
// kept alive by pings, so a member that is gone is noticed.
func (c *Cluster) long(ctx context.Context, endpoint, op string, do func(*conn) error) error {
	n, err := c.conn(endpoint)
	if err != nil {
		return &Error{Endpoint: endpoint, Op: op, Err: err}
	}
	if err := do(n); err != nil {
		return c.fault(ctx, n, op, err)
	}
	return nil
}

// Disarm ends an alarm, through the member at endpoint; it needs a quorum. One that is not raised is no error.
func (c *Cluster) Disarm(ctx context.Context, endpoint string, alarm facts.Alarm) error {
	_, err := ask(ctx, c, endpoint, "disarm alarm through", func(ctx context.Context, n *conn) (struct{}, error) {
		kind, known := pb.AlarmType_value[alarm.Type]
		if !known || kind == int32(pb.AlarmType_NONE) { // of no type, etcd would end all
			return struct{}{}, &Error{Err: errors.New("no such alarm: " + alarm.Type)}
		}
		end := &pb.AlarmRequest{
			Action: pb.AlarmRequest_DEACTIVATE, MemberID: uint64(alarm.Member), Alarm: pb.AlarmType(kind),
		}
		_, err := pb.NewMaintenanceClient(n.client.ActiveConnection()).Alarm(clientv3.WithRequireLeader(ctx), end)
		return struct{}{}, err
	})
	return err
}
