package etcd

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// lines puts settings into the cluster block of three members.
func lines(t *testing.T, settings ...string) Want {
	t.Helper()
	w := wanted(t, 3)
	text := "cluster \"prod\" {\n  version = \"3.6.16\"\n" + strings.Join(settings, "\n") + "\n"
	for _, m := range w.Cluster.Members {
		text += "  member \"" + m.Name + "\" { address = \"" + m.Address + "\" }\n"
	}
	file, diags := inventory.Parse([]byte(text+"}\n"), "test.hcl", inventory.Options{Home: "/home/op"})
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	w.Cluster = file.Clusters[0]
	return w
}

const dataBefore, userBefore = `data_dir = "/var/lib/etcd/prod"`, `user = "etcd"`

// former is a cluster as it was made when all clusters of a host had one user, seen by an inventory with some settings.
func former(t *testing.T, settings ...string) (Want, facts.Snapshot) {
	t.Helper()
	old, w := lines(t, dataBefore, userBefore), lines(t, settings...)
	s := settled(t, old)
	for _, m := range w.Cluster.Members {
		s = change(s, m.Name, func(h *facts.Host) {
			name := old.Cluster.Members[0].DataDir
			h.Files[name+"/member"] = facts.File{Kind: facts.Dir, Owner: "etcd", Group: "etcd", Mode: 0o700}
			h.Files[name] = facts.File{Kind: facts.Dir, Owner: "etcd", Group: "etcd", Mode: 0o700}
			born := h.Files["/etc/etcd/prod/born.json"]
			born.Content = regexp.MustCompile(`(?m)^  "(data_dir|user|form)": .*\n`).ReplaceAll(born.Content, nil)
			h.Files["/etc/etcd/prod/born.json"] = born
			unit := h.Files["/etc/systemd/system/etcd-prod.service"]
			unit.Content = regexp.MustCompile(`# clusterup-form: .*\n`).ReplaceAll(unit.Content, nil)
			h.Files["/etc/systemd/system/etcd-prod.service"] = unit
			if m.DataDir != name { // the look is at both directories
				h.EtcdUser, h.Place, h.Data.Dir = w.Cluster.User == "etcd", &facts.Data{}, name
				delete(h.Files, m.DataDir)
			}
		})
	}
	return w, s
}

var remedyLine = regexp.MustCompile(`[a-z_]+ = "[^"]*"`)

// TestFormerHome follows the remedies of a cluster whose data lies where it did by default before: nothing else is
// refused meanwhile, and with the lines in the inventory nothing moves.
func TestFormerHome(t *testing.T) {
	stop := func(h *facts.Host) { h.Process, h.Etcd, h.Reads, h.Unit.Active = nil, nil, false, "inactive" }
	noUnit := func(h *facts.Host) { delete(h.Files, "/etc/systemd/system/etcd-prod.service") }
	still, starts := []plan.Kind{plan.WriteUnit, plan.RecordBirth},
		[]plan.Kind{plan.WriteUnit, plan.StartMember, plan.RecordBirth}
	for name, test := range map[string]struct {
		harm  func(h *facts.Host)
		lines []string    // those that are in from the start
		asked int         // lines that the first refusal asks for
		steps []plan.Kind // that the lines lead to
	}{
		"running":                           {func(*facts.Host) {}, nil, 2, still},
		"stopped":                           {stop, nil, 2, starts},
		"running, with its directory":       {func(*facts.Host) {}, []string{dataBefore}, 1, still},
		"stopped, with its directory":       {stop, []string{dataBefore}, 1, starts},
		"running, with its user":            {func(*facts.Host) {}, []string{userBefore}, 1, still},
		"running, its owner hidden":         {func(h *facts.Host) { h.Process.User = "root" }, nil, 2, still},
		"running, its user removed":         {func(h *facts.Host) { h.Process.User = facts.NoName }, nil, 2, still},
		"running, its unit removed":         {noUnit, nil, 2, still},
		"stopped, its unit removed":         {func(h *facts.Host) { stop(h); noUnit(h) }, nil, 2, starts},
		"stopped without unit, one line in": {func(h *facts.Host) { stop(h); noUnit(h) }, []string{dataBefore}, 1, starts},
		"running, its marker removed": {
			func(h *facts.Host) { delete(h.Files, "/etc/etcd/prod/born.json") }, nil, 2,
			still,
		},
		"all that says so removed": {func(h *facts.Host) {
			stop(h)
			noUnit(h)
			delete(h.Files, "/etc/etcd/prod/born.json")
		}, nil, 2, starts},
		"its disk not mounted, its unit removed": {func(h *facts.Host) {
			stop(h)
			noUnit(h)
			delete(h.Files, "/var/lib/etcd/prod/member")
		}, nil, 2, starts},
		"running, its marker damaged": {func(h *facts.Host) {
			h.Files["/etc/etcd/prod/born.json"] = facts.File{Kind: facts.Regular, Content: []byte("{")}
		}, nil, 2, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w, s := former(t, test.lines...)
			found := true // at its former place, since the unit names it
			for _, m := range w.Cluster.Members {
				s = change(s, m.Name, test.harm)
				s = change(s, m.Name, func(h *facts.Host) {
					if _, ok := h.Files[UnitPath(w.Cluster)]; !ok && h.Data.Dir != "" {
						h.Data, h.Place = facts.Data{}, nil
					}
					found = found && (h.Data.Dir != "" || m.DataDir == "/var/lib/etcd/prod")
				})
			}
			for _, next := range []func(Want, facts.Snapshot) (*plan.Stage, error){Next, NextDestroy(false), NextDestroy(true)} {
				_, err := next(w, s)
				var refused *plan.Refused
				if errors.As(err, &refused); refused == nil && found { // destroy goes on
					p, err := BuildWith(next, w, s)
					if err != nil || !strings.Contains(fmt.Sprint(p.Stages), "{/var/lib/etcd/prod ") {
						t.Errorf("destroyed: %d stages, %v", len(p.Stages), err)
					}
					continue
				}
				if refused == nil || !refused.Only(plan.DataMoved) || len(refused.Refusals) != 3 {
					t.Fatalf("got %v, want three of %s", err, plan.DataMoved)
				}
				asked := remedyLine.FindAllString(refused.Refusals[1].Remedy, -1)
				if len(asked) != test.asked {
					t.Fatalf("asked for %q in %q", asked, refused.Refusals[1].Remedy)
				}
				in, seen := former(t, append(asked, test.lines...)...)
				for _, m := range in.Cluster.Members {
					seen = change(seen, m.Name, test.harm)
				}
				if test.steps != nil {
					follow(t, in, seen, test.steps)
				}
			}
		})
	}
}

