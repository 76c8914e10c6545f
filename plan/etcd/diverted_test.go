package etcd

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// Anything that reaches the next start besides the unit file is refused before anything moves, and its source is named.
func TestDiverted(t *testing.T) {
	w := wanted(t, 3)
	base := settled(t, w)
	roll := w
	cluster := *w.Cluster
	cluster.Etcd.HeartbeatInterval *= 2
	cluster.Etcd.ElectionTimeout *= 2
	roll.Cluster = &cluster
	old := func(h *facts.Host) { // a unit of the first clusterup, which kept little from its member
		*h = withUnit(w, *h, "UnsetEnvironment=ETCD_", "UnsetEnvironment=X_")
	}
	for name, c := range map[string]struct {
		old    bool
		change func(*facts.Start)
		says   string // empty: no refusal
	}{
		"another command": {
			false, func(s *facts.Start) { s.Command = "/usr/bin/etcd --name=x" },
			"mine.conf changes the command: binary: ",
		},
		"another flag": {
			false, func(s *facts.Start) { s.Command += " --name=x" },
			"changes the command: --name: etcd-2 → x",
		},
		"no command":    {false, func(s *facts.Start) { s.Command = "" }, "changes the command"},
		"no guard":      {false, func(s *facts.Start) { s.Guarded = false }, "takes away the guard"},
		"nothing unset": {false, func(s *facts.Start) { s.Unset = nil }, "UnsetEnvironment lacks ETCD_CONFIG_FILE "},
		"one is not unset": {
			true, func(s *facts.Start) { s.Unset = s.Unset[1:] },
			"UnsetEnvironment lacks X_CONFIG_FILE",
		},
		"a variable":           {false, sets("ETCD_FORCE_NEW_CLUSTER", ""), "mine.conf sets ETCD_FORCE_NEW_CLUSTER"},
		"a variable, old unit": {true, sets("ETCD_NAME", ""), "sets ETCD_NAME"},
		"a variable of a file": {
			false, sets("ETCD_NAME", "/etc/default/x"),
			"/etc/default/x, which the drop-in /etc/systemd/",
		},
		"one for all services": {false, sets("HTTPS_PROXY", ""), ""},
		"another user":         {false, func(s *facts.Start) { s.Settings["User"] = "root" }, "sets User=root"},
		"another root": {
			false, func(s *facts.Start) { s.Settings["RootDirectory"] = "/srv" },
			"sets RootDirectory=/srv",
		},
		"a variable of no harm":  {false, sets("GOOGLE_CLOUD", ""), ""},
		"more unset":             {false, func(s *facts.Start) { s.Unset = append(s.Unset, "FOO") }, ""},
		"none that matters":      {false, func(*facts.Start) {}, ""},
		"the same, and old unit": {true, func(*facts.Start) {}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := base
			if c.old {
				s = change(s, "etcd-2", old)
			}
			s = change(s, "etcd-2", onHost(w, dropIn(c.change)))
			for _, want := range []Want{w, roll} {
				stage, err := Next(want, s)
				if c.says == "" {
					if err != nil {
						t.Errorf("refused: %v", err)
					}
					continue
				}
				if err == nil {
					t.Fatalf("stage %s, want a refusal", stage.Name)
				}
				if got := refusals(t, want, s); len(got) != 1 || got[0].Kind != plan.UnitDiverted || got[0].Host != "etcd-2" ||
					!strings.Contains(got[0].Reason, c.says) {
					t.Errorf("refusals %+v, want one that says %q", got, c.says)
				}
			}
			if c.says == "" {
				s = Simulate(w, s, plan.Stage{Steps: unitSteps(t, w, s)})
				if found := newView(w, s).diversions(s.Hosts["etcd-2"]); len(found) > 0 {
					t.Errorf("with the unit that is to come: %q", found)
				}
			}
		})
	}
	silent := change(base, "etcd-2", func(h *facts.Host) { h.Unit.DropIns = []string{"/x.conf"} })
	if got := refusals(t, w, silent); len(got) != 1 || !strings.Contains(got[0].Reason, "could not be read") {
		t.Errorf("a host that does not tell: %+v", got)
	}
}

func sets(name, file string) func(*facts.Start) {
	return func(s *facts.Start) { s.Variables = []facts.Variable{{Name: name, File: file}} }
}

// unitSteps write the wanted unit of etcd-2.
func unitSteps(t *testing.T, w Want, s facts.Snapshot) []plan.Step {
	t.Helper()
	v := newView(w, s)
	m := w.Cluster.Members[slices.IndexFunc(w.Cluster.Members,
		func(m inventory.Member) bool { return m.Name == "etcd-2" })]
	return []plan.Step{{
		Kind: plan.WriteUnit, Host: "etcd-2",
		Changes: []plan.Change{{File: v.unitFile(m, s.Hosts["etcd-2"])}},
	}}
}

// A drop-in that systemd has not read yet is read, and looked at, before the member restarts.
func TestUnreadDropIn(t *testing.T) {
	w := wanted(t, 3)
	s := settled(t, w)
	w.Cluster.Etcd.HeartbeatInterval *= 2
	w.Cluster.Etcd.ElectionTimeout *= 2
	s = change(s, "etcd-1", func(h *facts.Host) { h.Unit.NeedsReload = true })
	stage, err := Next(w, s)
	if err != nil || len(stage.Steps) != 1 || stage.Steps[0].ID() != "reload-units/etcd-1" {
		t.Fatalf("first %+v, %v", stage, err)
	}
}

