package etcd

import (
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// ofAuth are the refusals that keep a cluster from locking everybody out, or from being opened by mistake.
func ofAuth(t *testing.T, w Want) []dead {
	t.Helper()
	base := settled(t, w)
	block, off := permitting(t, 3, appBlock), permitting(t, 3, "enabled = false")
	on := withAuth(base, true, appUsers, appRole)
	locked := on
	locked.Auth = &facts.Auth{AuthState: facts.AuthState{Enabled: true, Denied: true}}
	for _, name := range locked.Names() {
		locked = change(locked, name, func(h *facts.Host) { h.Auth = &facts.AuthState{Enabled: true, Denied: true} })
	}
	silent := on
	silent.Auth = &facts.Auth{AuthState: on.Auth.AuthState, Error: "no answer"}
	crowded, untold := silent, on
	crowded.Auth = &facts.Auth{AuthState: on.Auth.AuthState, Error: "it names 20000", TooMuch: true}
	untold.Auth, untold.AuthError = nil, "no answer"
	kept := func(c *inventory.Auth) func(Want, facts.Snapshot) (Want, facts.Snapshot) {
		return func(w Want, s facts.Snapshot) (Want, facts.Snapshot) {
			cluster := *w.Cluster
			cluster.Auth, w.Cluster = c, &cluster
			return w, s
		}
	}
	corrupt := alarmedBy(withAuth(base, true, nil), "CORRUPT", "etcd-2")
	corrupt.Auth.Users = []facts.User{user("root", "root")}
	held, plainly := heldBack(t, "3.6.16")
	for _, name := range plainly.Names() {
		if plainly.Hosts[name].Etcd.Version == "3.6.16" {
			plainly = change(plainly, name, unflagged("client-cert-auth"))
		}
	}
	behind, unbound := heldBack(t, "3.6.12")
	differing := alarmedBy(withAuth(base, false, appUsers, appRole), "CORRUPT", "etcd-2")
	return append(ofTokens(t), []dead{
		{name: "root has lost its role", want: block, seen: locked, follow: mended(on)},
		{name: "the block vanished, and comes back", want: w, seen: on, follow: kept(block.Cluster.Auth)},
		{name: "the block vanished, and an empty one comes", want: w, seen: on, follow: kept(&inventory.Auth{Enabled: true})},
		{name: "switched off", want: off, seen: on},
		{name: "users are not told", want: block, seen: silent, follow: mended(on)},
		{name: "there are too many users", want: block, seen: crowded, follow: mended(on)},
		{name: "nothing of permissions is told", want: block, seen: untold, follow: mended(on)},
		{name: "nothing is told, and they are to be off", want: off, seen: untold, follow: mended(withAuth(base, false, nil))},
		{name: "permissions are to be switched on while data differ", want: block, seen: differing, follow: mended(on)},
		{name: "users change while data differ", want: block, seen: corrupt, follow: mended(on)},
		{name: "permissions do not hold", want: at(block, "3.6.12"), seen: withAuth(base, false, nil), follow: func(w Want, s facts.Snapshot) (Want, facts.Snapshot) {
			return at(w, "3.6.16"), s
		}},
		{name: "one lets users around", want: behind, seen: unbound, follow: func(w Want, s facts.Snapshot) (Want, facts.Snapshot) {
			w.HoldLast = false
			return w, s
		}},
		{name: "one asks for no certificates", want: held, seen: plainly, follow: func(w Want, s facts.Snapshot) (Want, facts.Snapshot) {
			w.HoldLast = false // it restarts with the others
			return w, s
		}},
	}...)
}

// unflagged has a member run as one that was not told of a flag.
func unflagged(flag string) func(*facts.Host) {
	return func(h *facts.Host) {
		p := *h.Process
		p.Args = slices.DeleteFunc(slices.Clone(p.Args), func(arg string) bool { return strings.HasPrefix(arg, "--"+flag) })
		h.Process = &p
	}
}

// heldBack is a cluster whose last member is to stay as it is, at a version.
func heldBack(t *testing.T, version string) (Want, facts.Snapshot) {
	t.Helper()
	s := settled(t, at(wanted(t, 3), version))
	w := at(permitting(t, 3, appBlock), "3.7.3")
	w.HoldLast = true
	for range 60 {
		stage, err := Next(w, s)
		if err != nil {
			t.Fatal(err)
		}
		if stage == nil || slices.Contains([]string{"users, roles and permissions", "switch permissions on"}, stage.Name) {
			break
		}
		s = Simulate(w, s, *stage)
	}
	return w, withAuth(s, false, appUsers, appRole)
}

// While root is locked out nothing is done, whatever else is wanted.
func TestAuthRefusesAtOnce(t *testing.T) {
	at := 0
	for _, d := range ofAuth(t, wanted(t, 3)) {
		switch d.name {
		case "root has lost its role", "the block vanished, and comes back", "switched off", "permissions do not hold",
			"an old copy of the operator directory":
			at++
		default:
			continue
		}
		d.want.Cluster.Etcd.Flags = map[string]string{"max-txn-ops": "7"}
		if stage, err := Next(d.want, d.seen); stage != nil || len(plan.RefusalsOf(err)) == 0 {
			t.Errorf("%s: %s, %v", d.name, said(stage), err)
		}
	}
	if at != 5 {
		t.Errorf("%d scenes", at)
	}
}

// inFull are refusals with their remedies.
func inFull(all []plan.Refusal) string {
	var texts []string
	for _, r := range all {
		texts = append(texts, r.Reason+" → "+r.Remedy)
	}
	return strings.Join(texts, "\n")
}

// What is not known is not off: nothing ends as if it were, and nobody is locked out in silence.
func TestAuthNotKnown(t *testing.T) {
	scenes := map[string]dead{}
	for _, d := range ofAuth(t, wanted(t, 3)) {
		scenes[d.name] = d
	}
	for name, text := range map[string]string{
		"users are not told":                      "run the same command again",
		"there are too many users":                "user delete",
		"nothing of permissions is told":          "run the same command again",
		"nothing is told, and they are to be off": "run the same command again",
	} {
		d, known := scenes[name]
		if refusal := inFull(refusals(t, d.want, d.seen)); !known || !strings.Contains(refusal, text) {
			t.Errorf("%s: refused with %s", name, refusal)
		}
	}
	untold := scenes["nothing of permissions is told"].seen
	if is := Permissions(permitting(t, 3, appBlock), untold); is.Known || is.Enabled {
		t.Errorf("permissions: %+v", is)
	}
	notes := strings.Join(build(t, wanted(t, 3), untold).Notes, "\n")
	if !strings.Contains(notes, "not known whether etcd's permissions") {
		t.Errorf("without a block: notes %q", notes)
	}
	locked := scenes["root has lost its role"]
	_, err := Build(locked.want, change(locked.seen, "etcd-2", darkly))
	if found := inFull(plan.RefusalsOf(err)); !strings.Contains(found, "has not the role root") ||
		!strings.Contains(found, "--cert DIR/NAME.pem") || strings.Contains(found, "--user") {
		t.Errorf("with a dark host: %s", found)
	}
}

// Without TLS the one thing to do is to have it: what is to become of permissions is asked for then.
func TestAuthWithoutTLS(t *testing.T) {
	w := wanted(t, 3)
	w.Cluster.TLS.Clients = false
	if found := refusals(t, w, shutOut(t, w)); len(found) != 1 || found[0].Kind != plan.NoUser {
		t.Errorf("refused for %+v", found)
	}
}

// A restored cluster has users and roles of its own.
func TestAuthOfRestored(t *testing.T) {
	w := wanted(t, 3)
	s := withAuth(settled(t, w), true, appUsers)
	if s = SimulateStep(w, s, stepOf(w, s, plan.RestoreData)); s.Auth != nil {
		t.Errorf("it has %+v", s.Auth)
	}
}
