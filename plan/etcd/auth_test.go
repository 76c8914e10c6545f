package etcd

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// permitting is a Want whose inventory has a block auth with this text.
func permitting(t *testing.T, n int, text string, accept ...plan.Risk) Want {
	t.Helper()
	w := wanted(t, n)
	file, diags := inventory.Parse([]byte(fmt.Sprintf(
		"cluster \"prod\" {\n version = \"3.6.16\"\n auth {\n%s\n}\n member \"m\" { address = \"10.0.0.1\" }\n}\n", text)), "test.hcl",
		inventory.Options{Home: "/home/op"})
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	w.Cluster.Auth, w.Accept = file.Clusters[0].Auth, accept
	return w
}

const appBlock = `
user "app" { roles = ["app"] }
user "ops" { roles = ["root"] }
role "app" {
  permission {
    prefix = "/app/"
    access = "readwrite"
  }
  permission {
    key    = "/lock"
    access = "read"
  }
}
`

// withAuth is a cluster whose users and roles are these.
func withAuth(s facts.Snapshot, on bool, users []facts.User, roles ...facts.Role) facts.Snapshot {
	s.Auth = &facts.Auth{
		AuthState: facts.AuthState{Enabled: on, Revision: 7}, Listed: true, Users: users, Roles: roles,
	}
	return s
}

func user(name string, roles ...string) facts.User { return facts.User{Name: name, Roles: roles} }

var (
	appRole = facts.Role{Name: "app", Permissions: []facts.Permission{
		{Key: "/app/", End: "/app0", Read: true, Write: true}, {Key: "/lock", Read: true},
	}}
	appUsers = []facts.User{user("app", "app"), user("ops", "root"), user("root", "root")}
)

// idsOf are the steps of a plan, with what they grant and take away.
func idsOf(p plan.Plan) []string {
	var ids []string
	for _, stage := range p.Stages {
		for _, step := range stage.Steps {
			id := strings.TrimSuffix(step.ID(), "/"+step.Host)
			switch {
			case step.Role != nil:
				id += fmt.Sprint(" +", step.Role.Grant, " -", step.Role.Revoke)
			case step.User != nil:
				id += fmt.Sprint(" +", step.User.Grant, " -", step.User.Revoke)
			}
			ids = append(ids, id)
		}
	}
	return ids
}

