package etcd

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/trust"
	"github.com/clusterup/clusterup/units"
)

// binaries are the programs of a release that are installed on a host.
var binaries = []string{"etcd", "etcdctl", "etcdutl"}

// prepare puts users, directories, releases, trust, leaves and units right on all hosts side by side. Nothing that runs
// is touched: a running member keeps its open files, and re-reads only its leaves, which stay valid.
func (v view) prepare() (*plan.Stage, error) {
	var steps []plan.Step
	v.Each(func(m inventory.Member, host facts.Host) { steps = append(steps, v.prepareHost(m, host)...) })
	name := "put files right"
	if !v.formed || slices.ContainsFunc(steps, func(s plan.Step) bool {
		return s.Kind == plan.InstallRelease && v.joins(s.Host)
	}) {
		name = "prepare hosts"
	}
	stage := plan.SideBySide(name, "no running member is touched", steps)
	if v.unpacks(steps) {
		stage.Gate, stage.Width = "no running member is touched, and no two of them wait for their disks at once", 1
	}
	return stage, nil
}

// unpacks says whether steps write a release to disks on which members run. On all hosts at once that could keep
// every member from writing its log, and so from answering heartbeats, at the same moment.
func (v view) unpacks(steps []plan.Step) bool {
	return slices.ContainsFunc(steps, func(s plan.Step) bool {
		return s.Kind == plan.InstallRelease && v.seen.Hosts[s.Host].Process != nil
	})
}

func (v view) prepareHost(m inventory.Member, host facts.Host) []plan.Step {
	if m.Absent { // it is about to leave
		return nil
	}
	var steps []plan.Step
	add := func(found ...plan.Step) {
		for _, step := range found {
			step.Host = m.Name
			steps = append(steps, step)
		}
	}
	if !host.EtcdUser {
		add(plan.Step{Kind: plan.CreateUser, Why: "no system user " + v.want.Cluster.User})
	}
	add(v.directories(m, host)...)
	for _, r := range v.releases(host) {
		add(installRelease(r, host)...)
	}
	add(v.trustFiles(host)...)
	add(v.tokenFiles(host)...)
	leaves := v.trust.Leaves(v.holder(m, host))
	switch {
	case v.class(m, host) == ClassRemoved: // what was its is put aside first, and its certificates are revoked
	case len(leaves) > 0:
		add(leaves...)
	default:
		add(v.leafModes(host)...)
	}
	add(v.unit(m, host)...)
	return steps
}

// directories makes the directories that the member needs, and puts right owners and modes, which keep others out of
// its data and keys.
func (v view) directories(m inventory.Member, host facts.Host) []plan.Step {
	conf, user := ConfigDir(v.want.Cluster), v.want.Cluster.User
	wanted := []plan.Path{
		{Path: "/etc/etcd", Owner: "root", Group: "root", Mode: 0o755},
		{Path: conf, Owner: "root", Group: "root", Mode: 0o755},
		{Path: path.Join(conf, "tls"), Owner: "root", Group: user, Mode: 0o750},
		{Path: ourParent, Owner: "root", Group: "root", Mode: 0o755},
		{Path: facts.ReleaseDir, Owner: "root", Group: "root", Mode: 0o755},
		{Path: m.DataDir, Owner: user, Group: user, Mode: 0o700},
	}
	if m.WALDir != "" {
		wanted = append(wanted, plan.Path{Path: m.WALDir, Owner: user, Group: user, Mode: 0o700})
	}
	within := path.Join(m.DataDir, "member") // made by etcd, or by whoever restored it as root
	if have, ok := host.Files[within]; ok && have.Kind == facts.Dir {
		wanted = append(wanted, plan.Path{Path: within, Owner: user, Group: user, Mode: have.Mode})
	}
	shared := []string{"/etc/etcd", ourParent} // others may have made these: good as they are
	var make, whys []string
	var paths []plan.Path
	for _, want := range wanted {
		have, ok := host.Files[want.Path]
		switch {
		case !ok || have.Kind != facts.Dir:
			make = append(make, want.Path)
		case slices.Contains(shared, want.Path) && (want.Path != ourParent || v.passes(have, host)),
			differs(want, have) == "":
			continue
		default:
			whys = append(whys, differs(want, have))
		}
		paths = append(paths, want)
	}
	switch {
	case len(paths) == 0:
		return nil
	case len(make) > 0:
		whys = append([]string{plan.Count(len(make), "directory missing")}, whys...)
		if len(make) > 1 {
			whys[0] = fmt.Sprintf("%d directories missing", len(make))
		}
	}
	kind := plan.MakeDirs
	if len(make) == 0 {
		kind = plan.FixModes
	}
	return []plan.Step{{Kind: kind, Why: strings.Join(whys, ", "), Paths: paths}}
}

