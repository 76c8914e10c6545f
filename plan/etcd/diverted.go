package etcd

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// foreignUnit says that the unit of the member's name is somebody else's. It is never overwritten, stopped or removed.
func (v view) foreignUnit(m inventory.Member, host facts.Host) []plan.Refusal {
	own, name := UnitPath(v.want.Cluster), v.want.Cluster.UnitName
	file, ok := host.Files[own]
	where, why := own, ""
	switch {
	case masked(host.Unit):
	case !ok && host.Unit.Fragment != "" && host.Unit.Fragment != own && !host.Unit.NeedsReload:
		where, why = host.Unit.Fragment, "is not one that clusterup wrote"
	case ok && file.Kind == facts.Link:
		why = "is a symbolic link: clusterup writes files"
	case ok && file.Kind == facts.Regular && !units.Written(file.Content):
		why = "is not one that clusterup wrote"
	case ok && file.Kind == facts.Regular && !bytes.Contains(file.Content, []byte(ConfigDir(v.want.Cluster)+"/")):
		why = "is that of another cluster"
	}
	if why == "" {
		return nil
	}
	return plan.OneRefusal(plan.ForeignUnit, m.Name,
		"choose another unit_name in the inventory; if nobody needs that unit, remove it on the host, then systemctl daemon-reload",
		"the unit %s.service, %s, %s", name, where, why)
}

func masked(u facts.Unit) bool { return u.Load == "masked" || u.Enabled == "masked" }

// undiverted is law 12: the next start of the member is what its unit file says. The refusal names the file that
// diverts it. Changes that systemd has not read yet are judged later: it is made to read them before any start, and
// then looked at again.
func (v view) undiverted(m inventory.Member, host facts.Host) []plan.Refusal {
	unit := v.want.Cluster.UnitName + ".service"
	if masked(host.Unit) {
		return plan.OneRefusal(plan.UnitDiverted, m.Name, "on the host: systemctl unmask "+unit,
			"the unit %s is masked", unit)
	}
	var found []plan.Refusal
	for _, why := range v.diversions(host) {
		found = append(found, plan.Refuse(plan.UnitDiverted, m.Name,
			"remove that on the host, then systemctl daemon-reload; flags of etcd belong in etcd { flags = … } of the inventory",
			"the next start would not be what the inventory says: %s", why))
	}
	return found
}

// diversions are the differences between the unit file and the next start of a host's member, each with the file to
// blame. The unit file is taken as it lies on the host, even if it is about to be rewritten.
func (v view) diversions(host facts.Host) []string {
	is, file := host.Unit.Start, host.Files[UnitPath(v.want.Cluster)]
	if len(host.Unit.DropIns) == 0 || host.Unit.NeedsReload || len(file.Content) == 0 {
		return nil
	}
	var found []string
	add := func(format string, args ...any) {
		found = append(found, "the drop-in "+strings.Join(host.Unit.DropIns, " or ")+" "+fmt.Sprintf(format, args...))
	}
	if is == nil {
		add("may change anything: its content could not be read")
		return found
	}
	says := startOf(file.Content)
	if is.Command != says.Command {
		add("changes the command: %s", some(units.DiffArgs(strings.Fields(says.Command), strings.Fields(is.Command)), "; "))
	}
	if says.Guarded && !is.Guarded {
		add("takes away the guard, which keeps a member from starting without its data")
	}
	if lost := missing(is.Unset, says.Unset); len(lost) > 0 {
		add("lets forbidden variables reach the member: UnsetEnvironment lacks %s", some(lost, " "))
	}
	keys := slices.Concat(slices.Collect(maps.Keys(says.Settings)), slices.Collect(maps.Keys(is.Settings)))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if is.Settings[key] != says.Settings[key] {
			add("sets %s=%s", key, is.Settings[key])
		}
	}
	for _, variable := range is.Variables {
		switch {
		case !slices.Contains(units.Unwanted(), variable.Name):
		case !strings.HasPrefix(variable.Name, "ETCD_"): // may be meant for all services; the unit unsets it
		case variable.File != "":
			found = append(found, fmt.Sprintf("%s, which the drop-in %s names, sets %s",
				variable.File, strings.Join(host.Unit.DropIns, " or "), variable.Name))
		default:
			add("sets %s", variable.Name)
		}
	}
	return found
}

// startOf is the next start of a unit without drop-ins, in the form in which a look gives it.
func startOf(unit []byte) facts.Start {
	start := facts.Start{
		Command:  strings.Join(strings.Fields(strings.Join(units.Command(unit), " ")), " "),
		Settings: map[string]string{},
	}
	start.Guarded = strings.Contains(string(unit), "/born.json")
	for line := range strings.Lines(string(unit)) {
		switch key, value, _ := strings.Cut(strings.TrimSpace(line), "="); key {
		case "UnsetEnvironment":
			start.Unset = append(start.Unset, strings.Fields(value)...)
		case "User", "Group":
			start.Settings[key] = value
		}
	}
	return start
}

// missing are those of wanted that are not in have.
func missing(have, wanted []string) []string {
	var lost []string
	for _, name := range wanted {
		if !slices.Contains(have, name) {
			lost = append(lost, name)
		}
	}
	return lost
}

// some are the first of many names, and how many more there are.
func some(names []string, between string) string {
	const few = 3
	if len(names) <= few {
		return strings.Join(names, between)
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], between), len(names)-few)
}

// toldBesides are the variables of etcd's own that a running process was started with, besides its command line.
func toldBesides(host facts.Host) []string {
	return slices.DeleteFunc(unwantedIn(host), func(name string) bool { return !strings.HasPrefix(name, "ETCD_") })
}

// unwantedIn are the variables in a running process that clusterup's unit keeps from the next one.
func unwantedIn(host facts.Host) []string {
	var found []string
	if host.Process != nil {
		for _, name := range host.Process.Variables {
			if slices.Contains(units.Unwanted(), name) {
				found = append(found, name)
			}
		}
	}
	return found
}

// simulateUnit is what systemd would start once it has read another unit file. Drop-ins that do not divert the old unit
// do not divert the new one either. A start that is diverted already stays as it is.
func (v view) simulateUnit(host facts.Host, unit []byte) *facts.Start {
	if host.Unit.Start == nil || len(v.diversions(host)) > 0 {
		return host.Unit.Start
	}
	start := startOf(unit)
	start.Variables = host.Unit.Start.Variables
	return &start
}