// A member whose next start is diverted is not taken back either.
func TestBackIsNotDiverted(t *testing.T) {
	w := wanted(t, 3)
	before := settled(t, w)
	stage := plan.Stage{Steps: []plan.Step{{Kind: plan.RestartMember, Host: "etcd-2", From: "3.6.16", Version: "3.6.16"}}}
	failed := change(before, "etcd-2", func(h *facts.Host) { stop(h); h.Unit.Active = "failed" })
	if Back(w, before, failed, stage) == nil {
		t.Fatal("not taken back")
	}
	for name, do := range map[string]func(Want, *facts.Host){
		"diverted": dropIn(func(s *facts.Start) { s.Command = "/bin/false" }),
		"unread":   func(_ Want, h *facts.Host) { h.Unit.NeedsReload = true },
	} {
		if back := Back(w, before, change(failed, "etcd-2", onHost(w, do)), stage); back != nil {
			t.Errorf("%s: %s", name, back.Name)
		}
	}
}

// A variable of etcd's own in a running process is not wanted: the member restarts without it. Others are only told.
func TestVariablesOfAProcess(t *testing.T) {
	w := wanted(t, 3)
	s := change(settled(t, w), "etcd-2", func(h *facts.Host) {
		p := *h.Process
		p.Variables = []string{"ETCD_UNSAFE_NO_FSYNC", "ETCD_OF_NOBODY", "GOGC", "GOPHER"}
		h.Process = &p
	})
	p, err := Build(w, s)
	if err != nil || len(p.Stages) != 1 {
		t.Fatalf("%+v, %v", p, err)
	}
	if why := p.Stages[0].Steps[0].Why; !strings.Contains(why, "ETCD_UNSAFE_NO_FSYNC") ||
		strings.Contains(why, "NOBODY") || strings.Contains(why, "GO") {
		t.Errorf("it restarts since it %s", why)
	}
	if notes := fmt.Sprint(p.Notes); !strings.Contains(notes, "etcd-2: ") || !strings.Contains(notes, "GOGC") ||
		strings.Contains(notes, "GOPHER") {
		t.Errorf("notes %s", notes)
	}
}

// A unit of the same name that clusterup did not write, or wrote for another cluster, is not touched.
func TestForeignUnit(t *testing.T) {
	w := wanted(t, 3)
	fresh, whole := bare(w), settled(t, w)
	own := UnitPath(w.Cluster)
	file := func(kind facts.Kind, text string) func(*facts.Host) {
		return func(h *facts.Host) {
			h.Files[own] = facts.File{Kind: kind, Mode: 0o644, Owner: "root", Group: "root", Content: []byte(text)}
			h.Unit.Load, h.Unit.Fragment = "loaded", own
		}
	}
	other := units.Unit(units.Member{
		Cluster: "other", Name: "a", Unit: "etcd-prod", ConfigDir: "/etc/etcd/other",
		DataDir: "/var/lib/other",
	})
	for name, c := range map[string]struct {
		from facts.Snapshot
		do   func(*facts.Host)
		says string
	}{
		"of another installer": {
			fresh, file(facts.Regular, "[Service]\nExecStart=/usr/bin/etcd\n"),
			own + ", is not one that clusterup wrote",
		},
		"in place of ours": {
			whole, file(facts.Regular, "[Service]\nExecStart=/usr/bin/etcd\n"),
			own + ", is not one that clusterup wrote",
		},
		"a link":             {fresh, file(facts.Link, ""), "is a symbolic link"},
		"of another cluster": {fresh, file(facts.Regular, string(other.Data)), "is that of another cluster"},
		"of the distribution": {fresh, func(h *facts.Host) {
			h.Unit.Load, h.Unit.Fragment = "loaded", "/lib/systemd/system/etcd-prod.service"
			h.Process = &facts.Process{PID: 7, Args: []string{"/usr/bin/etcd"}}
		}, "/lib/systemd/system/etcd-prod.service, is not one that clusterup wrote"},
	} {
		t.Run(name, func(t *testing.T) {
			s := change(c.from, "etcd-2", c.do)
			got := refusals(t, w, s)
			_, err := NextDestroy(true)(w, s)
			var refused *plan.Refused
			if !errors.As(err, &refused) {
				t.Fatalf("destroy: %v", err)
			}
			for _, r := range append(got, refused.Refusals...) {
				if r.Kind != plan.ForeignUnit || r.Host != "etcd-2" || !strings.Contains(r.Reason, c.says) {
					t.Errorf("refusal %+v, want one that says %q", r, c.says)
				}
			}
			if len(got) != 1 {
				t.Errorf("%d refusals", len(got))
			}
		})
	}
	later := change(whole, "etcd-2", func(h *facts.Host) {
		*h = withUnit(w, *h, "# Written by clusterup from", "# Written by clusterup 2.0 from")
	})
	if stage, err := Next(w, later); err != nil || stage == nil || stage.Steps[0].Kind != plan.WriteUnit {
		t.Errorf("a unit with another first line of ours: %+v, %v", stage, err)
	}
}
