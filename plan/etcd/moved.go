package etcd

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/version"
)

// A member whose data lies elsewhere than the inventory says goes on where it is: its unit and its marker name that
// place. It comes to the other one as any member comes to a new disk: by consent it is removed, its data is put aside
// where it lies, and it is added anew. By then nothing lies in the old place, so the other one counts.

// rehomed says that a member's data lies elsewhere than the inventory says.
func (v view) rehomed(host facts.Host) bool { return host.Data.Dir != "" }

// settled is a member as the inventory has it, with the directories in which its data lies now.
func (v view) settled(m inventory.Member, host facts.Host) inventory.Member {
	if v.rehomed(host) {
		m.DataDir, m.WALDir = host.Data.Dir, ""
		if host.Data.WALDir != "" {
			m.WALDir = path.Dir(host.Data.WALDir)
		}
	}
	return m
}

// relocates says that a member is to be removed, and added anew with other directories.
func (v view) relocates(m inventory.Member, host facts.Host) bool {
	return v.rehomed(host) && v.replaced(m) && !m.Absent && !host.Dark()
}

// whyRelocates says where a member's data is to lie.
func (v view) whyRelocates(m inventory.Member, host facts.Host) string {
	at := v.settled(m, host)
	if at.DataDir == m.DataDir {
		return "its log is to lie in " + cmp.Or(walDir(m), m.DataDir)
	}
	return "its data is to lie in " + m.DataDir
}

// astray refuses a member of which it is not known for sure where its data lies. Its unit and its marker are believed
// as far as they name what an inventory could name, since only root can have written them. Its command line is not: it
// has to say the same.
func (v view) astray(m inventory.Member, host facts.Host) []plan.Refusal {
	at, was := v.settled(m, host), v.homeOf(m, host)
	runs, unit := host.Process != nil && len(host.Process.Args) > 0, v.want.Cluster.UnitName
	born, isBorn := v.births[m.Name]
	// a marker of before names no directory, and without a unit nothing else does
	unnamed := !runs && !v.rehomed(host) && !host.Data.WAL && isBorn && born.DataDir == "" && len(v.starts(host)) == 0
	err := inventory.CheckDataDir(at.DataDir)
	if err == nil && at.WALDir != "" {
		err = inventory.CheckDataDir(at.WALDir)
	}
	switch {
	case v.rehomed(host) && (err != nil || host.Data.WALDir != "" && path.Base(host.Data.WALDir) != "wal" ||
		at.WALDir != "" && inventory.Overlap(at.WALDir, at.DataDir)):
		return plan.OneRefusal(plan.DataMoved, m.Name,
			fmt.Sprintf("find out who has changed it: systemctl cat %s, and %s", unit, v.birthPath()),
			"its unit or birth marker says that its data lies in %s, which no inventory could say", strings.TrimSpace(
				host.Data.Dir+" "+host.Data.WALDir))
	case runs && was.dataDir == "":
		return plan.OneRefusal(plan.DataMoved, m.Name,
			fmt.Sprintf("it was not started by clusterup's unit: find out by what (systemctl cat %s), then stop it", unit),
			"its member runs without --data-dir, and the inventory asks for %s", m.DataDir)
	case runs && v.rehomed(host) && (was.dataDir != at.DataDir || was.walDir != walDir(at)):
		return plan.OneRefusal(plan.DataMoved, m.Name,
			fmt.Sprintf("on the host, put the directories back with which it runs (systemctl cat %s), then systemctl daemon-reload",
				unit),
			"its member runs with data in %s, and its next start would be with %s", was.dataDir, at.DataDir)
	case runs && (was.dataDir != m.DataDir || was.walDir != walDir(m)) && !v.rehomed(host), was.guessed,
		unnamed && was.dataDir != m.DataDir:
		has, asked, lines := v.differences(m, host, was)
		remedy := v.homeLines(m, lines)
		if was.guessed {
			remedy += fmt.Sprintf("; or, if nobody needs it, move %s aside by hand", was.dataDir)
		}
		return v.elsewhere(m, remedy, has, asked)
	}
	return nil
}

// differences are what a member has and the inventory asks for besides, and the lines that would keep it.
func (v view) differences(m inventory.Member, host facts.Host, was home) (has, asked, lines []string) {
	user, runs := v.want.Cluster.User, host.Process != nil
	differ := func(is, wanted, line string) {
		has, asked, lines = append(has, is), append(asked, wanted), append(lines, line)
	}
	_, isBorn := v.births[m.Name]
	if v.rehomed(host) || runs || was.guessed || isBorn && !host.Data.WAL {
		if was.dataDir != "" && was.dataDir != m.DataDir {
			differ("keeps its data in "+was.dataDir, m.DataDir, fmt.Sprintf("data_dir = %q", was.dataDir))
		}
		switch is := walDir(m); {
		case was.dataDir == "" || was.walDir == is:
		case was.walDir == "":
			differ("keeps its log with its data", is, noWALDir)
		default:
			differ("keeps its log in "+was.walDir, cmp.Or(is, "none of its own"),
				fmt.Sprintf("wal_dir = %q", path.Dir(was.walDir)))
		}
	}
	if was.user != "" && was.user != user &&
		(runs || host.Data.WAL && host.Files[v.settled(m, host).DataDir].Owner != user || len(lines) > 0) {
		differ("runs as "+was.user, user, fmt.Sprintf("user = %q", was.user))
	}
	return has, asked, lines
}

