package quorum

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"go.etcd.io/etcd/api/v3/authpb"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/clusterup/clusterup/facts"
)

const (
	// atOnce is how many questions for users and roles are under way side by side.
	atOnce = 16
	// maxAuthAnswer and maxAuth bound, in bytes, what is told of one user or role, and of all; maxAuthNames how many.
	maxAuthAnswer = 4 << 20
	maxAuth       = 64 << 20
	maxAuthNames  = 10_000
)

// auth speaks of users, roles and permissions with one member, which answers no more than maxAuthAnswer at once.
func (n *conn) auth() pb.AuthClient { return pb.NewAuthClient(n.client.ActiveConnection()) }

var boundedAnswer = grpc.MaxCallRecvMsgSize(maxAuthAnswer)

// AuthState asks the member at endpoint whether permissions are on, and whether they let clusterup administer etcd. It
// needs a quorum.
//
// Etcd sends even the question for that through raft's log, onto every member's disk (server/etcdserver/v3_server.go,
// AuthStatus). So somebody without a name tries to log in first, unless they are expected to be on: where they are off,
// etcd says so after a linearizable read, and notes nothing anywhere. Where they are on, etcd tells this to root alone,
// and from 3.7 on to every user; every user may ask for its own roles.
func (c *Cluster) AuthState(ctx context.Context, endpoint string, expected bool) (facts.AuthState, error) {
	if !expected {
		_, err := ask(ctx, c, endpoint, "ask for permissions at", func(ctx context.Context, n *conn) (any, error) {
			return n.auth().Authenticate(ctx, &pb.AuthenticateRequest{}, boundedAnswer)
		})
		switch {
		case errors.Is(rpcError(err), rpctypes.ErrAuthNotEnabled):
			return facts.AuthState{}, nil
		case err != nil && !errors.Is(err, facts.ErrPermission):
			return facts.AuthState{}, err
		}
	}
	told, err := ask(ctx, c, endpoint, "ask for permissions at",
		func(ctx context.Context, n *conn) (*pb.AuthStatusResponse, error) {
			return n.auth().AuthStatus(clientv3.WithRequireLeader(ctx), &pb.AuthStatusRequest{}, boundedAnswer)
		})
	switch {
	case errors.Is(err, facts.ErrPermission), errors.Is(rpcError(err), rpctypes.ErrUserNotFound): // who asks is no user
		return facts.AuthState{Enabled: true, Denied: true}, nil
	case err != nil:
		return facts.AuthState{}, err
	case !told.Enabled:
		return facts.AuthState{Revision: told.AuthRevision}, nil
	}
	roles, err := c.RolesOf(ctx, endpoint, "root")
	if err != nil && !errors.Is(err, facts.ErrPermission) {
		return facts.AuthState{}, err
	}
	return facts.AuthState{
		Enabled: true, Revision: told.AuthRevision, Denied: err != nil || !slices.Contains(roles, "root"),
	}, nil
}

// rpcError is what etcd itself has said; nil: nothing.
func rpcError(err error) error {
	var fault *Error
	if !errors.As(err, &fault) {
		return nil
	}
	return rpctypes.Error(fault.Err)
}