// follow plans to the end, and wants no other kinds of steps than those that are named.
func follow(t *testing.T, w Want, s facts.Snapshot, kinds []plan.Kind) {
	t.Helper()
	p, err := Build(w, s)
	if err != nil {
		t.Fatalf("with the lines in the inventory: %v", err)
	}
	var got []plan.Kind
	for _, stage := range p.Stages {
		for _, step := range stage.Steps {
			if !slices.Contains(got, step.Kind) {
				got = append(got, step.Kind)
			}
			for _, change := range step.Changes {
				if !bytes.Contains(change.Data, []byte("User=etcd\n")) {
					t.Errorf("writes %s", change.Data)
				}
			}
		}
	}
	if !slices.Equal(got, kinds) {
		t.Errorf("with the lines in the inventory: %v, want %v", got, kinds)
	}
}

// TestHomeByHand: data that was moved by hand with its owner, while the member was stopped, is where the inventory
// says.
func TestHomeByHand(t *testing.T) {
	w, s := former(t)
	for _, m := range w.Cluster.Members {
		s = change(s, m.Name, func(h *facts.Host) {
			h.Process, h.Etcd, h.Reads, h.Unit.Active = nil, nil, false, "inactive"
			born, _ := identify(w, s).births[m.Name]
			h.Data = facts.Data{Exists: true, WAL: true}
			must(t, h.Data.ClusterID.UnmarshalText([]byte(born.ClusterID)))
			must(t, h.Data.MemberID.UnmarshalText([]byte(born.MemberID)))
			h.EtcdUser = true
			h.Files[m.DataDir] = facts.File{Kind: facts.Dir, Owner: "etcd-prod", Group: "etcd-prod", Mode: 0o700}
		})
	}
	if _, err := Next(w, s); err != nil {
		t.Error(err)
	}
	s = change(s, "etcd-2", func(h *facts.Host) {
		h.Files["/var/lib/etcd-prod"] = facts.File{Kind: facts.Dir, Owner: "etcd", Group: "etcd", Mode: 0o700}
	})
	if _, err := Next(w, s); err == nil ||
		!strings.Contains(err.Error(), "etcd-2: its member runs as etcd; the inventory asks for etcd-prod") {
		t.Errorf("with its former owner: %v", err)
	}
}

// TestHomeOfRoot: files that somebody restored as root are given to the member, also those within its directory.
func TestHomeOfRoot(t *testing.T) {
	w := wanted(t, 3)
	s := change(settled(t, w), "etcd-2", func(h *facts.Host) {
		h.Files["/var/lib/etcd-prod/member"] = facts.File{Kind: facts.Dir, Owner: "root", Group: "root", Mode: 0o700}
	})
	p, err := Build(w, s)
	if err != nil || len(p.Stages) != 1 || len(p.Stages[0].Steps) != 1 {
		t.Fatalf("%+v, %v", p.Stages, err)
	}
	const why = "/var/lib/etcd-prod/member: owner root:root, want etcd-prod:etcd-prod"
	if step := p.Stages[0].Steps[0]; step.Kind != plan.FixModes || step.Why != why {
		t.Errorf("%+v", step)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The lines that keep a member's home go where the inventory has the setting: into the member's block if that names a
// directory.
func TestHomeLines(t *testing.T) {
	w := lines(t)
	v, own, walls := view{want: w}, w.Cluster.Members[1], w.Cluster.Members[2]
	own.DataDir, walls.WALDir = "/data/etcd", "/fast/etcd"
	const dir, wal, user = `data_dir = "/var/lib/etcd/prod"`, `wal_dir = "/log"`, `user = "etcd"`
	for _, test := range []struct {
		member inventory.Member
		lines  []string
		want   string
	}{
		{
			w.Cluster.Members[0],
			[]string{dir, user},
			"put " + dir + " and " + user + " into the cluster block of the inventory",
		},
		{w.Cluster.Members[0], []string{noWALDir}, "take wal_dir out of the cluster block of the inventory"},
		{own, []string{dir, wal}, "put " + dir + " and " + wal + ` into the block of member "etcd-2"`},
		{own, []string{dir, user}, "put " + dir + ` into the block of member "etcd-2", and put ` + user +
			" into the cluster block of the inventory"},
		{walls, []string{noWALDir}, `take wal_dir out of the block of member "etcd-3"`},
	} {
		if got := v.homeLines(test.member, test.lines); got != test.want {
			t.Errorf("%s, %q: %s, want %s", test.member.Name, test.lines, got, test.want)
		}
	}
}
