package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// changeAuth changes users and roles. What is done twice does no harm, so it is tried again for as long as an election
// may take.
func (r *Run) changeAuth(ctx context.Context, step plan.Step) error {
	endpoint := r.endpoint(step.Host)
	var had *facts.User // a try that fails in the middle leaves it without roles
	return awaitFor(ctx, settles, "no change", func(ctx context.Context) error {
		switch step.Kind {
		case plan.PutRole:
			return r.Etcd.PutRole(ctx, endpoint, facts.Role{Name: step.Role.Name, Permissions: step.Role.Grant},
				step.Role.Revoke)
		case plan.PutUser:
			return r.Etcd.PutUser(ctx, endpoint, facts.User{Name: step.User.Name, Roles: step.User.Grant}, step.User.Revoke,
				step.User.Password)
		case plan.SetPassword:
			if had == nil {
				roles, err := r.Etcd.RolesOf(ctx, endpoint, step.User.Name)
				if err != nil {
					return err
				}
				had = &facts.User{Name: step.User.Name, Roles: roles}
			}
			return r.Etcd.SetPassword(ctx, endpoint, *had)
		case plan.DropRole:
			return r.Etcd.DropRole(ctx, endpoint, step.Role.Name)
		}
		return r.Etcd.DropUser(ctx, endpoint, step.User.Name)
	})
}

// enableAuth switches permissions on. Right before, root must be seen to have its role through every member that votes;
// afterwards each has to show that it knows clusterup as root, and that it serves.
func (r *Run) enableAuth(ctx context.Context, step plan.Step) error {
	voters := r.voters()
	if step.Needs != nil {
		voters = step.Needs.Serve
	}
	err := r.throughEach(ctx, voters, "not every member has root", func(ctx context.Context, endpoint string) error {
		roles, err := r.Etcd.RolesOf(ctx, endpoint, "root")
		if err == nil && !slices.Contains(roles, "root") {
			err = fmt.Errorf("%w: the user root has not the role root", facts.ErrPermission)
		}
		return err
	})
	if err != nil {
		return err
	}
	// What is on already stays on, so it is tried again for as long as an election may take.
	err = awaitFor(ctx, settles, "permissions are not switched on", func(ctx context.Context) error {
		return r.Etcd.EnableAuth(ctx, r.endpoint(step.Host))
	})
	if err != nil {
		return err
	}
	return r.throughEach(ctx, voters, "not every member knows root", func(ctx context.Context, endpoint string) error {
		switch is, err := r.Etcd.AuthState(ctx, endpoint, true); {
		case err != nil:
			return err
		case is.Denied:
			return fmt.Errorf("%w: permissions are on, and it does not take clusterup's certificate for the user root",
				facts.ErrPermission)
		case !is.Enabled:
			return errors.New("permissions are off there")
		}
		return r.Etcd.ReadLinearizable(ctx, endpoint)
	})
}

// disableAuth switches permissions off, and waits until every member that votes has.
func (r *Run) disableAuth(ctx context.Context, step plan.Step) error {
	err := awaitFor(ctx, settles, "permissions are not switched off", func(ctx context.Context) error {
		return r.Etcd.DisableAuth(ctx, r.endpoint(step.Host))
	})
	if err != nil {
		return err
	}
	return r.throughEach(ctx, r.voters(), "permissions are still on", func(ctx context.Context, endpoint string) error {
		is, err := r.Etcd.AuthState(ctx, endpoint, true)
		if err == nil && is.Enabled {
			err = errors.New("permissions are on there")
		}
		return err
	})
}

// throughEach asks members side by side, each until it gives no error, for as long as one may take to become ready.
func (r *Run) throughEach(ctx context.Context, names []string, missing string,
	ask func(ctx context.Context, endpoint string) error,
) error {
	errs := sideBySide(names, func(_ int, name string) error {
		err := r.await(ctx, missing, func(ctx context.Context) error { return ask(ctx, r.endpoint(name)) })
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
		return err
	})
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