// elsewhere is what is said of a member that has its data elsewhere, or another user, than the inventory asks for.
func (v view) elsewhere(m inventory.Member, remedy string, has, asked []string) []plan.Refusal {
	return plan.OneRefusal(plan.DataMoved, m.Name, remedy, "its member %s; the inventory asks for %s",
		strings.Join(has, " and "), strings.Join(asked, " and "))
}

// moved refuses an inventory that asks for another home than the member has, unless the operator has agreed that it is
// added anew there. It names the lines that keep the old one. It accepts data that was moved by hand: the member is
// stopped, and its data lies in the new place with its new owner, and not in the old one.
func (v view) moved(m inventory.Member, host facts.Host) []plan.Refusal {
	if astray := v.astray(m, host); len(astray) > 0 || m.Absent {
		return astray
	}
	was := v.homeOf(m, host)
	has, asked, lines := v.differences(m, host, was)
	if len(lines) == 0 {
		return nil
	}
	keep := v.homeLines(m, lines)
	switch tells := v.seen.Members != nil; {
	case was.user == "root": // no member is to run as root
		return v.elsewhere(m, fmt.Sprintf("on the host: systemctl stop %s; chown -R %s: %s", v.want.Cluster.UnitName,
			v.want.Cluster.User, v.settled(m, host).DataDir), has, asked)
	case slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "user ") }), !v.formed:
		return v.elsewhere(m, keep, has, asked)
	case !tells && !(v.replaced(m) && v.mayTell()):
		return v.elsewhere(m, keep+"; or bring the other members back first: only a cluster that serves can take it out and add "+
			"it anew", has, asked)
	case tells && len(v.voters()) == 1 && v.votes(m) && len(v.othersToCome(m)) == 0:
		return plan.OneRefusal(plan.DataMoved, m.Name,
			keep+"; or add two members, which get their votes first",
			"its member %s; the inventory asks for %s, and the only voter cannot be removed and added anew",
			strings.Join(has, " and "), strings.Join(asked, " and "))
	case v.begins():
		return plan.OneRefusal(plan.DataMoved, m.Name,
			fmt.Sprintf("one after the other: %sapply with --accept=%s", v.beforehand(), plan.Replace(m.Name)),
			"its member %s; the inventory asks for %s, and for another minor version",
			strings.Join(has, " and "), strings.Join(asked, " and "))
	case v.low != "" && !version.SameMinor(v.low, v.high) && host.Data.WAL:
		return plan.OneRefusal(plan.DataMoved, m.Name,
			fmt.Sprintf("one after the other: until all members run etcd %s, %s", v.want.Cluster.Version, keep),
			"its member %s; the inventory asks for %s, while the cluster goes from etcd %s to %s",
			strings.Join(has, " and "), strings.Join(asked, " and "), v.low, v.want.Cluster.Version)
	case v.replaced(m):
		return nil
	}
	return v.elsewhere(m, fmt.Sprintf("%s; or apply with --accept=%s, which removes the member, puts its data aside where it "+
		"lies, and adds it anew with the other directory", keep, plan.Replace(m.Name)), has, asked)
}

// crowded refuses a place that a member is to come to, and that is not empty, or not apart from where its data is.
func (v view) crowded(m inventory.Member, host facts.Host) []plan.Refusal {
	if !v.rehomed(host) || host.Place == nil {
		return nil
	}
	at := v.settled(m, host)
	for _, is := range []string{m.DataDir, m.WALDir} {
		for _, was := range []string{at.DataDir, at.WALDir} {
			same := is == m.DataDir && was == at.DataDir || is == m.WALDir && was == at.WALDir
			if is != "" && was != "" && inventory.Overlap(is, was) && !(same && is == was) {
				return plan.OneRefusal(plan.DataMoved, m.Name, "choose a directory beside it",
					"the inventory asks for %s, and its data lies in %s: the old directory is renamed as a whole", is, was)
			}
		}
	}
	place := *host.Place
	if m.DataDir == at.DataDir {
		place.Entries = nil
	}
	if held := slices.DeleteFunc(slices.Clone(place.Entries), ignored); len(held) > 0 {
		return v.occupied(m, m.DataDir, held)
	}
	if place.WAL {
		return v.occupied(m, path.Dir(cmp.Or(walDir(m), path.Join(m.DataDir, "member", "wal"))), []string{"wal"})
	}
	return nil
}

// occupied refuses a directory that is to be a member's, and holds something.
func (v view) occupied(m inventory.Member, dir string, held []string) []plan.Refusal {
	return plan.OneRefusal(plan.ForeignData, m.Name, "choose another directory, or move it aside by hand",
		"%s is not empty: it holds %s", dir, strings.Join(held, ", "))
}
