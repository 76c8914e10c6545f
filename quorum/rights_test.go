package quorum

import (
	"errors"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/clusterup/clusterup/facts"
)

// A read that etcd refuses shows that permissions are on, and one that it lets pass that they are off, or let whoever
// asks read; one that fails shows nothing.
func TestRights(t *testing.T) {
	for name, test := range map[string]struct {
		fails error
		auth  *fakeAuth
		want  facts.Rights
		good  bool
	}{
		"refused":             {rpctypes.ErrGRPCPermissionDenied, nil, facts.Rights{Known: true, On: true}, true},
		"without name":        {rpctypes.ErrGRPCUserEmpty, nil, facts.Rights{Known: true, On: true}, true},
		"users have changed":  {rpctypes.ErrGRPCAuthOldRevision, nil, facts.Rights{Known: true, On: true}, true},
		"off":                 {nil, &fakeAuth{}, facts.Rights{Known: true}, true},
		"it may read":         {nil, &fakeAuth{on: true}, facts.Rights{Known: true, On: true, Reads: true}, true},
		"no leader":           {rpctypes.ErrGRPCNoLeader, nil, facts.Rights{}, false},
		"nobody to log in to": {nil, nil, facts.Rights{}, false},
	} {
		c, _ := oneMember(t, &fake{
			store: map[string]string{}, fail: map[string]error{"Range": test.fails}, auth: test.auth,
		})
		got, err := c.Rights(t.Context(), epIPv4)
		if got != test.want || (err == nil) != test.good || err != nil && !errors.As(err, new(*Error)) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, test.want)
		}
	}
}

// A member that shows its status to root alone refuses a user that it does not know in other words.
func TestStatusForRootAlone(t *testing.T) {
	for _, refusal := range []error{rpctypes.ErrGRPCUserNotFound, rpctypes.ErrGRPCPermissionDenied} {
		c, _ := oneMember(t, &fake{fail: map[string]error{"Status": refusal}})
		if _, err := c.Status(t.Context(), epIPv4); !errors.Is(err, facts.ErrPermission) {
			t.Errorf("%v is not told as a refusal, but as %v", refusal, err)
		}
	}
}

// A client that is no user is refused, too, when it asks for permissions.
func TestAuthStateForNoUser(t *testing.T) {
	c, _ := oneMember(t, &fake{
		auth: &fakeAuth{on: true}, fail: map[string]error{"AuthStatus": rpctypes.ErrGRPCUserNotFound},
	})
	for _, expected := range []bool{false, true} {
		got, err := c.AuthState(t.Context(), epIPv4, expected)
		if want := (facts.AuthState{Enabled: true, Denied: true}); got != want || err != nil {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// The server's version is told, whatever permissions say.
func TestServerVersion(t *testing.T) {
	c, _ := oneMember(t, &fake{versions: map[string]string{"etcdserver": "3.6.16", "etcdcluster": "3.6.0"}})
	if got, err := c.ServerVersion(t.Context(), epIPv4); err != nil || got != "3.6.16" {
		t.Errorf("%q, %v", got, err)
	}
}