func TestAuth(t *testing.T) {
	base := settled(t, wanted(t, 3))
	block := permitting(t, 3, appBlock)
	dropping := permitting(t, 3, appBlock, plan.DropGrants)
	roots := permitting(t, 3, `user "root" { roles = ["r"] }
		role "r" {}`)
	off := permitting(t, 3, "enabled = false\n"+appBlock, plan.NoAuth)
	change := func(role facts.Role, do func(*[]facts.Permission)) facts.Role {
		role.Permissions = slices.Clone(role.Permissions)
		do(&role.Permissions)
		return role
	}
	more := change(appRole, func(p *[]facts.Permission) {
		(*p)[1].Write = true
		*p = append(*p, facts.Permission{Key: "/other", Read: true})
	})
	other := change(appRole, func(p *[]facts.Permission) {
		(*p)[0].Write, (*p)[1].Read, (*p)[1].Write = false, false, true
	})
	untold := withAuth(base, true, nil)
	untold.Auth.Listed, untold.Auth.Error = false, "no answer"
	rootRole, yRole := facts.Role{Name: "root"}, facts.Role{Name: "y"}
	const all = "put-role/app +[readwrite on prefix \"/app/\" read on key \"/lock\"] -[]"
	for name, test := range map[string]struct {
		want  Want
		seen  facts.Snapshot
		steps []string
		notes string
	}{
		"no block, off": {wanted(t, 3), withAuth(base, false, appUsers, more), nil, ""},
		"nothing there": {block, withAuth(base, false, nil), []string{
			"put-user/root +[root] -[]", all, "put-user/app +[app] -[]", "put-user/ops +[root] -[]", "enable-auth",
		}, ""},
		"half on": {block, withAuth(base, false, []facts.User{user("root", "app"), user("app")}, appRole), []string{
			"put-user/root +[root] -[]", "put-user/app +[app] -[]", "put-user/ops +[root] -[]", "enable-auth",
		}, `role "app" of user "root"; it stays`},
		"all but on":    {block, withAuth(base, false, appUsers, appRole), []string{"enable-auth"}, ""},
		"all as wanted": {block, withAuth(base, true, appUsers, appRole), nil, ""},
		"root of its own": {
			roots, withAuth(base, true, []facts.User{user("root", "root")}),
			[]string{"put-role/r +[] -[]", "put-user/root +[r] -[]"},
			"",
		},
		"root with another role, from nothing": {
			roots, withAuth(base, false, nil), []string{
				"put-user/root +[root] -[]", "put-role/r +[] -[]", "put-user/root +[r] -[]", "enable-auth",
			}, "",
		},
		"permissions are missing": {block, withAuth(base, true, appUsers, other), []string{
			"put-role/app +[readwrite on prefix \"/app/\" readwrite on key \"/lock\"] -[]",
		}, `of role "app" write on key "/lock"; it stays`},
		"too many permissions": {block, withAuth(base, true, appUsers, more), nil, `of role "app" write on key "/lock", read on key "/other"; it stays`},
		"too many, by consent": {dropping, withAuth(base, true, appUsers, more), []string{
			"put-role/app +[read on key \"/lock\"] -[read on key \"/other\"]",
		}, ""},
		"another access, by consent": {dropping, withAuth(base, true, appUsers, other), []string{
			"put-role/app +[readwrite on prefix \"/app/\" read on key \"/lock\"] -[]",
		}, ""},
		"strays": {
			block, withAuth(base, true, append(slices.Clone(appUsers), user("x", "y")), appRole, rootRole, yRole), nil,
			`user "x" with role "y"; role "y", which allows nothing; it stays, unless --accept=drop-grants`,
		},
		"strays, by consent": {
			dropping, withAuth(base, true, append(slices.Clone(appUsers), user("x/..", "y")), appRole, rootRole, yRole),
			[]string{"drop-user/x%2F.. +[] -[]", "drop-role/y +[] -[]"},
			"",
		},
		"a role too many": {dropping, withAuth(base, true, []facts.User{
			user("app", "app", "root"), user("ops", "root"), user("root", "app", "root"),
		}, appRole), []string{
			"put-user/app +[] -[root]", "put-user/root +[] -[app]",
		}, ""},
		"switched off":               {off, withAuth(base, true, appUsers, more), []string{"disable-auth"}, ""},
		"off, and users that differ": {off, withAuth(base, false, nil), nil, ""},
		"nobody told, as all is off": {off, base, nil, ""},
		"switched off, untold":       {off, untold, []string{"disable-auth"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := build(t, test.want, test.seen)
			if got := idsOf(p); !slices.Equal(got, test.steps) {
				t.Errorf("steps\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.steps, "\n"))
			}
			if notes := strings.Join(p.Notes, "\n"); !strings.Contains(notes, test.notes) || (notes == "") != (test.notes == "") {
				t.Errorf("notes %q, want %q", notes, test.notes)
			}
			s := test.seen
			for _, stage := range p.Stages {
				if err := lawful(test.want, s, stage); err != nil {
					t.Error(err)
				}
				s = Simulate(test.want, s, stage)
			}
			if s.Auth == nil {
				return
			}
			if err := lawSettledAuth(test.want, s); err != nil {
				t.Error(err)
			}
		})
	}
}

// A plan from bare hosts shows the whole way, and a cluster that does not serve is not taken for one without users.
func TestAuthUnknown(t *testing.T) {
	w := permitting(t, 3, appBlock)
	p := build(t, w, bare(w))
	last := []string{"users, roles and permissions", "switch permissions on"}
	if names := stageNames(p); !slices.Equal(names[len(names)-2:], last) {
		t.Errorf("stages %q", names)
	}
	s := settled(t, w)
	s.Auth, s.Members = nil, nil
	for _, name := range s.Names() {
		s = change(s, name, stop)
	}
	p = build(t, w, s)
	if names := stageNames(p); !slices.Equal(names, []string{"start members"}) {
		t.Errorf("stages %q", names)
	}
	if notes := strings.Join(p.Notes, "\n"); !strings.Contains(notes, "compared with the inventory when the cluster serves") {
		t.Errorf("notes %q", notes)
	}
}

// With a voter that is not seen, users and roles change, and nothing is switched on.
func TestAuthDark(t *testing.T) {
	w := permitting(t, 3, appBlock)
	s := withAuth(change(settled(t, wanted(t, 3)), "etcd-2", darkly), false, nil)
	p, err := Build(w, s)
	if !plan.DarkOnly(err) || len(p.Stages) != 1 || p.Stages[0].Name != "users, roles and permissions" {
		t.Errorf("stages %q, %v", stageNames(p), err)
	}
	if waits := fmt.Sprint(p.Waits); !strings.Contains(waits, "switching permissions on waits for etcd-2") {
		t.Errorf("waits %s", waits)
	}
	s.Auth.Enabled = true
	if p, _ := Build(w, s); strings.Contains(fmt.Sprint(p.Waits), "permissions") {
		t.Errorf("waits %v", p.Waits)
	}
	s.Auth.Enabled = false
	if p, _ := Build(permitting(t, 3, "enabled = false"), s); strings.Contains(fmt.Sprint(p.Waits), "permissions") {
		t.Errorf("they are to be off, and it waits: %v", p.Waits)
	}
}

// Permissions are switched on while every voter was seen to be ready for it, whatever learners are.
func TestSwitchOnNeedsAll(t *testing.T) {
	w, s := loggingIn(t, facts.LoginWorks)
	s = withAuth(s, false, append(slices.Clone(appUsers), user("old", "app")), appRole)
	four := permitting(t, 4, passwordBlock)
	learning := s
	learning.Hosts = maps.Clone(s.Hosts)
	learning.Hosts["etcd-4"] = copyHost(settled(t, four).Hosts["etcd-4"])
	learning.Members = append(slices.Clone(s.Members), facts.Listed{
		ID: learning.Hosts["etcd-4"].Data.MemberID, Name: "etcd-4", Learner: true,
		PeerURLs: []string{"https://10.0.0.4:2380"},
	})
	silent := func(h *facts.Host) { h.Reads = false }
	for name, test := range map[string]struct {
		want  Want
		seen  facts.Snapshot
		spoil func(*facts.Host)
		on    bool
	}{
		"all are":                      {w, s, func(*facts.Host) {}, true},
		"one does not serve":           {w, s, silent, false},
		"one asks for no certificates": {w, s, unflagged("client-cert-auth"), false},
		"one signs with no key":        {w, s, unflagged("auth-token"), false},
		"one lets users around": {w, s, func(h *facts.Host) {
			status := *h.Etcd
			status.Version, h.Etcd = "3.6.12", &status
		}, false},
		"one does not serve, and a learner does": {four, learning, silent, false},
	} {
		stage, err := newView(test.want, change(test.seen, "etcd-2", test.spoil)).switchOn("etcd-1")
		if (stage != nil) != test.on || (len(plan.RefusalsOf(err)) > 0) == test.on {
			t.Errorf("%s: %+v, %v", name, stage, err)
		}
	}
}

// One member that refuses root locks nobody out, as long as most do not.
func TestAuthDeniedByOne(t *testing.T) {
	s := withAuth(settled(t, wanted(t, 3)), true, appUsers)
	s = change(s, "etcd-2", func(h *facts.Host) { h.Auth = &facts.AuthState{Enabled: true, Denied: true} })
	stage, err := Next(permitting(t, 3, appBlock), s)
	if err != nil || stage == nil || stage.Steps[0].Kind != plan.PutRole {
		t.Errorf("%s, %v", said(stage), err)
	}
}

// Clients of the inventory that are no user are named, before permissions refuse them.
func TestAuthOfClients(t *testing.T) {
	w := permitting(t, 3, appBlock)
	w.Cluster.Clients = []inventory.Client{
		{Name: "a", User: "app"}, {Name: "r", User: "root"}, {Name: "b", User: "nobody"}, {Name: "c"},
	}
	notes := newView(w, settled(t, wanted(t, 3))).userless()
	if len(notes) != 1 || !strings.Contains(notes[0], `no user "nobody", which the client "b" is`) {
		t.Errorf("notes %q", notes)
	}
}

// A dark host without a vote is nothing to wait for: what keeps permissions from being switched on is said.
func TestAuthDarkBeside(t *testing.T) {
	w := permitting(t, 4, appBlock)
	s := withAuth(settled(t, wanted(t, 3)), false, appUsers, appRole)
	s.Hosts["etcd-4"] = facts.Host{Machine: facts.Machine{Name: "etcd-4"}}
	s = change(s, "etcd-4", darkly)
	s = change(s, "etcd-2", unflagged("client-cert-auth"))
	v := newView(w, s)
	stage, err := v.switchOn("etcd-1")
	if found := fmt.Sprint(plan.RefusalsOf(err)); stage != nil || !strings.Contains(found, "etcd-2 does not") {
		t.Errorf("%v, %s", stage, found)
	}
	if waits := v.permitWaits(); len(waits) > 0 {
		t.Errorf("it waits: %v", waits)
	}
}

// An observer that has power is told of, by what takes the power away; the block auth could not take it in.
func TestAuthOfObserver(t *testing.T) {
	w := permitting(t, 3, appBlock)
	seen := func(roles ...string) facts.Snapshot {
		return withAuth(settled(t, wanted(t, 3)), true, append(slices.Clone(appUsers), user(Observer, roles...)), appRole,
			facts.Role{Name: "none"})
	}
	for name, test := range map[string]struct {
		roles []string
		want  []string
	}{
		"none":                    {nil, nil},
		"one that allows nothing": {[]string{"none"}, nil},
		"one that allows":         {[]string{"app", "none"}, []string{"app"}},
		"root":                    {[]string{"root"}, []string{"root"}},
	} {
		s := seen(test.roles...)
		is := Permissions(w, s)
		if !slices.Equal(is.Observer, test.want) {
			t.Errorf("%s: %q has power", name, is.Observer)
		}
		notes := strings.Join(build(t, w, s).Notes, "\n")
		for _, role := range test.want {
			if !strings.Contains(notes, "user revoke-role "+Observer+" "+role) || slices.ContainsFunc(is.Stray, func(text string) bool {
				return strings.Contains(text, Observer)
			}) {
				t.Errorf("%s: notes %q, stray %q", name, notes, is.Stray)
			}
		}
	}
}

// A member's words are shown within bounds, and form no path.
func TestAuthHostile(t *testing.T) {
	w := permitting(t, 3, appBlock)
	users := slices.Clone(appUsers)
	for i := range 2000 {
		users = append(users, user(fmt.Sprintf("\x1b[2J%d%s", i, strings.Repeat("x", 1000))))
	}
	s := withAuth(settled(t, wanted(t, 3)), true, append(users, user("..")), appRole)
	if notes := strings.Join(build(t, w, s).Notes, "\n"); len(notes) > 1000 || strings.Contains(notes, "\x1b") {
		t.Errorf("notes of %d bytes: %.300q", len(notes), notes)
	}
	w.Accept = []plan.Risk{plan.DropGrants}
	for _, step := range build(t, w, s).Stages[0].Steps {
		if id := step.ID(); len(id) > 200 || strings.Contains(id, "\x1b") || strings.Count(id, "/") != 2 {
			t.Errorf("ID %.300q", id)
		}
	}
}

// Every way on which permissions are switched on, or off again: a run may die after any step, and a member meanwhile.
func TestEveryWayOfAuth(t *testing.T) {
	t.Parallel()
	stray := facts.Role{Name: "stray"}
	var all walked
	for name, test := range map[string]struct {
		block  string
		accept []plan.Risk
		seen   func(facts.Snapshot) facts.Snapshot
	}{
		"from nothing": {appBlock, nil, func(s facts.Snapshot) facts.Snapshot { return withAuth(s, false, nil) }},
		"half on": {appBlock, []plan.Risk{plan.DropGrants}, func(s facts.Snapshot) facts.Snapshot {
			return withAuth(s, false, []facts.User{user("app", "stray"), user("root")}, stray)
		}},
		"on, with strays": {appBlock, []plan.Risk{plan.DropGrants}, func(s facts.Snapshot) facts.Snapshot {
			return withAuth(s, true, []facts.User{user("root", "root"), user("x", "stray")}, stray)
		}},
		"on, and strays stay": {appBlock, nil, func(s facts.Snapshot) facts.Snapshot {
			return withAuth(s, true, []facts.User{user("root", "root"), user("x", "stray")}, stray)
		}},
		"off": {"enabled = false", []plan.Risk{plan.NoAuth}, func(s facts.Snapshot) facts.Snapshot {
			return withAuth(s, true, appUsers, appRole)
		}},
	} {
		for _, flags := range []bool{false, true} {
			w := permitting(t, 3, test.block, test.accept...)
			s := test.seen(newScenes(t, wanted(t, 3)).stages[whole])
			if flags {
				w.Cluster.Etcd.Flags = map[string]string{"max-txn-ops": "7"}
			}
			k := newWalker(t, w)
			k.everyWay(state{seen: s, token: "run-1", way: &way{what: name}}, 1)
			all.add(0, k)
		}
	}
	all.holds(t, 1000, plan.PutRole, plan.PutUser, plan.DropRole, plan.DropUser, plan.EnableAuth, plan.DisableAuth)
}

// Permissions that a version does not hold its users to are not switched on. Where they are on, it is said.
func TestAuthWithoutBounds(t *testing.T) {
	old := at(permitting(t, 3, appBlock), "3.6.12")
	base := settled(t, at(wanted(t, 3), "3.6.12"))
	for name, s := range map[string]facts.Snapshot{
		"bare": bare(old), "off": withAuth(base, false, appUsers, appRole),
	} {
		if _, err := Build(old, s); !strings.Contains(fmt.Sprint(err), "permissions of etcd 3.6.12 do not hold") {
			t.Errorf("%s: %v", name, err)
		}
		if stage, err := Next(old, s); stage != nil || err == nil {
			t.Errorf("%s: it begins with %s", name, said(stage))
		}
	}
	down := base
	down.Auth, down.Members = nil, nil
	for _, name := range down.Names() {
		down = change(down, name, stop)
	}
	if stage, err := Next(old, down); err != nil || stage == nil || stage.Steps[0].Kind != plan.StartMember {
		t.Errorf("where it is not known whether they are on: %s, %v", said(stage), err)
	}
	on := withAuth(base, true, appUsers, appRole)
	p := build(t, old, on)
	if notes := strings.Join(p.Notes, "\n"); len(p.Stages) > 0 ||
		!strings.Contains(notes, "before etcd 3.6.14 do not hold") || !strings.Contains(notes, "etcd-1 (3.6.12), etcd-2") {
		t.Errorf("stages %q, notes %s", stageNames(p), notes)
	}
	gaps, none := Permissions(old, on).Gaps, Permissions(old, withAuth(base, false, appUsers)).Gaps
	if !strings.Contains(gaps, "before etcd 3.6.14 do not hold") || none != "" {
		t.Errorf("gaps %q, and %q while they are off", gaps, none)
	}
	newer := at(permitting(t, 3, appBlock), "3.6.16")
	ids := idsOf(build(t, newer, withAuth(base, false, appUsers, appRole)))
	if at := slices.Index(ids, "enable-auth"); at != len(ids)-1 || at == 0 {
		t.Errorf("an upgrade, and then permissions: %q", ids)
	}
}
