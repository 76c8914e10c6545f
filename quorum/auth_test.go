package quorum

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/etcd/api/v3/authpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/clusterup/clusterup/facts"
)

// Where permissions are off, and expected to be, nothing is asked that etcd would write down.
func TestAuthState(t *testing.T) {
	root := map[string][]string{"root": {"root"}}
	for name, test := range map[string]struct {
		fake     *fakeAuth
		expected bool
		asked    []string
		want     facts.AuthState
	}{
		"off":           {&fakeAuth{revision: 3}, false, []string{`login ""`}, facts.AuthState{}},
		"off, expected": {&fakeAuth{revision: 3}, true, []string{"status"}, facts.AuthState{Revision: 3}},
		"on": {
			&fakeAuth{on: true, revision: 9, users: root}, false,
			[]string{`login ""`, "status"},
			facts.AuthState{Enabled: true, Revision: 9},
		},
		"on, expected": {
			&fakeAuth{on: true, revision: 9, users: root}, true,
			[]string{"status"},
			facts.AuthState{Enabled: true, Revision: 9},
		},
		"on, and root has lost its role": {
			&fakeAuth{on: true, revision: 9, users: map[string][]string{"root": {"app"}}}, true,
			[]string{"status"},
			facts.AuthState{Enabled: true, Denied: true, Revision: 9},
		},
		"denied": {
			&fakeAuth{on: true, denied: true}, true,
			[]string{"status"},
			facts.AuthState{Enabled: true, Denied: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{auth: test.fake}
			c, _ := oneMember(t, f)
			got, err := c.AuthState(t.Context(), epIPv4, test.expected)
			if err != nil || got != test.want || !slices.Equal(f.auth.asked, test.asked) {
				t.Errorf("%+v, %v after %q; want %+v after %q", got, err, f.auth.asked, test.want, test.asked)
			}
			for _, method := range []string{"Authenticate", "AuthStatus"} {
				f.fail = map[string]error{method: rpctypes.ErrGRPCNoLeader}
				_, err := c.AuthState(t.Context(), epIPv4, method == "AuthStatus")
				if fault := new(Error); !errors.As(err, &fault) || fault.Kind != nil {
					t.Errorf("%s fails: %v", method, err)
				}
			}
		})
	}
}

func TestAuth(t *testing.T) {
	span := func(kind authpb.Permission_Type, key, end string) *authpb.Permission {
		return &authpb.Permission{PermType: kind, Key: []byte(key), RangeEnd: []byte(end)}
	}
	f := &fake{auth: &fakeAuth{
		users: map[string][]string{"root": {"root"}, "b": {"y", "x", "y"}, "a": {}, "goes": {}},
		roles: map[string][]*authpb.Permission{
			"goes": nil,
			"x": {
				span(authpb.WRITE, "k", ""), span(authpb.READ, "b", "c"), span(authpb.READWRITE, "a\xff", "b"),
				span(authpb.READ, "k", ""), span(7, "z", ""),
			},
		},
	}}
	c, _ := oneMember(t, f)
	users, roles, err := c.Auth(t.Context(), epIPv4)
	if err != nil {
		t.Fatal(err)
	}
	wantUsers := []facts.User{{Name: "a"}, {Name: "b", Roles: []string{"x", "y"}}, {Name: "root", Roles: []string{"root"}}}
	wantRoles := []facts.Role{{Name: "x", Permissions: []facts.Permission{
		{Key: "a\xff", End: "b", Read: true, Write: true},
		{Key: "b", End: "c", Read: true},
		{Key: "k", Write: true},
		{Key: "z"},
	}}}
	if d := cmp.Diff(wantUsers, users) + cmp.Diff(wantRoles, roles); d != "" {
		t.Error(d)
	}
	f.auth.on, f.auth.denied = true, true
	if _, _, err := c.Auth(t.Context(), epIPv4); !errors.Is(err, facts.ErrPermission) {
		t.Errorf("denied: %v", err)
	}
	f.auth.on = false
	for i := range maxAuthNames {
		f.auth.users[fmt.Sprint(i)] = []string{}
	}
	if _, _, err := c.Auth(t.Context(), epIPv4); !errors.Is(err, facts.ErrTooMuch) ||
		!strings.Contains(err.Error(), "takes 10000 at the most") {
		t.Errorf("too many names: %v", err)
	}
	much := make([]string, 30)
	for i := range much {
		much[i] = fmt.Sprint(i, strings.Repeat("x", 100_000))
	}
	clear(f.auth.users)
	for i := range 4 {
		f.auth.users[fmt.Sprint(i)] = much
	}
	c.maxAuth = 8 << 20 // 64 MiB take a busy machine longer than a call may
	if _, _, err := c.Auth(t.Context(), epIPv4); !errors.Is(err, facts.ErrTooMuch) ||
		!strings.Contains(err.Error(), "tells more than 8 MiB") {
		t.Errorf("too much: %v", err)
	}
	f.auth.users = map[string][]string{"root": {strings.Repeat("x", maxAuthAnswer)}}
	if _, _, err := c.Auth(t.Context(), epIPv4); !errors.Is(err, facts.ErrTooMuch) {
		t.Errorf("an answer of any size: %v", err)
	}
}

