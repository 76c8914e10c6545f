package quorum

import (
	"context"
	"errors"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/clusterup/clusterup/facts"
)

// Login says whether a user can log in with a password at the member at endpoint; the token that it gets is forgotten.
// It needs a quorum, changes nothing, and keeps a core of the member busy for a moment: etcd hashes with bcrypt. It is
// an error while permissions are off.
func (c *Cluster) Login(ctx context.Context, endpoint, user, password string) (bool, error) {
	return ask(ctx, c, endpoint, "log in at", func(ctx context.Context, n *conn) (bool, error) {
		_, err := n.auth().Authenticate(clientv3.WithRequireLeader(ctx),
			&pb.AuthenticateRequest{Name: user, Password: password}, boundedAnswer)
		if refusesLogin(err) {
			return false, nil
		}
		return err == nil, err
	})
}

// refusesLogin says that etcd has answered, and lets nobody in. For a user without a password it has an answer of no
// code (server/auth/store.go, ErrNoPasswordUser; server/etcdserver/api/v3rpc/util.go, togRPCError).
func refusesLogin(err error) bool {
	if errors.Is(rpctypes.Error(err), rpctypes.ErrAuthFailed) {
		return true
	}
	answer, ok := status.FromError(err)
	return err != nil && ok && answer.Code() == codes.Unknown
}

// SetPassword gives a user a password. Etcd gives one that was made without a password none later, and says nothing of
// it (server/auth/store.go, UserChangePassword): such a user is deleted, and made anew with the roles of user, which
// are those that it had. While permissions are off, nobody can see which of the two it is, and each is made anew.
// After an error the user may be gone, or lack roles: the same call again mends that, and only one with the same roles.
func (c *Cluster) SetPassword(ctx context.Context, endpoint string, user facts.User, password string) error {
	const op = "set password through"
	works, err := c.Login(ctx, endpoint, user.Name, password)
	switch {
	case works: // a try before may have ended between its password and its roles
		return c.PutUser(ctx, endpoint, user, nil, password)
	case errors.Is(rpcError(err), rpctypes.ErrAuthNotEnabled):
		return c.remake(ctx, endpoint, user, password)
	case err != nil:
		return err
	}
	err = c.changeAuth(ctx, endpoint, op, rpctypes.ErrUserNotFound, func(ctx context.Context, a pb.AuthClient) error {
		_, err := a.UserChangePassword(ctx, &pb.AuthUserChangePasswordRequest{Name: user.Name, Password: password})
		return err
	})
	if err != nil {
		return err
	}
	if works, err = c.Login(ctx, endpoint, user.Name, password); works || err != nil {
		return err
	}
	if err := c.remake(ctx, endpoint, user, password); err != nil {
		return err
	}
	if works, err = c.Login(ctx, endpoint, user.Name, password); err == nil && !works {
		err = &Error{Endpoint: endpoint, Op: op, Kind: facts.ErrPermission, Err: rpctypes.ErrAuthFailed}
	}
	return err
}

// remake deletes a user, if there is one of the name, and makes it anew with a password and its roles.
func (c *Cluster) remake(ctx context.Context, endpoint string, user facts.User, password string) error {
	if err := c.DropUser(ctx, endpoint, user.Name); err != nil {
		return err
	}
	return c.PutUser(ctx, endpoint, user, nil, password)
}
