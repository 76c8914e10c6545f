package etcd

import (
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

const passwordBlock = appBlock + `
user "old" {
  roles        = ["app"]
  password_env = "OLD"
}
`

// passworded has a user that logs in.
func passworded(w *Want) {
	cluster := *w.Cluster
	cluster.Auth = &inventory.Auth{Enabled: true, Users: []inventory.AuthUser{
		{Name: "old", Password: &inventory.Password{Env: "OLD"}},
	}}
	w.Cluster = &cluster
}

// loggingIn is a settled cluster with the users of passwordBlock.
func loggingIn(t *testing.T, login facts.Login) (Want, facts.Snapshot) {
	t.Helper()
	w := permitting(t, 3, passwordBlock)
	s := settled(t, w)
	s = withAuth(s, true, append(slices.Clone(appUsers), user("old", "app")), appRole)
	s.Auth.Logins = map[string]facts.Login{"old": login}
	return w, s
}

func TestPasswords(t *testing.T) {
	w, s := loggingIn(t, facts.LoginWorks)
	with := func(do func(*facts.Auth)) facts.Snapshot {
		s, auth := s, *s.Auth
		do(&auth)
		s.Auth = &auth
		return s
	}
	off := with(func(a *facts.Auth) { a.Enabled, a.Logins = false, nil })
	gone := with(func(a *facts.Auth) { a.Users = appUsers })
	refused := with(func(a *facts.Auth) { a.Logins = map[string]facts.Login{"old": facts.LoginRefused} })
	unknown := with(func(a *facts.Auth) { a.Logins = nil })
	before := withAuth(settled(t, permitting(t, 3, appBlock)), true, appUsers, appRole)
	roll := []string{
		"create-token-key/1", "write-token-key/1", "write-token-key/1", "write-token-key/1", "write-unit", "restart-member",
		"write-unit", "restart-member", "move-leader", "write-unit", "restart-member", "put-user/old +[app] -[]",
	}
	for name, test := range map[string]struct {
		want  Want
		seen  facts.Snapshot
		steps []string
	}{
		"all as wanted":               {w, s, nil},
		"a login is refused":          {w, refused, []string{"set-password/old +[] -[]"}},
		"nobody has tried":            {w, unknown, nil},
		"off: nobody can try":         {w, off, []string{"set-password/old +[] -[]", "enable-auth"}},
		"the user is missing":         {w, gone, []string{"put-user/old +[app] -[]"}},
		"the first user that logs in": {w, before, roll},
	} {
		t.Run(name, func(t *testing.T) {
			p := build(t, test.want, test.seen)
			if got := idsOf(p); !slices.Equal(got, test.steps) {
				t.Errorf("%q, want %q", got, test.steps)
			}
			for _, stage := range p.Stages {
				for _, step := range stage.Steps {
					if step.User != nil && step.User.Password != (step.User.Name == "old") {
						t.Errorf("%s: password %v", step.ID(), step.User.Password)
					}
				}
			}
		})
	}
}

// While a voter is dark that may sign with another key, no user gets a password, and the rest goes on.
func TestPasswordsWait(t *testing.T) {
	w, s := loggingIn(t, facts.LoginRefused)
	auth := *s.Auth
	auth.Users = auth.Users[1:] // without app
	s.Auth = &auth
	s.Hosts["etcd-3"] = facts.Host{Machine: facts.Machine{Name: "etcd-3", Unreachable: "no route"}}
	stage, err := Next(w, s)
	if err != nil || len(stage.Steps) != 1 || stage.Steps[0].Kind != plan.PutUser || stage.Steps[0].User.Name != "app" {
		t.Fatalf("%+v, %v", stage, err)
	}
	_, err = Next(w, Simulate(w, s, *stage))
	if !plan.DarkOnly(err) {
		t.Fatal(err)
	}
	waits := Dark(w, s).Waits
	if !slices.ContainsFunc(waits, func(w plan.Wait) bool { return w.What == "the passwords of users" }) {
		t.Errorf("it waits for %+v", waits)
	}
}

// A rotation is gone on with, by itself and when it is asked for again; one that is over is followed by another.
func TestRotateTokens(t *testing.T) {
	w, s := loggingIn(t, facts.LoginWorks)
	rotation := RotateTokens(w, s)
	names := `user "old" logs in again`
	text := ""
	for _, stage := range build(t, rotation, s).Stages {
		for _, step := range stage.Steps {
			text += step.ID() + ": " + step.Why + "\n"
		}
	}
	if strings.Count(text, names) != 4 || !strings.Contains(text, "create-token-key/2: ") ||
		strings.Count(text, "restart-member/") != 3 || strings.Count(text, "prune-trust/") != 3 {
		t.Errorf("the rotation is\n%s", text)
	}
	for range 3 {
		stage, err := Next(rotation, s)
		if err != nil {
			t.Fatal(err)
		}
		s = Simulate(rotation, s, *stage)
	}
	if stage, err := Next(w, s); err != nil || stage == nil || RotateTokens(w, s).TokenKeys != 2 {
		t.Errorf("apply does not go on with it: %+v, %v; asked again, it wants key %d", stage, err, RotateTokens(w, s).TokenKeys)
	}
	for stage, err := Next(w, s); stage != nil || err != nil; stage, err = Next(w, s) {
		if err != nil {
			t.Fatal(err)
		}
		s = Simulate(w, s, *stage)
	}
	if RotateTokens(w, s).TokenKeys != 3 {
		t.Error("another rotation makes no key")
	}
}

// Clients of the JSON gateway are named where they have to log in again, and where they can do nothing.
func TestTokensOfGatewayClients(t *testing.T) {
	w, s := loggingIn(t, facts.LoginWorks)
	w.Cluster.Clients = []inventory.Client{{Name: "app", User: "app"}, {Name: "patroni"}}
	said := func(w Want, s facts.Snapshot) string { return strings.Join(build(t, w, s).Notes, "\n") }
	if text := said(w, s); strings.Contains(text, "gateway") {
		t.Error(text)
	}
	less := s
	auth := *s.Auth
	auth.Roles = nil
	less.Auth = &auth
	if text := said(w, less); !strings.Contains(text, `the client "patroni" of the JSON gateway has to log in again`) {
		t.Error(text)
	}
	plain := permitting(t, 3, appBlock)
	plain.Cluster.Clients = w.Cluster.Clients
	if text := said(plain, settled(t, plain)); !strings.Contains(text, `the client "patroni" can do nothing while permissions are on`) {
		t.Error(text)
	}
}

// ofTokens are the refusals about keys for tokens.
func ofTokens(t *testing.T) []dead {
	t.Helper()
	w, s := loggingIn(t, facts.LoginWorks)
	rotate := func(w Want, s facts.Snapshot) (Want, facts.Snapshot) { return RotateTokens(w, s), s }
	none := permitting(t, 3, appBlock)
	plain := settled(t, none)
	none.TokenKeys = 1
	old := s
	old.Operator.TokenKeys = []facts.TokenKey{{Generation: 1, SHA256: strings.Repeat("a", 64), Here: true}}
	lost := change(s, "etcd-2", func(h *facts.Host) { h.TokenKeys = nil })
	lost.Operator.TokenKeys = []facts.TokenKey{s.Operator.TokenKeys[0]}
	lost.Operator.TokenKeys[0].Here = false
	return []dead{
		{name: "no user logs in", want: none, seen: plain, follow: func(_ Want, s facts.Snapshot) (Want, facts.Snapshot) {
			w.TokenKeys = 1
			return w, s
		}},
		{name: "an old copy of the operator directory", want: w, seen: old, follow: mended(s)},
		{name: "an old copy, and the last one", want: w, seen: old, follow: rotate},
		{name: "the key for tokens is lost, and comes back", want: w, seen: lost, follow: mended(s)},
		{name: "the key for tokens is lost", want: w, seen: lost, follow: rotate},
	}
}

// Every way on which users come to log in, with a new key or another one: a run may die after any step, and a member
// meanwhile.
func TestEveryWayOfPasswords(t *testing.T) {
	t.Parallel()
	var all walked
	plainly := settled(t, permitting(t, 3, appBlock))
	with, works := loggingIn(t, facts.LoginWorks)
	_, refused := loggingIn(t, facts.LoginRefused)
	for name, test := range map[string]struct {
		want Want
		seen facts.Snapshot
	}{
		"the first that logs in":     {with, withAuth(plainly, true, appUsers, appRole)},
		"from nothing":               {with, withAuth(newScenes(t, wanted(t, 3)).stages[whole], false, nil)},
		"another password":           {with, refused},
		"off, with users":            {with, withAuth(works, false, append(slices.Clone(appUsers), user("old", "app")), appRole)},
		"another key":                {RotateTokens(with, works), works},
		"nobody logs in any more":    {permitting(t, 3, appBlock, plan.DropGrants), works},
		"another key, and passwords": {RotateTokens(with, refused), refused},
	} {
		k := newWalker(t, test.want)
		k.everyWay(state{seen: test.seen, token: "run-1", way: &way{what: name}}, 1)
		all.add(0, k)
	}
	all.holds(t, 500, plan.CreateTokenKey, plan.WriteTokenKey, plan.RestartMember, plan.PutUser, plan.SetPassword,
		plan.EnableAuth, plan.PruneTrust)
}