// A change that was made already is no error.
func TestAuthChanges(t *testing.T) {
	f := &fake{auth: &fakeAuth{users: map[string][]string{"app": {}}, roles: map[string][]*authpb.Permission{"app": nil}}}
	c, _ := oneMember(t, f)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"app", "ops"} {
		must(c.PutRole(ctx, epIPv4, facts.Role{Name: name, Permissions: []facts.Permission{
			{Key: "a", End: "b", Read: true, Write: true}, {Key: "c", Write: true}, {Key: "d", Read: true},
		}}, []facts.Permission{{Key: "e", End: "\x00"}}))
		must(c.PutUser(ctx, epIPv4, facts.User{Name: name, Roles: []string{"x", "y"}}, []string{"z"}, ""))
	}
	must(c.DropRole(ctx, epIPv4, "old"))
	must(c.DropUser(ctx, epIPv4, "old"))
	var want []string
	for _, name := range []string{"app", "ops"} {
		for _, text := range []string{
			"add role NAME", `NAME may READWRITE "a" "b"`, `NAME may WRITE "c" ""`, `NAME may READ "d" ""`,
			`NAME may not "e" "\x00"`,
			"add user NAME, without a password true", "NAME is x", "NAME is y", "NAME is not z",
		} {
			want = append(want, strings.ReplaceAll(text, "NAME", name))
		}
	}
	want = append(want, "delete role old", "delete user old")
	if d := cmp.Diff(want, f.auth.asked); d != "" {
		t.Error(d)
	}
	f.auth.asked = nil
	err := c.PutUser(ctx, epIPv4, facts.User{Name: "new", Roles: []string{"none", "more"}}, []string{"z"}, "")
	if err == nil || len(f.auth.asked) != 2 {
		t.Errorf("%v, and it goes on: %q", err, f.auth.asked)
	}
	if err := c.EnableAuth(ctx, epIPv4); err == nil || f.auth.on {
		t.Errorf("on without root: %v", err)
	}
	f.auth.users["root"] = []string{"root", "app"}
	must(c.EnableAuth(ctx, epIPv4))
	if roles, err := c.RolesOf(ctx, epIPv4, "root"); err != nil || !slices.Equal(roles, []string{"app", "root"}) {
		t.Errorf("roles of root: %q, %v", roles, err)
	}
	if roles, err := c.RolesOf(ctx, epIPv4, "nobody"); err != nil || roles != nil {
		t.Errorf("roles of nobody: %q, %v", roles, err)
	}
	must(c.DisableAuth(ctx, epIPv4))
}

// as is a cluster that is asked with the certificate of a user.
func (a *authority) as(t *testing.T, name string) *Cluster {
	t.Helper()
	config := a.client(t)
	leaf := a.leaf(t, func(c *x509.Certificate) { c.Subject.CommonName = name })
	config.Certificates = []tls.Certificate{leaf}
	return cluster(t, Config{TLS: config})
}

// TestRealAuth has the same conversation with real members.
func TestRealAuth(t *testing.T) {
	binary := os.Getenv("CLUSTERUP_ETCD")
	if binary == "" {
		t.Skip("CLUSTERUP_ETCD names no etcd binary; the acceptance tests cover real members too")
	}
	ca := newAuthority(t)
	members, _ := startEtcd(t, binary, ca, 3)
	c, app, at, ctx := ca.as(t, "root"), ca.as(t, "app"), members[1].endpoint, t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "a read", func() bool { return c.ReadLinearizable(ctx, at) == nil })
	state := func(of *Cluster, expected bool, want facts.AuthState) {
		t.Helper()
		got, err := of.AuthState(ctx, at, expected)
		if got.Revision = min(got.Revision, 1); got.Denied { // 3.7 tells it to everybody
			got.Revision = 0
		}
		if err != nil || got != want {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
	state(c, false, facts.AuthState{})
	state(c, true, facts.AuthState{Revision: 1})
	if err := c.EnableAuth(ctx, at); err == nil || !strings.Contains(err.Error(), "root user does not exist") {
		t.Errorf("on without root: %v", err)
	}
	odd := facts.Permission{Key: "ÿ", End: "\xc3\xc0", Read: true}
	role := facts.Role{Name: "app", Permissions: []facts.Permission{{Key: "\x00", End: "\x00", Read: true}, odd}}
	for range 2 { // the second time all is so already
		must(c.PutUser(ctx, at, facts.User{Name: "root", Roles: []string{"root"}}, nil, ""))
		must(c.PutRole(ctx, at, role, []facts.Permission{{Key: "/gone"}}))
		must(c.PutUser(ctx, at, facts.User{Name: "app", Roles: []string{"app"}}, []string{"gone"}, ""))
		must(c.DropUser(ctx, at, "gone"))
		must(c.DropRole(ctx, at, "gone"))
		must(c.EnableAuth(ctx, at))
	}
	state(c, false, facts.AuthState{Enabled: true, Revision: 1})
	state(c, true, facts.AuthState{Enabled: true, Revision: 1})
	state(app, true, facts.AuthState{Enabled: true, Denied: true})
	state(app, false, facts.AuthState{Enabled: true, Denied: true})
	users, roles, err := c.Auth(ctx, at)
	must(err)
	if d := cmp.Diff([]facts.User{{Name: "app", Roles: []string{"app"}}, {Name: "root", Roles: []string{"root"}}}, users) +
		cmp.Diff([]facts.Role{role}, roles); d != "" {
		t.Error(d)
	}
	must(app.ReadLinearizable(ctx, at))
	if err := app.Canary(ctx, at, canaryPrefix+"run/m1", "x"); !errors.Is(err, facts.ErrPermission) {
		t.Errorf("app may write: %v", err)
	}
	must(c.Canary(ctx, at, canaryPrefix+"run/m1", "x"))
	must(c.PutRole(ctx, at, facts.Role{Name: "app"}, role.Permissions[:1]))
	if _, err := app.page(ctx, at, "/", clientv3.WithFromKey()); !errors.Is(err, facts.ErrPermission) {
		t.Errorf("app may read: %v", err)
	}
	must(c.DisableAuth(ctx, at))
	must(c.DisableAuth(ctx, at))
	state(c, false, facts.AuthState{})
}