// differs says how a file's owner, group and mode are not as wanted.
func differs(want plan.Path, have facts.File) string {
	var parts []string
	if have.Owner != want.Owner || have.Group != want.Group {
		parts = append(parts, fmt.Sprintf("owner %s:%s, want %s:%s", have.Owner, have.Group, want.Owner, want.Group))
	}
	if have.Mode != want.Mode {
		parts = append(parts, fmt.Sprintf("mode %04o, want %04o", uint32(have.Mode), uint32(want.Mode)))
	}
	if len(parts) == 0 {
		return ""
	}
	return want.Path + ": " + strings.Join(parts, ", ")
}

// installRelease is wanted when a binary is missing or holds other bytes; a wrong mode alone is only put right.
func installRelease(r plan.Release, host facts.Host) []plan.Step {
	dir := BinDir(r)
	if _, ok := host.Files[dir]; !ok {
		return []plan.Step{{Kind: plan.InstallRelease, Release: &r, Why: "not there"}}
	}
	var whys []string
	var wrong []plan.Path
	for _, name := range binaries {
		file := path.Join(dir, name)
		have, ok := host.Files[file]
		switch {
		case !ok:
			whys = append(whys, name+" missing")
		case have.Kind != facts.Regular:
			whys = append(whys, name+" is not a file")
		case host.Binaries[file] != r.Binaries[name]:
			whys = append(whys, name+" altered")
		default:
			want := plan.Path{Path: file, Owner: "root", Group: "root", Mode: 0o755}
			if differs(want, have) != "" {
				wrong = append(wrong, want)
			}
		}
	}
	if want := (plan.Path{Path: dir, Owner: "root", Group: "root", Mode: 0o755}); differs(want, host.Files[dir]) != "" {
		wrong = append(wrong, want)
	}
	if len(whys) > 0 {
		return []plan.Step{{Kind: plan.InstallRelease, Release: &r, Why: strings.Join(whys, ", ")}}
	}
	return fixModes(wrong, host)
}

func fixModes(paths []plan.Path, host facts.Host) []plan.Step {
	if len(paths) == 0 {
		return nil
	}
	var whys []string
	for _, p := range paths {
		whys = append(whys, differs(p, host.Files[p.Path]))
	}
	return []plan.Step{{Kind: plan.FixModes, Why: strings.Join(whys, "; "), Paths: paths}}
}

// trustFiles writes the trust bundles of both roles, and the lists of revoked certificates. Older bundles stay until
// nothing runs with them.
func (v view) trustFiles(host facts.Host) []plan.Step {
	var changes []plan.Change
	var whys []string
	add := func(what string, file units.File) {
		if change, why := fileChange(file, host); why != "" {
			changes = append(changes, change)
			whys = append(whys, what+" "+why)
		}
	}
	for _, role := range trust.Roles {
		add("bundle of "+trust.Numbered(role, v.trust.Bundled(role, host)), v.trust.Bundle(role, host))
	}
	for _, role := range trust.Roles {
		if list := v.trust.Revoked(role); v.trust.Lists(role) && len(list.Data) > 0 { // with an empty one nobody gets in
			add("list of revoked "+role+" certificates", list)
		}
	}
	if len(changes) == 0 {
		return nil
	}
	return []plan.Step{{Kind: plan.WriteTrust, Why: strings.Join(whys, ", "), Changes: changes}}
}

// fileChange compares a wanted file with what is there; the reason is empty when they agree.
func fileChange(want units.File, host facts.Host) (plan.Change, string) {
	have, ok := host.Files[want.Path]
	why := differs(plan.Path{Path: want.Path, Owner: want.Owner, Group: want.Group, Mode: want.Mode}, have)
	switch {
	case !ok:
		why = "missing"
	case have.Kind != facts.Regular:
		why = "is not a regular file"
	case !bytes.Equal(have.Content, want.Data):
		why = "differs"
	case why == "":
		return plan.Change{File: want, Existed: true}, ""
	}
	return plan.Change{File: want, Was: redacted(have.Content), Existed: ok}, why
}

