package etcd

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// Law 6 and what belongs to it, as checks of one decision. They go by the truth about the cluster, which the decision
// may not have seen.

// lawVersions checks a stage that is about to run on what was seen, in a cluster of which this is true.
func lawVersions(w Want, s facts.Snapshot, t truth, stage plan.Stage) error {
	for i, step := range stage.Steps {
		var err error
		switch step.Kind {
		case plan.StartMember, plan.RestartMember:
			is := startsWith(w, s, stage.Steps[:i], step.Host)
			if err = lawBinary(w, s, step, is); err == nil {
				err = lawSix(w, s, t, step, is)
			}
		case plan.MoveLeader:
			err = lawLeader(w, s, stage, step)
		case plan.PruneReleases:
			err = lawPrune(w, s, step)
		case plan.EnableDowngrade:
			err = lawEnable(w, s, t, step)
		case plan.SaveSnapshot:
			if e := s.Hosts[step.Host].Etcd; e == nil || !slices.Equal(leadersOf(s), []facts.ID{e.MemberID}) {
				err = fmt.Errorf("law 6: a snapshot of one that does not lead, as %v", leadersOf(s))
			}
		}
		if err == nil && step.Kind == plan.RestartMember {
			err = lawCalm(w, s, step)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", step.ID(), err)
		}
	}
	return nil
}

// startsWith is the command line that a host's unit has, once the steps before it in its stage are done.
func startsWith(w Want, s facts.Snapshot, before []plan.Step, name string) string {
	unit := s.Hosts[name].Files[UnitPath(w.Cluster)].Content
	for _, step := range before {
		if step.Kind == plan.WriteUnit && step.Host == name {
			unit = step.Changes[0].Data
		}
	}
	_, command, _ := bytes.Cut(unit, []byte("\nExecStart="))
	return string(command)
}

// lawBinary: a member is started with a release that lies there whole, and with the one that the step says.
func lawBinary(w Want, s facts.Snapshot, step plan.Step, command string) error {
	version := versionIn(command)
	if step.Version != version {
		return fmt.Errorf("law 6: says etcd %s, and starts %q", step.Version, version)
	}
	r, ok := w.Releases[version+"/amd64"]
	if !ok || s.Hosts[step.Host].Binaries[BinDir(r)+"/etcd"] != r.Binaries["etcd"] {
		return fmt.Errorf("law 6: the binary of etcd %s is not there", version)
	}
	return nil
}

// lawSix: what is started is fit for the data, for the cluster and for what the others run.
func lawSix(w Want, s facts.Snapshot, t truth, step plan.Step, command string) error {
	is := minorNo(versionIn(command))
	was, has := t.last[step.Host]
	if !has {
		return nil // lawBootstrap has checked it
	}
	others, first := maps.Clone(t.last), true
	delete(others, step.Host)
	for name, version := range others {
		if apart := is - minorNo(version); apart > 1 || apart < -1 {
			return fmt.Errorf("law 6: etcd 3.%d beside %s of %s", is, name, version)
		}
		first = first && minorNo(version) != is
	}
	first = first && minorNo(was) != is
	switch {
	case is < t.data[step.Host]:
		return fmt.Errorf("law 6: etcd 3.%d on data of 3.%d", is, t.data[step.Host])
	case is < t.cluster && t.downgrade != is:
		return fmt.Errorf("law 6: etcd 3.%d in a cluster of 3.%d", is, t.cluster)
	case is > t.cluster+1:
		return fmt.Errorf("law 6: etcd 3.%d in a cluster of 3.%d", is, t.cluster)
	case is == 7 && t.dirty[step.Host]:
		return fmt.Errorf("law 6: etcd 3.7 would replay requests of 3.5")
	case is == 6 && minorNo(was) == 5 && s.Hosts[step.Host].V2Store != nil && !s.Hosts[step.Host].V2Store.Clean:
		return fmt.Errorf("law 6: etcd 3.6 on content of the v2 API")
	case first && !snapshotSaved(s, minorNo(was)) && !snapshotSaved(s, is): // one of what it goes back to is as good
		return fmt.Errorf("law 6: the first member of 3.%d without a snapshot", is)
	case w.HoldLast && is > minorNo(was) &&
		!slices.ContainsFunc(slices.Collect(maps.Values(others)), func(v string) bool { return minorNo(v) < is }):
		return fmt.Errorf("hold-last: the last member would leave 3.%d", minorNo(was))
	}
	if first && is > minorNo(was) {
		for name, version := range t.last {
			if floor := map[int]int{6: 32, 7: 11}[is]; patchNo(version) < floor {
				return fmt.Errorf("law 6: to 3.%d with %s of %s", is, name, version)
			}
		}
	}
	return nil
}

// snapshotSaved says whether a sound snapshot of the last hour is there, of a minor version.
func snapshotSaved(s facts.Snapshot, of int) bool {
	var id facts.ID
	for _, host := range s.Hosts {
		id = max(id, host.Data.ClusterID)
	}
	return slices.ContainsFunc(s.Operator.Snapshots, func(saved facts.SavedSnapshot) bool {
		return saved.ClusterID == id && saved.Damage == "" && minorNo(saved.Version) == of &&
			s.Taken.Sub(saved.Taken).Abs() < time.Hour
	})
}

