package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/pool"
)

// auth is what a world has of users and roles.
func (o *world) auth() facts.Auth {
	if o.seen.Auth == nil {
		return facts.Auth{Listed: true}
	}
	return *o.seen.Auth
}

func (o *world) AuthState(ctx context.Context, endpoint string, _ bool) (facts.AuthState, error) {
	if err := o.ReadLinearizable(ctx, endpoint); err != nil {
		return facts.AuthState{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.auth().AuthState, nil
}

func (o *world) RolesOf(ctx context.Context, endpoint, user string) ([]string, error) {
	if err := o.ReadLinearizable(ctx, endpoint); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, u := range o.auth().Users {
		if u.Name == user {
			return u.Roles, nil
		}
	}
	return nil, nil
}

func (o *world) PutRole(ctx context.Context, endpoint string, role facts.Role, revoke []facts.Permission) error {
	return o.answers(ctx, plan.Step{
		Kind: plan.PutRole, Host: o.hostsOf[endpoint],
		Role: &plan.RoleChange{Name: role.Name, Grant: role.Permissions, Revoke: revoke},
	})
}

func (o *world) PutUser(ctx context.Context, endpoint string, user facts.User, revoke []string, password bool) error {
	return o.answers(ctx, plan.Step{
		Kind: plan.PutUser, Host: o.hostsOf[endpoint],
		User: &plan.UserChange{Name: user.Name, Grant: user.Roles, Revoke: revoke, Password: password},
	})
}

func (o *world) SetPassword(ctx context.Context, endpoint string, user facts.User) error {
	return o.answers(ctx, plan.Step{
		Kind: plan.SetPassword, Host: o.hostsOf[endpoint], User: &plan.UserChange{Name: user.Name, Password: true},
	})
}

func (o *world) DropRole(ctx context.Context, endpoint, name string) error {
	return o.answers(ctx, plan.Step{
		Kind: plan.DropRole, Host: o.hostsOf[endpoint], Role: &plan.RoleChange{Name: name},
	})
}

func (o *world) DropUser(ctx context.Context, endpoint, name string) error {
	return o.answers(ctx, plan.Step{
		Kind: plan.DropUser, Host: o.hostsOf[endpoint], User: &plan.UserChange{Name: name},
	})
}

func (o *world) Pool(ctx context.Context, endpoint, balancer string) (pool.Wanted, error) {
	if err := o.ReadLinearizable(ctx, endpoint); err != nil {
		return pool.Wanted{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen.Pools[balancer], nil
}

func (o *world) ChangePool(ctx context.Context, endpoint string, change pool.Change) (bool, error) {
	seen, err := o.Pool(ctx, endpoint, change.Balancer)
	if err != nil || seen.GenerationRevision != change.Generation {
		return false, err
	}
	err = o.answers(ctx, plan.Step{Kind: plan.PutServers, Host: o.hostsOf[endpoint], Pool: &change})
	return err == nil, err
}

func (o *world) EnableAuth(ctx context.Context, endpoint string) error {
	if err := o.elects(plan.EnableAuth); err != nil {
		return err
	}
	return o.answers(ctx, plan.Step{Kind: plan.EnableAuth, Host: o.hostsOf[endpoint]})
}

func (o *world) DisableAuth(ctx context.Context, endpoint string) error {
	if err := o.elects(plan.DisableAuth); err != nil {
		return err
	}
	return o.answers(ctx, plan.Step{Kind: plan.DisableAuth, Host: o.hostsOf[endpoint]})
}

// permitted is a cluster that is to get users and roles, and to lose others.
func permitted(t *testing.T, n int) *world {
	t.Helper()
	o := newWorld(t, wanted(t, n))
	o.want.Accept = []plan.Risk{plan.DropGrants, plan.Downtime}
	if _, err := o.run("zeroth").Converge(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.seen.Auth = &facts.Auth{
		Listed: true, Users: []facts.User{{Name: "old", Roles: []string{"old"}}}, Roles: []facts.Role{{Name: "old"}},
	}
	const block = `{"Enabled":true,"Users":[{"Name":"app","Roles":["app"]}],
		"Roles":[{"Name":"app","Permissions":[{"Key":"/app/","End":"/app0","Read":true}]}]}`
	if err := json.Unmarshal([]byte(block), &o.want.Cluster.Auth); err != nil {
		t.Fatal(err)
	}
	return o
}

func init() { scenes["permissions"] = permitted }

// An election while permissions are switched on or off ends nothing.
func TestPermissionsElection(t *testing.T) {
	inBubble(t, "election", func(t *testing.T) {
		o := permitted(t, 3)
		o.electing = map[plan.Kind]int{plan.EnableAuth: 3, plan.DisableAuth: 3}
		if _, err := o.run("first").Converge(t.Context()); err != nil || !o.seen.Auth.Enabled {
			t.Fatalf("on: %v, %v", o.seen.Auth.Enabled, err)
		}
		o.want.Cluster.Auth.Enabled, o.want.Accept = false, []plan.Risk{plan.NoAuth}
		if _, err := o.run("second").Converge(t.Context()); err != nil || o.seen.Auth.Enabled {
			t.Fatalf("off: %v, %v", !o.seen.Auth.Enabled, err)
		}
		if o.electing[plan.EnableAuth] != 0 || o.electing[plan.DisableAuth] != 0 {
			t.Errorf("left: %v", o.electing)
		}
	})
}

// elects fails some calls, as members do that have no leader.
func (o *world) elects(kind plan.Kind) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.electing[kind] == 0 {
		return nil
	}
	o.electing[kind]--
	return errors.New("etcdserver: no leader")
}

// Root comes first, roles before their users, and permissions are switched on last.
func TestPermissions(t *testing.T) {
	inBubble(t, "on", func(t *testing.T) {
		o := permitted(t, 3)
		r, done := followed(o, "first")
		if _, err := r.Converge(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"put-user/root/etcd-1", "put-role/app/etcd-1", "put-user/app/etcd-1", "drop-user/old/etcd-1",
			"drop-role/old/etcd-1", "enable-auth/etcd-1",
		}
		if got := done(); !slices.Equal(got, want) || !o.seen.Auth.Enabled {
			t.Errorf("steps %q, want %q; on: %v", got, want, o.seen.Auth.Enabled)
		}
		settled(t, o, "second")
		o.want.Cluster.Auth.Enabled, o.want.Accept = false, []plan.Risk{plan.NoAuth}
		r, done = followed(o, "third")
		if _, err := r.Converge(t.Context()); err != nil || o.seen.Auth.Enabled {
			t.Errorf("%q, %v", done(), err)
		}
		settled(t, o, "fourth")
	})
}

// heedful is a world in which a member says something else of permissions than the others.
type heedful struct {
	*world
	odd   string // the member
	roles []string
	state *facts.AuthState // nil: as the others
	err   error
}

func (h heedful) RolesOf(ctx context.Context, endpoint, user string) ([]string, error) {
	if h.hostsOf[endpoint] == h.odd {
		return h.roles, h.err
	}
	return h.world.RolesOf(ctx, endpoint, user)
}

func (h heedful) AuthState(ctx context.Context, endpoint string, expected bool) (facts.AuthState, error) {
	if h.state != nil && h.hostsOf[endpoint] == h.odd {
		return *h.state, nil
	}
	return h.world.AuthState(ctx, endpoint, expected)
}

// Permissions are switched on only if root has its role as every member has it, and each is asked afterwards.
func TestPermissionsProven(t *testing.T) {
	for name, test := range map[string]struct {
		odd  heedful
		on   bool
		says string
	}{
		"no root":          {heedful{}, false, "etcd-3: permission denied: the user root has not the role root"},
		"root has no role": {heedful{roles: []string{"app"}}, false, "etcd-3: permission denied: the user root has not the role root"},
		"no answer":        {heedful{err: errors.New("no answer")}, false, "etcd-3: not every member has root within"},
		"denied afterwards": {
			heedful{roles: []string{"root"}, state: &facts.AuthState{Enabled: true, Denied: true}},
			true,
			"etcd-3: permission denied: permissions are on, and it does not take clusterup's certificate",
		},
		"off afterwards": {
			heedful{roles: []string{"root"}, state: &facts.AuthState{}},
			true,
			"etcd-3: not every member knows root within",
		},
	} {
		inBubble(t, name, func(t *testing.T) {
			o := permitted(t, 3)
			r := o.run("first")
			test.odd.world, test.odd.odd = o, "etcd-3"
			r.Etcd = test.odd
			_, err := r.Converge(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v, want %q", err, test.says)
			}
			if o.seen.Auth.Enabled != test.on {
				t.Errorf("on: %v, want %v", o.seen.Auth.Enabled, test.on)
			}
		})
	}
}

// An election in the middle of a change of a role is waited for; what etcd refuses is told after a few seconds.
func TestPermissionsPatience(t *testing.T) {
	for name, failures := range map[string]int{"an election": 3, "a refusal": 1000} {
		inBubble(t, name, func(t *testing.T) {
			o := permitted(t, 3)
			n := 0
			o.refuses = map[plan.Kind]func() error{plan.PutRole: func() error {
				if n++; n <= failures {
					return fmt.Errorf("leader changed")
				}
				return nil
			}}
			_, err := o.run("first").Converge(t.Context())
			if (err == nil) != (failures < 1000) {
				t.Errorf("after %d failures: %v", n, err)
			}
		})
	}
}

// forgetful fails in the middle of giving a user its first password: the user is gone then.
type forgetful struct {
	*world
	given []facts.User
}

func (f *forgetful) SetPassword(_ context.Context, _ string, user facts.User) error {
	if f.given = append(f.given, user); len(f.given) > 1 {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen.Auth.Users = nil
	return errors.New("leader changed")
}

// A password that takes another try costs its user no role.
func TestPasswordKeepsRoles(t *testing.T) {
	inBubble(t, "election", func(t *testing.T) {
		o := permitted(t, 3)
		r, f := o.run("first"), &forgetful{world: o}
		r.Etcd = f
		step := plan.Step{Kind: plan.SetPassword, Host: "etcd-1", User: &plan.UserChange{Name: "old", Password: true}}
		if err := r.changeAuth(t.Context(), step); err != nil {
			t.Fatal(err)
		}
		if len(f.given) != 2 || f.given[1].Name != "old" || !slices.Equal(f.given[1].Roles, []string{"old"}) {
			t.Errorf("it was set for %+v", f.given)
		}
	})
}

// slow is a world in which one member hears later than the others that permissions are off, or serves no read for a
// while.
type slow struct {
	*world
	asked, left int
}

func (s *slow) AuthState(ctx context.Context, endpoint string, expected bool) (facts.AuthState, error) {
	is, err := s.world.AuthState(ctx, endpoint, expected)
	if s.hostsOf[endpoint] != "etcd-3" {
		return is, err
	}
	if s.asked++; s.asked <= s.left {
		is.Enabled = true
	}
	return is, err
}

func (s *slow) ReadLinearizable(ctx context.Context, endpoint string) error {
	if s.hostsOf[endpoint] == "etcd-3" {
		if s.asked++; s.asked <= s.left {
			return errors.New("no leader")
		}
	}
	return s.world.ReadLinearizable(ctx, endpoint)
}

// Every member was seen to have heard of the change, and to serve, before it is called done.
func TestPermissionsHeard(t *testing.T) {
	for name, kind := range map[string]plan.Kind{"on": plan.EnableAuth, "off": plan.DisableAuth} {
		inBubble(t, name, func(t *testing.T) {
			o := permitted(t, 3)
			o.seen.Auth.Users = []facts.User{{Name: "root", Roles: []string{"root"}}}
			o.seen.Auth.Enabled = kind == plan.DisableAuth
			r, etcd := o.run("first"), &slow{world: o, left: 5}
			r.Etcd = etcd
			do := r.enableAuth
			if kind == plan.DisableAuth {
				do = r.disableAuth
			}
			step := plan.Step{
				Kind: kind, Host: "etcd-1", Needs: &plan.Needs{Least: 3, Serve: []string{"etcd-1", "etcd-2", "etcd-3"}},
			}
			if err := do(t.Context(), step); err != nil || etcd.asked <= etcd.left {
				t.Errorf("%v, after %d answers of etcd-3", err, etcd.asked)
			}
		})
	}
}
