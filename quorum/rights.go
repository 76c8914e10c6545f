package quorum

import (
	"context"
	"errors"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/clusterup/clusterup/facts"
)

// Rights asks the member at endpoint whether etcd's permissions are on, and whether the client certificate may read all
// the same. It needs a quorum. Nothing is written: etcd sends even AuthStatus through raft's log
// (server/etcdserver/v3_server.go), so this reads a key, which etcd refuses after the agreement; and only where it may
// be read, somebody without a name tries to log in, which etcd answers by saying whether there is anything to log in
// to.
func (c *Cluster) Rights(ctx context.Context, endpoint string) (facts.Rights, error) {
	return ask(ctx, c, endpoint, "ask for permissions at", func(ctx context.Context, n *conn) (facts.Rights, error) {
		_, err := n.client.Get(clientv3.WithRequireLeader(ctx), "health", clientv3.WithCountOnly())
		if errors.Is(err, rpctypes.ErrPermissionDenied) || errors.Is(err, rpctypes.ErrUserEmpty) ||
			errors.Is(err, rpctypes.ErrAuthOldRevision) {
			return facts.Rights{Known: true, On: true}, nil
		}
		if err != nil {
			return facts.Rights{}, err
		}
		_, err = n.auth().Authenticate(ctx, &pb.AuthenticateRequest{}, boundedAnswer)
		kind, answered := kindOfAnswer(err)
		switch {
		case errors.Is(rpctypes.Error(err), rpctypes.ErrAuthNotEnabled):
			return facts.Rights{Known: true}, nil
		case answered && errors.Is(kind, facts.ErrPermission), err == nil:
			return facts.Rights{Known: true, On: true, Reads: true}, nil
		}
		return facts.Rights{}, err
	})
}

// ServerVersion asks the member at endpoint which version it runs, "3.6.16": GET /version, which etcd tells everybody
// whose certificate it accepts, whatever permissions say. It needs no quorum and writes nothing.
func (c *Cluster) ServerVersion(ctx context.Context, endpoint string) (string, error) {
	server, _, err := c.versions(ctx, endpoint, "ask version of")
	return server, err
}