// Auth asks the member at endpoint for all users and roles, several at once, each within the timeout. It needs a
// quorum, and the role root where permissions are on; each question goes through raft's log. One that goes meanwhile is
// left out. It is an error if a member tells more than clusterup takes: ten thousand names, and 64 MiB.
func (c *Cluster) Auth(ctx context.Context, endpoint string) ([]facts.User, []facts.Role, error) {
	const op = "list users and roles through"
	names, err := ask(ctx, c, endpoint, op, func(ctx context.Context, n *conn) ([2][]string, error) {
		users, err := n.auth().UserList(ctx, &pb.AuthUserListRequest{}, boundedAnswer)
		if err != nil {
			return [2][]string{}, tooLarge(err)
		}
		roles, err := n.auth().RoleList(ctx, &pb.AuthRoleListRequest{}, boundedAnswer)
		if err != nil {
			return [2][]string{}, tooLarge(err)
		}
		if len(users.Users)+len(roles.Roles) > maxAuthNames {
			return [2][]string{}, &Error{Kind: facts.ErrTooMuch, Err: fmt.Errorf(
				"it names %d, and clusterup takes %d at the most", len(users.Users)+len(roles.Roles), maxAuthNames)}
		}
		return [2][]string{users.Users, roles.Roles}, nil
	})
	if err != nil {
		return nil, nil, err
	}
	var told atomic.Int64
	users, err := each(names[0], func(name string) (*facts.User, error) {
		return ask(ctx, c, endpoint, op, func(ctx context.Context, n *conn) (*facts.User, error) {
			r, err := n.auth().UserGet(ctx, &pb.AuthUserGetRequest{Name: name}, boundedAnswer)
			if errors.Is(rpctypes.Error(err), rpctypes.ErrUserNotFound) {
				return nil, nil
			}
			if err != nil {
				return nil, tooLarge(err)
			}
			return &facts.User{Name: name, Roles: unique(r.Roles)}, c.within(&told, r)
		})
	})
	if err != nil {
		return nil, nil, err
	}
	roles, err := each(names[1], func(name string) (*facts.Role, error) {
		return ask(ctx, c, endpoint, op, func(ctx context.Context, n *conn) (*facts.Role, error) {
			r, err := n.auth().RoleGet(ctx, &pb.AuthRoleGetRequest{Role: name}, boundedAnswer)
			if errors.Is(rpctypes.Error(err), rpctypes.ErrRoleNotFound) {
				return nil, nil
			}
			if err != nil {
				return nil, tooLarge(err)
			}
			return &facts.Role{Name: name, Permissions: permissions(r.Perm)}, c.within(&told, r)
		})
	})
	return users, roles, err
}

// tooLarge marks the error of an answer that is larger than boundedAnswer lets in. etcd's own answers have the same
// code, with words of etcd.
func tooLarge(err error) error {
	if _, answered := kindOfAnswer(err); !answered && status.Code(err) == codes.ResourceExhausted {
		return &Error{Kind: facts.ErrTooMuch, Err: err}
	}
	return err
}

// within counts what was told, and is an error once that is too much.
func (c *Cluster) within(told *atomic.Int64, answer proto.Message) error {
	if told.Add(int64(proto.Size(answer))) > c.maxAuth {
		return &Error{Kind: facts.ErrTooMuch, Err: fmt.Errorf("it tells more than %d MiB", c.maxAuth>>20)}
	}
	return nil
}

// each asks for things by name, some at once, and returns those that there are, in the order of their names. After the
// first error nothing more is asked.
func each[T any](names []string, get func(string) (*T, error)) ([]T, error) {
	names = unique(names)
	found, errs := make([]*T, len(names)), make([]error, len(names))
	var wg sync.WaitGroup
	var failed atomic.Bool
	room := make(chan struct{}, atOnce)
	for i, name := range names {
		room <- struct{}{}
		if failed.Load() {
			break
		}
		wg.Go(func() {
			if found[i], errs[i] = get(name); errs[i] != nil {
				failed.Store(true)
			}
			<-room
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, errs[slices.IndexFunc(errs, func(err error) bool { return err != nil })]
	}
	var all []T
	for _, one := range found {
		if one != nil {
			all = append(all, *one)
		}
	}
	return all, nil
}

// unique is a sorted copy of names, each once.
func unique(names []string) []string { return slices.Compact(slices.Sorted(slices.Values(names))) }

// permissions are those of a role, in facts' words. A kind that nobody knows allows nothing.
func permissions(all []*authpb.Permission) []facts.Permission {
	var found []facts.Permission
	for _, p := range all {
		is := facts.Permission{Key: string(p.GetKey()), End: string(p.GetRangeEnd())}
		is.Read = p.GetPermType() == authpb.READ || p.GetPermType() == authpb.READWRITE
		is.Write = p.GetPermType() == authpb.WRITE || p.GetPermType() == authpb.READWRITE
		found = append(found, is)
	}
	slices.SortStableFunc(found, func(a, b facts.Permission) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.End, b.End))
	})
	return slices.CompactFunc(found, facts.Permission.SameKeys)
}
