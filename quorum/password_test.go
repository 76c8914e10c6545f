package quorum

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/clusterup/clusterup/facts"
)

// TestRealPasswords logs in at a real member, and gives passwords to users that have none, another one, or that one.
func TestRealPasswords(t *testing.T) {
	binary := os.Getenv("CLUSTERUP_ETCD")
	if binary == "" {
		t.Skip("CLUSTERUP_ETCD names no etcd binary; the acceptance tests cover real members too")
	}
	ca := newAuthority(t)
	members, _ := startEtcd(t, binary, ca, 1)
	c, at, ctx := ca.as(t, "root"), members[0].endpoint, t.Context()
	waitFor(t, "a read", func() bool { return c.ReadLinearizable(ctx, at) == nil })
	const secret, other = "s3cret-of-app", "0ther-of-app"
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tells := func(err error) {
		t.Helper()
		if err != nil && (strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), other)) {
			t.Errorf("it tells the password: %v", err)
		}
	}
	login := func(user, password string, want bool) {
		t.Helper()
		works, err := c.Login(ctx, at, user, password)
		if tells(err); err != nil || works != want {
			t.Errorf("login of %s: %t, %v", user, works, err)
		}
	}
	keeps := func(user string, want ...string) {
		t.Helper()
		if roles, err := c.RolesOf(ctx, at, user); err != nil || !slices.Equal(roles, want) {
			t.Errorf("%s has the roles %q, %v", user, roles, err)
		}
	}
	app := facts.User{Name: "app", Roles: []string{"a", "b"}}
	must(c.PutUser(ctx, at, facts.User{Name: "root", Roles: []string{"root"}}, nil, ""))
	must(c.PutRole(ctx, at, facts.Role{Name: "a"}, nil))
	must(c.PutRole(ctx, at, facts.Role{Name: "b"}, nil))
	must(c.PutUser(ctx, at, app, nil, ""))
	off := facts.User{Name: "off", Roles: []string{"b"}}
	must(c.PutUser(ctx, at, off, nil, ""))

	works, err := c.Login(ctx, at, "off", secret)
	if tells(err); works || !errors.Is(rpcError(err), rpctypes.ErrAuthNotEnabled) {
		t.Errorf("while permissions are off: %t, %v", works, err)
	}
	must(c.SetPassword(ctx, at, off, secret))
	must(c.EnableAuth(ctx, at))
	login("off", secret, true)
	keeps("off", "b")

	login("nobody", secret, false)
	login("app", secret, false) // it has none
	login("app", "", false)
	must(c.SetPassword(ctx, at, app, secret)) // made anew
	login("app", secret, true)
	login("app", other, false)
	keeps("app", "a", "b")
	must(c.SetPassword(ctx, at, app, other)) // changed
	login("app", secret, false)
	login("app", other, true)
	keeps("app", "a", "b")
	was, err := c.AuthState(ctx, at, true)
	must(err)
	must(c.SetPassword(ctx, at, app, other)) // so already
	if is, err := c.AuthState(ctx, at, true); err != nil || is != was {
		t.Errorf("what was so already changes %+v to %+v, %v", was, is, err)
	}

	plain := ca.as(t, "app")
	if err := plain.SetPassword(ctx, at, app, secret); !errors.Is(err, facts.ErrPermission) {
		t.Errorf("app sets its password itself: %v", err)
	} else {
		tells(err)
	}
	login("app", other, true)
	for _, set := range []func(context.Context) error{
		func(ctx context.Context) error { _, err := c.Login(ctx, at, "app", other); return err },
		func(ctx context.Context) error { return c.SetPassword(ctx, at, app, secret) },
	} {
		gone, cancel := context.WithCancel(ctx)
		cancel()
		if err := set(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("given up: %v", err)
		} else {
			tells(err)
		}
	}
	login("app", other, true)
	members[0].stop()
	works, err = c.Login(ctx, at, "app", other)
	if tells(err); works || !errors.Is(err, errUnreachable) {
		t.Errorf("at a member that is down: %t, %v", works, err)
	}
	if err := c.SetPassword(ctx, at, app, secret); !errors.Is(err, errUnreachable) {
		t.Errorf("at a member that is down: %v", err)
	} else {
		tells(err)
	}
}

// A login that is under way ends with its context, and nobody takes that for a refusal.
func TestLoginEnds(t *testing.T) {
	f := &fake{
		auth: &fakeAuth{on: true}, hang: map[string]bool{"Authenticate": true}, hanging: make(chan struct{}, 1),
	}
	c, _ := oneMember(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-f.hanging; cancel() }()
	if works, err := c.Login(ctx, epIPv4, "app", "secret"); works || !errors.Is(err, context.Canceled) {
		t.Errorf("%t, %v", works, err)
	}
}

// A password that fails after any call is set by the next try, and its user has the roles then that it had.
func TestSetPasswordAgain(t *testing.T) {
	app := facts.User{Name: "app", Roles: []string{"a", "b"}}
	methods := []string{"Authenticate", "UserChangePassword", "UserDelete", "UserAdd", "UserGrantRole"}
	failed := 0
	for _, on := range []bool{false, true} {
		for _, method := range methods {
			for _, done := range []bool{false, true} {
				f := &fake{auth: &fakeAuth{
					on: on, users: map[string][]string{"app": {"a", "b"}}, has: map[string]string{},
				}}
				c, _ := oneMember(t, f)
				broken := map[string]error{method: rpctypes.ErrGRPCLeaderChanged}
				if done {
					f.amiss = broken
				} else {
					f.fail = broken
				}
				if c.SetPassword(t.Context(), epIPv4, app, "secret") != nil {
					failed++
				}
				f.mu.Lock()
				f.fail, f.amiss = nil, nil
				f.mu.Unlock()
				if err := c.SetPassword(t.Context(), epIPv4, app, "secret"); err != nil {
					t.Errorf("on %t, %s failed, done %t: %v", on, method, done, err)
				}
				roles := slices.Compact(slices.Sorted(slices.Values(f.auth.users["app"])))
				if f.auth.has["app"] != "secret" || !slices.Equal(roles, app.Roles) {
					t.Errorf("on %t, %s failed, done %t: password set %t, roles %q", on, method, done,
						f.auth.has["app"] == "secret", roles)
				}
			}
		}
	}
	if failed < 15 {
		t.Errorf("only %d tries failed", failed)
	}
}
