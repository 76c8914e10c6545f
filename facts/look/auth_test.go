package look

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/facts"
)

// permitting is one of three that serve, and say this of permissions.
func permitting(id facts.ID, auth facts.AuthState, users ...facts.User) fakeMember {
	return fakeMember{
		status:  facts.Status{ClusterID: 7, MemberID: id, Leader: 1, Applied: uint64(id)},
		members: []facts.Listed{{ID: 1}, {ID: 2}, {ID: 3}}, auth: auth, users: users,
	}
}

func TestGatherAuth(t *testing.T) {
	on, off := facts.AuthState{Enabled: true, Revision: 9}, facts.AuthState{Revision: 9}
	denied := facts.AuthState{Enabled: true, Denied: true}
	root, app := facts.User{Name: "root"}, facts.User{Name: "app"}
	all := func(auth facts.AuthState) [3]fakeMember {
		return [3]fakeMember{permitting(1, auth, app), permitting(2, auth, app), permitting(3, auth, root)}
	}
	with := func(base [3]fakeMember, at int, do func(*fakeMember)) [3]fakeMember {
		do(&base[at])
		return base
	}
	said := func(auth facts.AuthState, users ...facts.User) *facts.Auth {
		return &facts.Auth{AuthState: auth, Listed: len(users) > 0, Users: users}
	}
	failing := func(m *fakeMember) { m.listing = errors.New("no answer") }
	last := func(cluster facts.ID, revision uint64) *facts.Snapshot {
		return &facts.Snapshot{Cluster: cluster, Auth: said(facts.AuthState{Revision: revision}, facts.User{Name: "old"})}
	}
	shut := all(denied)
	for i := range shut {
		shut[i].statusErr = fmt.Errorf("ask: %w", facts.ErrPermission)
	}
	late := with(all(on), 0, func(m *fakeMember) { m.readErr = errors.New("no leader") })
	for name, test := range map[string]struct {
		members [3]fakeMember
		lists   bool
		last    *facts.Snapshot
		want    *facts.Auth
	}{
		"off, and nobody asks":        {all(off), false, nil, said(off)},
		"on, and nobody asks":         {all(on), false, nil, said(on)},
		"on":                          {all(on), true, nil, said(on, root)}, // of the one that has applied most
		"nothing has changed":         {all(on), true, last(7, 9), said(on, facts.User{Name: "old"})},
		"something has changed":       {all(on), true, last(7, 8), said(on, root)},
		"another cluster before":      {all(on), true, last(6, 9), said(on, root)},
		"one lies":                    {with(all(on), 2, func(m *fakeMember) { m.auth = off }), true, nil, said(on, app)},
		"one cannot list":             {with(all(on), 2, failing), true, nil, said(on, app)},
		"root has no role":            {all(denied), true, nil, said(denied)},
		"all refuse":                  {shut, true, nil, said(denied)},
		"one does not read":           {late, true, nil, said(on, root)},
		"and nobody asks":             {late, false, nil, said(on)},
		"two cannot list":             {with(with(all(on), 2, failing), 1, failing), true, nil, &facts.Auth{AuthState: on, Error: "no answer"}},
		"nobody tells of permissions": {with(with(with(all(on), 0, mute), 1, mute), 2, mute), true, nil, nil},
		"too many":                    {[3]fakeMember{permitting(1, on), crowded(on), crowded(on)}, true, nil, &facts.Auth{AuthState: on, Error: "more than clusterup takes", TooMuch: true}},
	} {
		t.Run(name, func(t *testing.T) {
			site := newSite(t, map[string]string{"a": "replaced-debian12", "b": "running-debian11", "c": "waldir-debian13"})
			for i, host := range []string{"a", "b", "c"} {
				site.etcd.members["https://"+host] = test.members[i]
			}
			src := site.source()
			src.Auth, src.Last = test.lists, test.last
			s := gather(t, src)
			if d := cmp.Diff(test.want, s.Auth); d != "" {
				t.Error(d)
			}
			if told := s.AuthError == ""; told != (s.Auth != nil) {
				t.Errorf("of %+v the error is %q", s.Auth, s.AuthError)
			}
			if test.members[0].readErr != nil && s.Hosts["a"].Auth != nil {
				t.Error("a member that serves no reads was asked")
			}
			src.Keep, src.Etcd = s.Hosts, deaf{site.etcd}
			for name, host := range gather(t, src).Hosts { // what was told before does not count
				if host.Auth != nil {
					t.Errorf("%s tells %+v no more", name, host.Auth)
				}
			}
			asked := 0
			for _, host := range []string{"a", "b", "c"} {
				asked += site.etcd.asked["auth https://"+host]
			}
			if most := 2; asked > most || asked == 0 && test.want != nil && test.want.Listed && test.last == nil {
				t.Errorf("users and roles were asked for %d times", asked)
			}
		})
	}
}

// crowded has too many users to list.
func crowded(auth facts.AuthState) fakeMember {
	m := permitting(2, auth)
	m.listing = facts.ErrTooMuch
	return m
}

func mute(m *fakeMember) { m.authErr = errors.New("no answer") }

// A member that did not answer is asked once more.
func TestGatherAuthLate(t *testing.T) {
	site := newSite(t, map[string]string{"a": "running-debian11"})
	site.etcd.members["https://a"] = permitting(1, facts.AuthState{Enabled: true, Revision: 4}, facts.User{Name: "root"})
	src := site.source()
	first := true
	src.Etcd = latecomer{site.etcd, &first}
	src.Auth = true
	if s := gather(t, src); s.Auth == nil || !s.Auth.Listed {
		t.Errorf("it was asked once only: %+v", s.Auth)
	}
}

// latecomer does not answer the first question for permissions.
type latecomer struct {
	*fakeEtcd
	first *bool
}

func (e latecomer) AuthState(ctx context.Context, endpoint string, expected bool) (facts.AuthState, error) {
	if *e.first {
		*e.first = false
		return facts.AuthState{}, errors.New("no answer")
	}
	return e.fakeEtcd.AuthState(ctx, endpoint, expected)
}

// deaf tells nothing of permissions.
type deaf struct{ *fakeEtcd }

func (deaf) AuthState(context.Context, string, bool) (facts.AuthState, error) {
	return facts.AuthState{}, errors.New("no answer")
}
