package quorum

import (
	"context"
	"errors"

	"go.etcd.io/etcd/api/v3/authpb"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/clusterup/clusterup/facts"
)

// All changes of users and roles go through the member at endpoint, and need a quorum; where permissions are on, they
// need the role root. Each of them may be repeated: what is so already is no error. One that consists of several may be
// found half done after an error. Each change has etcd refuse what others have under way at that moment with
// "revision of auth store is old".

// PutRole makes a role where there is none of the name, allows it the permissions of role, and then takes others away.
// A permission for keys that the role has already takes the place of that one.
func (c *Cluster) PutRole(ctx context.Context, endpoint string, role facts.Role, revoke []facts.Permission) error {
	const op = "change role through"
	do := func(allowed error, call func(context.Context, pb.AuthClient) error) error {
		return c.changeAuth(ctx, endpoint, op, allowed, call)
	}
	err := do(rpctypes.ErrRoleAlreadyExist, func(ctx context.Context, a pb.AuthClient) error {
		_, err := a.RoleAdd(ctx, &pb.AuthRoleAddRequest{Name: role.Name})
		return err
	})
	for _, p := range role.Permissions {
		if err != nil {
			return err
		}
		err = do(nil, func(ctx context.Context, a pb.AuthClient) error {
			_, err := a.RoleGrantPermission(ctx, &pb.AuthRoleGrantPermissionRequest{Name: role.Name, Perm: permission(p)})
			return err
		})
	}
	for _, p := range revoke {
		if err != nil {
			return err
		}
		err = do(rpctypes.ErrPermissionNotGranted, func(ctx context.Context, a pb.AuthClient) error {
			_, err := a.RoleRevokePermission(ctx, &pb.AuthRoleRevokePermissionRequest{
				Role: role.Name, Key: []byte(p.Key), RangeEnd: []byte(p.End),
			})
			return err
		})
	}
	return err
}

// permission is one in etcd's words.
func permission(p facts.Permission) *authpb.Permission {
	kind := authpb.READ
	switch {
	case p.Read && p.Write:
		kind = authpb.READWRITE
	case p.Write:
		kind = authpb.WRITE
	}
	return &authpb.Permission{PermType: kind, Key: []byte(p.Key), RangeEnd: []byte(p.End)}
}

// DropRole deletes a role, and takes it from all users.
func (c *Cluster) DropRole(ctx context.Context, endpoint, name string) error {
	return c.changeAuth(ctx, endpoint, "delete role through", rpctypes.ErrRoleNotFound,
		func(ctx context.Context, a pb.AuthClient) error {
			_, err := a.RoleDelete(ctx, &pb.AuthRoleDeleteRequest{Role: name})
			return err
		})
}

// PutUser makes a user where there is none of the name, with a password unless that is empty, gives it the roles of
// user, and then takes others away.
func (c *Cluster) PutUser(ctx context.Context, endpoint string, user facts.User, revoke []string,
	password string,
) error {
	const op = "change user through"
	do := func(allowed error, call func(context.Context, pb.AuthClient) error) error {
		return c.changeAuth(ctx, endpoint, op, allowed, call)
	}
	err := do(rpctypes.ErrUserAlreadyExist, func(ctx context.Context, a pb.AuthClient) error {
		_, err := a.UserAdd(ctx, &pb.AuthUserAddRequest{
			Name: user.Name, Password: password, Options: &authpb.UserAddOptions{NoPassword: password == ""},
		})
		return err
	})
	for _, role := range user.Roles {
		if err != nil {
			return err
		}
		err = do(nil, func(ctx context.Context, a pb.AuthClient) error {
			_, err := a.UserGrantRole(ctx, &pb.AuthUserGrantRoleRequest{User: user.Name, Role: role})
			return err
		})
	}
	for _, role := range revoke {
		if err != nil {
			return err
		}
		err = do(rpctypes.ErrRoleNotGranted, func(ctx context.Context, a pb.AuthClient) error {
			_, err := a.UserRevokeRole(ctx, &pb.AuthUserRevokeRoleRequest{Name: user.Name, Role: role})
			return err
		})
	}
	return err
}

// DropUser deletes a user.
func (c *Cluster) DropUser(ctx context.Context, endpoint, name string) error {
	return c.changeAuth(ctx, endpoint, "delete user through", rpctypes.ErrUserNotFound,
		func(ctx context.Context, a pb.AuthClient) error {
			_, err := a.UserDelete(ctx, &pb.AuthUserDeleteRequest{Name: name})
			return err
		})
}

// RolesOf are the roles of a user, sorted, as the member at endpoint has them; nil where there is none of the name.
func (c *Cluster) RolesOf(ctx context.Context, endpoint, name string) ([]string, error) {
	return ask(ctx, c, endpoint, "ask for a user at", func(ctx context.Context, n *conn) ([]string, error) {
		r, err := n.auth().UserGet(clientv3.WithRequireLeader(ctx), &pb.AuthUserGetRequest{Name: name}, boundedAnswer)
		if errors.Is(rpctypes.Error(err), rpctypes.ErrUserNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return unique(r.Roles), nil
	})
}

// EnableAuth switches permissions on. Etcd refuses it while there is no user root with the role root.
func (c *Cluster) EnableAuth(ctx context.Context, endpoint string) error {
	return c.changeAuth(ctx, endpoint, "switch permissions on through", nil,
		func(ctx context.Context, a pb.AuthClient) error {
			_, err := a.AuthEnable(ctx, &pb.AuthEnableRequest{})
			return err
		})
}

// DisableAuth switches permissions off. Users and roles stay as they are.
func (c *Cluster) DisableAuth(ctx context.Context, endpoint string) error {
	return c.changeAuth(ctx, endpoint, "switch permissions off through", nil,
		func(ctx context.Context, a pb.AuthClient) error {
			_, err := a.AuthDisable(ctx, &pb.AuthDisableRequest{})
			return err
		})
}

// changeAuth makes one change; an answer that is allowed says that it was made before.
func (c *Cluster) changeAuth(ctx context.Context, endpoint, op string, allowed error,
	call func(context.Context, pb.AuthClient) error,
) error {
	_, err := ask(ctx, c, endpoint, op, func(ctx context.Context, n *conn) (struct{}, error) {
		err := call(clientv3.WithRequireLeader(ctx), n.auth())
		if allowed != nil && errors.Is(rpctypes.Error(err), allowed) {
			err = nil
		}
		return struct{}{}, err
	})
	return err
}
