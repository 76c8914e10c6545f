package quorum

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"go.etcd.io/etcd/api/v3/authpb"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// fakeAuth is what a fake has of users and roles. Whoever asks is taken for root, unless denied.
type fakeAuth struct {
	pb.UnimplementedAuthServer

	mu       sync.Mutex
	on       bool
	denied   bool
	revision uint64
	users    map[string][]string // their roles
	has      map[string]string   // passwords; who has none was made without
	roles    map[string][]*authpb.Permission
	asked    []string // by method and name
}

func (f *fakeAuth) note(format string, args ...any) {
	f.asked = append(f.asked, fmt.Sprintf(format, args...))
}

func (f *fakeAuth) refused() error {
	if f.on && f.denied {
		return rpctypes.ErrGRPCPermissionDenied
	}
	return nil
}

func (f *fakeAuth) Authenticate(_ context.Context, r *pb.AuthenticateRequest) (*pb.AuthenticateResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note("login %q", r.Name)
	_, there := f.users[r.Name]
	switch has, may := f.has[r.Name]; {
	case !f.on:
		return nil, rpctypes.ErrGRPCAuthNotEnabled
	case there && !may:
		return nil, status.Error(codes.Unknown, "auth: authentication failed, password was given for no password user")
	case !there || has != r.Password:
		return nil, rpctypes.ErrGRPCAuthFailed
	}
	return &pb.AuthenticateResponse{Token: "token"}, nil
}

// UserChangePassword does nothing for a user that was made without one, and says nothing of it.
func (f *fakeAuth) UserChangePassword(_ context.Context, r *pb.AuthUserChangePasswordRequest) (
	*pb.AuthUserChangePasswordResponse, error,
) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note("another password for %s", r.Name)
	if _, there := f.users[r.Name]; !there {
		return nil, rpctypes.ErrGRPCUserNotFound
	}
	if _, may := f.has[r.Name]; may {
		f.has[r.Name] = r.Password
	}
	return &pb.AuthUserChangePasswordResponse{}, nil
}

func (f *fakeAuth) AuthStatus(context.Context, *pb.AuthStatusRequest) (*pb.AuthStatusResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note("status")
	return &pb.AuthStatusResponse{Enabled: f.on, AuthRevision: f.revision}, f.refused()
}

func (f *fakeAuth) UserList(context.Context, *pb.AuthUserListRequest) (*pb.AuthUserListResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &pb.AuthUserListResponse{Users: slices.Collect(maps.Keys(f.users))}, f.refused()
}

func (f *fakeAuth) RoleList(context.Context, *pb.AuthRoleListRequest) (*pb.AuthRoleListResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &pb.AuthRoleListResponse{Roles: slices.Collect(maps.Keys(f.roles))}, f.refused()
}

func (f *fakeAuth) UserGet(_ context.Context, r *pb.AuthUserGetRequest) (*pb.AuthUserGetResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Name == "goes" || f.users[r.Name] == nil {
		return nil, rpctypes.ErrGRPCUserNotFound
	}
	return &pb.AuthUserGetResponse{Roles: f.users[r.Name]}, f.refused()
}

func (f *fakeAuth) RoleGet(_ context.Context, r *pb.AuthRoleGetRequest) (*pb.AuthRoleGetResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Role == "goes" {
		return nil, rpctypes.ErrGRPCRoleNotFound
	}
	return &pb.AuthRoleGetResponse{Perm: f.roles[r.Role]}, f.refused()
}

func (f *fakeAuth) RoleAdd(_ context.Context, r *pb.AuthRoleAddRequest) (*pb.AuthRoleAddResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note("add role %s", r.Name)
	if _, there := f.roles[r.Name]; there {
		return nil, rpctypes.ErrGRPCRoleAlreadyExist
	}
	return &pb.AuthRoleAddResponse{}, nil
}

func (f *fakeAuth) RoleGrantPermission(_ context.Context, r *pb.AuthRoleGrantPermissionRequest) (
	*pb.AuthRoleGrantPermissionResponse, error,
) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note("%s may %s %q %q", r.Name, r.Perm.PermType, r.Perm.Key, r.Perm.RangeEnd)
	return &pb.AuthRoleGrantPermissionResponse{}, nil
}

func (f *fakeAuth) RoleRevokePermission(_ context.Context, r *pb.AuthRoleRevokePermissionRequest) (
	*pb.AuthRoleRevokePermissionResponse, error,
) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note("%s may not %q %q", r.Role, r.Key, r.RangeEnd)
	return nil, rpctypes.ErrGRPCPermissionNotGranted
}

func (f *fakeAuth) RoleDelete(_ context.Context, r *pb.AuthRoleDeleteRequest) (*pb.AuthRoleDeleteResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note("delete role %s", r.Role)
	return nil, rpctypes.ErrGRPCRoleNotFound
}

func (f *fakeAuth) UserAdd(_ context.Context, r *pb.AuthUserAddRequest) (*pb.AuthUserAddResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note("add user %s, without a password %t", r.Name, r.Options.GetNoPassword())
	if _, there := f.users[r.Name]; there {
		return nil, rpctypes.ErrGRPCUserAlreadyExist
	}
	f.users[r.Name] = []string{}
	if !r.Options.GetNoPassword() {
		f.has[r.Name] = r.Password
	}
	return &pb.AuthUserAddResponse{}, nil
}

func (f *fakeAuth) UserGrantRole(_ context.Context, r *pb.AuthUserGrantRoleRequest) (
	*pb.AuthUserGrantRoleResponse, error,
) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note("%s is %s", r.User, r.Role)
	if r.Role == "none" {
		return nil, rpctypes.ErrGRPCRoleNotFound
	}
	f.users[r.User] = append(f.users[r.User], r.Role)
	return &pb.AuthUserGrantRoleResponse{}, nil
}

func (f *fakeAuth) UserRevokeRole(_ context.Context, r *pb.AuthUserRevokeRoleRequest) (
	*pb.AuthUserRevokeRoleResponse, error,
) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note("%s is not %s", r.Name, r.Role)
	return nil, rpctypes.ErrGRPCRoleNotGranted
}

func (f *fakeAuth) UserDelete(_ context.Context, r *pb.AuthUserDeleteRequest) (*pb.AuthUserDeleteResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note("delete user %s", r.Name)
	if _, there := f.users[r.Name]; !there {
		return nil, rpctypes.ErrGRPCUserNotFound
	}
	delete(f.users, r.Name)
	delete(f.has, r.Name)
	return &pb.AuthUserDeleteResponse{}, nil
}

func (f *fakeAuth) AuthEnable(context.Context, *pb.AuthEnableRequest) (*pb.AuthEnableResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.note("on"); f.users["root"] == nil {
		return nil, rpctypes.ErrGRPCRootUserNotExist
	}
	f.on = true
	return &pb.AuthEnableResponse{}, nil
}

func (f *fakeAuth) AuthDisable(context.Context, *pb.AuthDisableRequest) (*pb.AuthDisableResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note("off")
	f.on = false
	return &pb.AuthDisableResponse{}, nil
}