// lawLeader: leadership goes from the member that has it to another one that takes part, and nothing else happens
// meanwhile.
func lawLeader(w Want, s facts.Snapshot, stage plan.Stage, step plan.Step) error {
	e := s.Hosts[step.Host].Etcd
	switch {
	case len(stage.Steps) != 1:
		return fmt.Errorf("move-leader: not alone in its stage")
	case e == nil || !slices.Equal(leadersOf(s), []facts.ID{e.MemberID}):
		return fmt.Errorf("move-leader: %s does not lead", step.Host)
	case step.To == step.Host || !serving(w, s)[step.To]:
		return fmt.Errorf("move-leader: %s cannot lead", step.To)
	}
	return nil
}

// lawEnable: a downgrade is enabled by consent, by one minor version, when all members run the upper one and their data
// is of it.
func lawEnable(w Want, s facts.Snapshot, t truth, step plan.Step) error {
	if !slices.Contains(w.Accept, plan.Downgrade) {
		return fmt.Errorf("downgrade: nobody has accepted it")
	}
	for _, m := range w.Cluster.Members {
		host := s.Hosts[m.Name]
		if host.Process == nil || host.Etcd == nil || minorNo(host.Etcd.Version) != minorNo(step.Version)+1 ||
			t.data[m.Name] != minorNo(step.Version)+1 {
			return fmt.Errorf("downgrade: to %s, and %s is not ready for it", step.Version, m.Name)
		}
	}
	if t.cluster != minorNo(step.Version)+1 || t.downgrade != 0 || !snapshotSaved(s, t.cluster) {
		return fmt.Errorf("downgrade: to %s in a cluster of 3.%d; another is under way, or there is no snapshot",
			step.Version, t.cluster)
	}
	return nil
}

// lawPrune: a release stays if a unit names it, if a process runs it, or if it is wanted.
func lawPrune(w Want, s facts.Snapshot, step plan.Step) error {
	host := s.Hosts[step.Host]
	for _, p := range step.Paths {
		unit := bytes.Contains(host.Files[UnitPath(w.Cluster)].Content, []byte(p.Path+"/"))
		runs := host.Process != nil && strings.HasPrefix(host.Process.Args[0], p.Path+"/")
		wants := BinDir(w.Releases[w.Cluster.Version+"/amd64"]) == p.Path
		if path.Dir(p.Path) != facts.ReleaseDir || unit || runs || wants || slices.Contains(host.InUse, p.Path) {
			return fmt.Errorf("law 3: %s is in use", p.Path)
		}
	}
	return nil
}

// lawCalm: nobody is taken down while an alarm says that data differs or is full, while there is a learner, or while it
// leads and another could.
func lawCalm(w Want, s facts.Snapshot, step plan.Step) error {
	for _, alarm := range s.Alarms {
		if alarm.Type == "CORRUPT" || alarm.Type == "NOSPACE" && w.Cluster.Etcd.QuotaBackendBytes <= 8<<30 {
			return fmt.Errorf("alarm: a restart while %s is raised", alarm.Type)
		}
	}
	for _, member := range s.Members {
		if member.Learner {
			return fmt.Errorf("learner: a restart while %s learns", member.Name)
		}
	}
	if named := leadersOf(s); len(named) > 1 {
		return fmt.Errorf("leader: a restart while members name %v", named)
	}
	up := serving(w, s)
	if e := s.Hosts[step.Host].Etcd; up[step.Host] && e.Leader == e.MemberID && len(up) > 1 {
		return fmt.Errorf("leader: it leads, and %d others could", len(up)-1)
	}
	return nil
}

// leadersOf are the leaders named by members that serve reads; zero is none.
func leadersOf(s facts.Snapshot) []facts.ID {
	var named []facts.ID
	for _, name := range s.Names() {
		if host := s.Hosts[name]; host.Etcd != nil && host.Reads && !slices.Contains(named, host.Etcd.Leader) {
			named = append(named, host.Etcd.Leader)
		}
	}
	return named
}

// lawSettled: where nothing is left to do, every member takes part and runs what is wanted, and the cluster is of that
// version. Only a last member that is to be held may differ.
func lawSettled(w Want, s facts.Snapshot, t truth) error {
	behind := 0
	if err := lawSettledMembers(w, s); err != nil {
		return err
	}
	for _, m := range w.Cluster.Present() {
		host := s.Hosts[m.Name]
		switch {
		case host.Process == nil || host.Etcd == nil || !host.Reads || host.Etcd.Leader == 0:
			return fmt.Errorf("settled: %s takes no part", m.Name)
		case minorNo(host.Etcd.Version) < minorNo(w.Cluster.Version) && w.HoldLast:
			behind++
		case versionIn(host.Process.Args[0]) != w.Cluster.Version || host.Etcd.Version != w.Cluster.Version:
			return fmt.Errorf("settled: %s runs %s", m.Name, host.Etcd.Version)
		case minorNo(w.Cluster.Version) >= 6 && behind == 0 && !w.HoldLast && t.data[m.Name] != minorNo(w.Cluster.Version):
			return fmt.Errorf("settled: the data of %s is of 3.%d", m.Name, t.data[m.Name])
		case units.Flag(host.Process.Args, "snapshot-count") == "1":
			return fmt.Errorf("settled: %s runs with snapshot-count 1", m.Name)
		}
	}
	switch {
	case behind > 1:
		return fmt.Errorf("settled: %d members are held", behind)
	case t.downgrade != 0 && minorNo(w.Cluster.Version) >= 6:
		return fmt.Errorf("settled: a downgrade to 3.%d is enabled", t.downgrade)
	case !w.HoldLast && t.cluster != minorNo(w.Cluster.Version) && minorNo(w.Cluster.Version) >= 6:
		return fmt.Errorf("settled: the cluster is of 3.%d", t.cluster)
	}
	return nil
}
