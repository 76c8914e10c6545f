package quorum

import (
	"context"
	"errors"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
)

// PutLeased writes a key that goes by itself when its lease is not renewed for ttl, through the member at endpoint. It
// makes the lease first where lease is 0. It returns the lease to go on with, after an error too; 0 when there is none.
// It is for a program's report of itself.
func (c *Cluster) PutLeased(ctx context.Context, endpoint, key, value string, lease int64, ttl time.Duration,
) (int64, error) {
	if lease == 0 {
		made, err := ask(ctx, c, endpoint, "make a lease through",
			func(ctx context.Context, n *conn) (*clientv3.LeaseGrantResponse, error) {
				return n.client.Grant(clientv3.WithRequireLeader(ctx), int64(ttl/time.Second))
			})
		if err != nil {
			return 0, err
		}
		lease = int64(made.ID)
	}
	_, err := ask(ctx, c, endpoint, "write a report through", func(ctx context.Context, n *conn) (struct{}, error) {
		_, err := n.client.Put(clientv3.WithRequireLeader(ctx), key, value, clientv3.WithLease(clientv3.LeaseID(lease)))
		return struct{}{}, err
	})
	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		lease = 0
	}
	return lease, err
}

// Renew makes the time of a lease begin anew, through the member at endpoint. It is false when the lease has ended.
func (c *Cluster) Renew(ctx context.Context, endpoint string, lease int64) (bool, error) {
	return ask(ctx, c, endpoint, "renew a lease through", func(ctx context.Context, n *conn) (bool, error) {
		// The client's own KeepAliveOnce asks a member that is away again and again without a pause.
		ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
		defer cancel()
		s, err := pb.NewLeaseClient(n.client.ActiveConnection()).LeaseKeepAlive(ctx, grpc.WaitForReady(false))
		if err != nil {
			return false, err
		}
		if err := s.Send(&pb.LeaseKeepAliveRequest{ID: lease}); err != nil {
			_, err = s.Recv()
			return false, err
		}
		r, err := s.Recv()
		return err == nil && r.TTL > 0, err
	})
}
