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
	bare := with(func(a *facts.Auth) { a.Users = append(slices.Clone(appUsers), user("old")) })
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
		"a user lacks a role":         {w, bare, []string{"put-user/old +[app] -[]"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := build(t, test.want, test.seen)
			if got := idsOf(p); !slices.Equal(got, test.steps) {
				t.Errorf("%q, want %q", got, test.steps)
			}
			for _, stage := range p.Stages {
				for _, step := range stage.Steps {
					sets := step.User != nil && (step.User.New || step.Kind == plan.SetPassword)
					if step.User != nil && step.User.Password != (step.User.Name == "old" && sets) {
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
	missing := s
	missing.Auth = &facts.Auth{AuthState: s.Auth.AuthState, Listed: true, Users: appUsers, Roles: s.Auth.Roles}
	if stage, err := Next(w, missing); stage != nil || !plan.DarkOnly(err) {
		t.Errorf("a user that is missing: %s, %v", said(stage), err)
	}
}

// Passwords wait where one is due, permissions are on, and a voter may sign with another key.
func TestPasswordsDue(t *testing.T) {
	w, s := loggingIn(t, facts.LoginRefused)
	dark := change(s, "etcd-3", darkly)
	with := func(do func(*facts.Auth)) facts.Snapshot {
		s, auth := dark, *s.Auth
		do(&auth)
		s.Auth = &auth
		return s
	}
	for name, test := range map[string]struct {
		seen  facts.Snapshot
		waits bool
	}{
		"refused":       {dark, true},
		"all sign":      {s, false},
		"it works":      {with(func(a *facts.Auth) { a.Logins = map[string]facts.Login{"old": facts.LoginWorks} }), false},
		"it is missing": {with(func(a *facts.Auth) { a.Users, a.Logins = appUsers, nil }), true},
		"nobody told":   {with(func(a *facts.Auth) { a.Listed = false }), false},
		"they are off":  {with(func(a *facts.Auth) { a.Enabled = false }), false},
		"nobody tried":  {with(func(a *facts.Auth) { a.Logins = nil }), false},
	} {
		v := newView(w, test.seen)
		if got := v.passwordsWait(); got != test.waits || len(v.passwordWaits([]string{"etcd-3"})) > 0 != test.waits {
			t.Errorf("%s: it waits: %v", name, got)
		}
	}
}

// The passwords of users wait for a member that --hold-last holds, and that is said.
func TestPasswordsWaitForHeld(t *testing.T) {
	w := at(permitting(t, 3, passwordBlock), "3.7.3")
	w.HoldLast = true
	s := withAuth(settled(t, at(permitting(t, 3, appBlock), "3.6.16")), true, appUsers, appRole)
	p := build(t, w, s)
	if ids := idsOf(p); slices.Contains(ids, "put-user/old +[app] -[]") ||
		!strings.Contains(strings.Join(p.Notes, "\n"), "The passwords of users wait for it, too") {
		t.Errorf("%q, notes %q", ids, p.Notes)
	}
}

// Only voters count for whether all sign with the same key.
func TestLearnersSignForNobody(t *testing.T) {
	w, s := loggingIn(t, facts.LoginRefused)
	s.Members = slices.Clone(s.Members)
	for i := range s.Members {
		s.Members[i].Learner = s.Members[i].Name == "etcd-3"
	}
	s = change(s, "etcd-2", func(h *facts.Host) { h.Process = nil })
	if newView(w, s).allSign() {
		t.Error("a learner counts in the place of a voter")
	}
}

// A host that is given up has the key for tokens, so another one is due; one that is kept goes on with its key.
func TestLostTokenKeys(t *testing.T) {
	w, s := loggingIn(t, facts.LoginWorks)
	id := newView(w, s).seen.Hosts["etcd-2"].Data.MemberID.String()
	given := func(w Want, risks ...plan.Risk) Want { w.Accept = risks; return w }
	replaced := given(w, plan.Bound(plan.Replace("etcd-2"), id))
	stranger := s
	stranger.Members = append(slices.Clone(s.Members), facts.Listed{
		ID: 0xabc, Name: "old-1", PeerURLs: []string{"https://10.9.9.9:2380"},
	})
	plain := given(permitting(t, 3, appBlock), plan.Bound(plan.Replace("etcd-2"), id))
	for name, test := range map[string]struct {
		want Want
		seen facts.Snapshot
		says string
	}{
		"nothing is given up":         {w, change(s, "etcd-2", darkly), ""},
		"a host that is dark":         {replaced, change(s, "etcd-2", darkly), "the disk of etcd-2"},
		"another host":                {replaced, change(s, "etcd-2", func(h *facts.Host) { *h = facts.Host{Machine: facts.Machine{Name: h.Name}} }), "the disk of etcd-2"},
		"the same host":               {replaced, s, ""},
		"the same host, without data": {replaced, change(s, "etcd-2", func(h *facts.Host) { h.Process, h.Data = nil, facts.Data{} }), ""},
		"not in the inventory":        {given(w, plan.Remove("abc")), stranger, "the disk of old-1"},
		"no key":                      {plain, change(s, "etcd-2", darkly), ""},
	} {
		notes := strings.Join(newView(test.want, test.seen).authNotes(), "\n")
		has := strings.Contains(notes, "clusterup rotate tokens")
		if has != (test.says != "") || !strings.Contains(notes, test.says) {
			t.Errorf("%s: notes %q, want %q", name, notes, test.says)
		}
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

// A rotation cannot go on with a key that is lost, and not while a member has one that nobody here knows.
func TestRotateTokensAnew(t *testing.T) {
	w, s := loggingIn(t, facts.LoginWorks)
	s = change(s, "etcd-2", unflagged("auth-token"))
	lost, foreign := s, change(s, "etcd-3", func(h *facts.Host) {
		h.TokenKeys = map[string]string{"/etc/etcd/prod/token-0123456789abcdef.pem": strings.Repeat("0", 64)}
	})
	lost.Operator.TokenKeys = slices.Clone(s.Operator.TokenKeys)
	lost.Operator.TokenKeys[0].Here = false
	for name, test := range map[string]struct {
		seen facts.Snapshot
		keys int
	}{"it is gone on with": {s, 1}, "the key is lost": {lost, 2}, "one is foreign": {foreign, 2}} {
		if got := RotateTokens(w, test.seen).TokenKeys; got != test.keys {
			t.Errorf("%s: %d keys, want %d", name, got, test.keys)
		}
	}
}

// Where every host has its key, nobody needs the one that was lost.
func TestTokenKeyNotNeeded(t *testing.T) {
	w, s := loggingIn(t, facts.LoginWorks)
	s.Operator.TokenKeys = slices.Clone(s.Operator.TokenKeys)
	s.Operator.TokenKeys[0].Here = false
	if stage, err := Next(w, s); stage != nil || err != nil {
		t.Errorf("%s, %v", said(stage), err)
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
	off := less
	off.Auth = &facts.Auth{Listed: true}
	if text := said(w, off); strings.Contains(text, "log in again") {
		t.Errorf("while permissions are off: %s", text)
	}
	w.Cluster.Clients = append(w.Cluster.Clients, inventory.Client{Name: "more"})
	if text := said(w, less); !strings.Contains(text, `the clients "patroni", "more" of the JSON gateway have to log in again`) {
		t.Error(text)
	}
	w.Cluster.Clients = w.Cluster.Clients[:2]
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

// A key goes once neither the member nor its unit names it, and it is not the one that is wanted.
func TestStaleTokenKeys(t *testing.T) {
	w, s := loggingIn(t, facts.LoginWorks)
	host := copyHost(s.Hosts["etcd-1"])
	key, _ := newView(w, s).tokenKey()
	wanted := newView(w, s).tokenKeyPath(key)
	const running, next, old = "/k/running.pem", "/k/next.pem", "/k/old.pem"
	host.TokenKeys = map[string]string{wanted: "", running: "", next: "", old: ""}
	host.Process = &facts.Process{Args: []string{"etcd", "--auth-token=jwt,priv-key=" + running}}
	unit := host.Files["/etc/systemd/system/etcd-prod.service"]
	unit.Content = []byte(strings.ReplaceAll(string(unit.Content), wanted, next))
	host.Files["/etc/systemd/system/etcd-prod.service"] = unit
	if got := newView(w, s).staleTokenKeys(host); !slices.Equal(got, []string{old}) {
		t.Errorf("%q go", got)
	}
	plain := permitting(t, 3, appBlock)
	both := slices.Sorted(slices.Values([]string{wanted, old}))
	if got := newView(plain, s).staleTokenKeys(host); !slices.Equal(got, both) {
		t.Errorf("where nobody logs in %q go", got)
	}
}