// unit writes the unit file, makes systemd read it again, and enables it at boot, each only where needed.
func (v view) unit(m inventory.Member, host facts.Host) []plan.Step {
	name := v.want.Cluster.UnitName
	var steps []plan.Step
	switch {
	case v.lost(host): // no release of its version is at hand, and it stays as it is
	case host.Process == nil && !v.starting(m, host): // it is told of the members that there are when it is one
	default:
		if v.mustRestart(m, host) == nil {
			steps = v.writeUnit(m, host)
		}
		// now, and not right before that restart: a look comes between, and judges new drop-ins
		if len(steps) == 0 && host.Unit.NeedsReload {
			steps = append(steps, plan.Step{
				Kind: plan.ReloadUnits, Why: "the unit changed on disk after systemd read it", Unit: name,
			})
		}
	}
	if host.Process != nil && host.Unit.Enabled != "enabled" {
		steps = append(steps, plan.Step{
			Kind: plan.EnableUnit, Why: "the unit is " + cmp.Or(host.Unit.Enabled, "not there"),
			Unit: name,
		})
	}
	return steps
}

// writeUnit writes the wanted unit file; nil where it is there. For a member that must restart it is written right
// before: if the new unit is bad, one member finds out, and the others can still start with their old ones.
func (v view) writeUnit(m inventory.Member, host facts.Host) []plan.Step {
	change, why := fileChange(v.unitFile(m, host), host)
	switch why {
	case "":
		return nil
	case "differs":
		why = v.unitReason(m, host, change)
	}
	return []plan.Step{{
		Kind: plan.WriteUnit, Host: m.Name, Why: why, Unit: v.want.Cluster.UnitName, Changes: []plan.Change{change},
	}}
}

// unitReason says why a unit file is written anew, in the words of what differs.
func (v view) unitReason(m inventory.Member, host facts.Host, change plan.Change) string {
	was := v.starts(host)
	if v.formed && units.Flag(was, "initial-cluster-state") == "new" {
		return "the cluster exists now: initial-cluster-state becomes existing"
	}
	if unit := host.Files[UnitPath(v.want.Cluster)].Content; len(was) > 0 && units.WriterOf(unit).Form < units.Form {
		return "an older clusterup wrote it"
	}
	switch {
	case units.Flag(was, "name") != m.Name:
		return "is not the unit of this member"
	case v.onlyCluster(change):
		return "initial-cluster names the members that are wanted"
	}
	return "differs from what is wanted"
}

// onlyCluster says that a unit file changes in nothing but the members that its command line names.
func (v view) onlyCluster(change plan.Change) bool {
	named := func(unit []byte) []byte {
		return []byte("--initial-cluster=" + units.Flag(v.trust.Units.Command(unit), "initial-cluster"))
	}
	return bytes.Equal(bytes.Replace(change.Was, named(change.Was), named(change.Data), 1), change.Data)
}

// leafModes puts right the owners and modes of certificates and keys.
func (v view) leafModes(host facts.Host) []plan.Step {
	var wrong []plan.Path
	for _, role := range []string{"peer", "server"} {
		wrong = append(wrong, v.wrongModes(role, host)...)
	}
	return fixModes(wrong, host)
}

// wrongModes are the directory and files of a leaf whose owner, group or mode is not as it should be.
func (v view) wrongModes(role string, host facts.Host) []plan.Path {
	var wrong []plan.Path
	for _, want := range leafPaths(host.Leaves[role].Dir, v.want.Cluster.User) {
		if have, ok := host.Files[want.Path]; ok && differs(want, have) != "" {
			wrong = append(wrong, want)
		}
	}
	return wrong
}

// leafPaths are the directory and files of a leaf, as package units writes them.
func leafPaths(dir, user string) []plan.Path {
	paths := []plan.Path{{Path: dir, Owner: "root", Group: user, Mode: fs.FileMode(0o750)}}
	for _, f := range units.Leaf(dir, user, nil, nil) {
		paths = append(paths, plan.Path{Path: f.Path, Owner: f.Owner, Group: f.Group, Mode: f.Mode})
	}
	return paths
}
