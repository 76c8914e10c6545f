package etcd

import (
	"cmp"
	"crypto/sha1"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/trust"
	"github.com/clusterup/clusterup/plan/version"
	"github.com/clusterup/clusterup/pool"
	"github.com/clusterup/clusterup/units"
)

// Simulate is what would be seen after a stage, if all of it succeeds. It changes nothing of s.
func Simulate(w Want, s facts.Snapshot, stage plan.Stage) facts.Snapshot {
	s.Hosts = maps.Clone(s.Hosts)
	for _, step := range stage.Steps {
		s = SimulateStep(w, s, step)
	}
	return s
}

// SimulateStep is what would be seen after one step. Tests stop a stage half-way with it.
func SimulateStep(w Want, s facts.Snapshot, step plan.Step) facts.Snapshot {
	s.Hosts, s.Simulated = maps.Clone(s.Hosts), true
	switch step.Kind.Traits().Where {
	case plan.Directory:
		s.Operator = simulateOperator(w, s, step)
		return s
	case plan.Cluster:
		return simulateEtcd(w, s, step)
	}
	hidden := hiddenVoters(w, s)
	fresh := step.Kind == plan.StartMember && w.Cluster.Auth != nil && !newView(w, s).formed
	host := s.Hosts[step.Host]
	host.Files, host.Binaries, host.Leaves = maps.Clone(host.Files), maps.Clone(host.Binaries), maps.Clone(host.Leaves)
	if host.Files == nil {
		host.Files = map[string]facts.File{}
	}
	simulateHost(w, s, step, &host)
	if step.Kind == plan.SalvageMember {
		s.Operator.Snapshots = append(slices.Clone(s.Operator.Snapshots), facts.SavedSnapshot{
			ClusterID: host.Data.ClusterID, Version: step.Version, Taken: s.Taken, Member: step.Host,
			Salvage: step.Salvage.Token, SHA256: fmt.Sprintf("%x", sha1.Sum([]byte(step.Host))), // of no use, but a mark holds no other text
		})
	}
	if step.Kind == plan.RestoreData { // nobody runs, and what the cluster before said is over
		s.Members, s.Alarms, s.Cluster, s.Auth, s.AuthError = nil, nil, 0, nil, ""
		s.Pools, s.PoolErrors = nil, nil
	}
	if fresh && s.Auth == nil {
		s.Auth = &facts.Auth{Listed: true} // a new cluster has no users
	}
	if step.Kind == plan.IssueLeaf {
		s.Operator = trustOf(w, s).Record(step.Host, host.Leaves[step.Leaf.Role], step.Leaf.Generation)
	}
	host.InUse = simulateUse(w, s.Hosts[step.Host], host)
	s.Hosts[step.Host] = host
	return simulateBeside(w, s, hidden)
}

func simulateOperator(w Want, s facts.Snapshot, step plan.Step) facts.Operator {
	o := s.Operator
	switch step.Kind {
	case plan.PinRelease:
	case plan.CreateTokenKey:
		o.TokenKeys = slices.Clone(o.TokenKeys)
		for i := range o.TokenKeys {
			o.TokenKeys[i].Here = false
		}
		o.TokenKeys = append(o.TokenKeys, facts.TokenKey{
			Generation: step.Generation, SHA256: fmt.Sprintf("made-by-apply-%d", step.Generation), Here: true,
		})
		return o
	default:
		return trustOf(w, s).Simulate(step)
	}
	if o.Pinned = maps.Clone(o.Pinned); o.Pinned == nil {
		o.Pinned = map[string]string{}
	}
	o.Pinned[step.Release.Pin()] = step.Release.SHA256
	return o
}

// simulateEtcd is the effect of the steps that etcd itself does.
func simulateEtcd(w Want, s facts.Snapshot, step plan.Step) facts.Snapshot {
	hidden := hiddenVoters(w, s)
	switch step.Kind {
	case plan.SaveSnapshot:
		s.Operator.Snapshots = append(slices.Clone(s.Operator.Snapshots), facts.SavedSnapshot{
			ClusterID: newView(w, s).clusterID, Version: step.Version, Taken: s.Taken,
		})
	case plan.MoveLeader, plan.EnableDowngrade, plan.CancelDowngrade, plan.AwaitVersion:
		s = simulateMembers(s, step)
	case plan.UpdateMember:
		s.Members = slices.Clone(s.Members)
		for i := range s.Members {
			if s.Members[i].ID == step.Member {
				s.Members[i].PeerURLs = step.PeerURLs
			}
		}
	case plan.Defragment, plan.Compact, plan.DisarmAlarm:
		s = simulateUpkeep(s, step)
	case plan.PutRole, plan.PutUser, plan.SetPassword, plan.DropRole, plan.DropUser, plan.EnableAuth, plan.DisableAuth:
		s = simulateAuth(s, step)
	case plan.PutServers:
		if s.Pools = maps.Clone(s.Pools); s.Pools == nil {
			s.Pools = map[string]pool.Wanted{}
		}
		s.Pools[step.Pool.Balancer] = step.Pool.After(s.Pools[step.Pool.Balancer])
	case plan.AddLearner, plan.PromoteMember, plan.RemoveMember, plan.AwaitLearner:
		s = simulateMembership(w, s, step)
	case plan.AwaitRaftSnapshot:
		host := s.Hosts[step.Host]
		host.V2Store = &facts.V2Store{Clean: true}
		s.Hosts[step.Host] = host
		s = simulateBeside(w, s, hidden)
	case plan.AwaitMember, plan.AwaitLeader: // afterwards members that run have found each other
		s = simulateBeside(w, simulateLog(w, s, step.Host), hidden)
	}
	return s
}

// simulateLog gives a member its log that was seen the moment that it had started, before it had one.
func simulateLog(w Want, s facts.Snapshot, name string) facts.Snapshot {
	host := s.Hosts[name]
	if host.Process == nil || host.Data.WAL {
		return s
	}
	v := newView(w, s)
	v.Each(func(m inventory.Member, _ facts.Host) {
		if m.Name == name {
			host.Data.WAL, host.Data.ClusterID, host.Data.MemberID = true, v.clusterID, memberID(v.peerURL(m), v.token)
			s.Hosts[name] = host
		}
	})
	return s
}

func simulateHost(w Want, s facts.Snapshot, step plan.Step, host *facts.Host) {
	if step.Kind.Traits().Starts {
		simulateRunning(w, s, step, host)
		return
	}
	switch step.Kind {
	case plan.CreateUser:
		host.EtcdUser = true
	case plan.MakeDirs, plan.FixModes:
		for _, p := range step.Paths {
			file := host.Files[p.Path]
			if step.Kind == plan.MakeDirs {
				file.Kind = facts.Dir
			}
			file.Owner, file.Group, file.Mode = p.Owner, p.Group, p.Mode
			host.Files[p.Path] = file
			if p.Owner == w.Cluster.User {
				simulateDir(host)
			}
		}
		if trust.Mute("peer", *host) || trust.Mute("server", *host) { // the member can read its certificates now
			host.Serves = trustOf(w, s).Serve(*host)
		}
	case plan.InstallRelease:
		simulateRelease(host, *step.Release)
	case plan.WriteTrust, plan.WriteUnit:
		if step.Kind == plan.WriteUnit {
			host.Unit.Start = newView(w, s).simulateUnit(*host, step.Changes[0].Data)
			host.Unit.Load, host.Unit.NeedsReload, host.Unit.Fragment = "loaded", false, UnitPath(w.Cluster)
		}
		for _, c := range step.Changes {
			simulateFile(c.File, host)
		}
	case plan.WriteTokenKey:
		simulateTokenKey(s, step, host)
	case plan.ReloadUnits:
		host.Unit.NeedsReload = false
	case plan.EnableUnit:
		host.Unit.Enabled = "enabled"
	case plan.IssueLeaf:
		trustOf(w, s).Issue(step.Leaf, host)
	case plan.PruneReleases, plan.PruneTrust:
		simulateRemoval(step.Paths, host)
	case plan.StopMember, plan.MoveAside, plan.PurgeData, plan.RemoveFiles:
		simulateDestroy(step, host)
	case plan.MarkRestore:
		simulateFile(units.Mark(ConfigDir(w.Cluster), *step.Restoring), host)
	case plan.UnmarkRestore:
		simulateRemoval(step.Paths, host)
	case plan.RestoreData:
		host.Data = facts.Data{
			Exists: true, WAL: true, ClusterID: clusterID(w.Cluster, step.Restore.Token),
			MemberID: memberID(step.Restore.PeerURL, step.Restore.Token),
		}
	case plan.RecordBirth:
		simulateFile(units.Birth(ConfigDir(w.Cluster), *step.Birth), host)
	}
}

// simulateDir makes the directory that a member's data is to lie in.
func simulateDir(host *facts.Host) {
	if host.Place == nil {
		host.Data.Exists = true
		return
	}
	place := *host.Place
	place.Exists, host.Place = true, &place
}

func simulateFile(file units.File, host *facts.Host) {
	host.Files[file.Path] = facts.File{
		Kind: facts.Regular, Mode: file.Mode, Owner: file.Owner, Group: file.Group, Size: int64(len(file.Data)),
		Content: file.Data,
	}
}

func simulateTokenKey(s facts.Snapshot, step plan.Step, host *facts.Host) {
	if host.TokenKeys = maps.Clone(host.TokenKeys); host.TokenKeys == nil {
		host.TokenKeys = map[string]string{}
	}
	for _, p := range step.Paths {
		host.Files[p.Path] = facts.File{Kind: facts.Regular, Mode: p.Mode, Owner: p.Owner, Group: p.Group}
		for _, key := range s.Operator.TokenKeys {
			if key.Generation == step.Generation {
				host.TokenKeys[p.Path] = key.SHA256
			}
		}
	}
}

func simulateRelease(host *facts.Host, r plan.Release) {
	if host.Binaries == nil {
		host.Binaries = map[string]string{}
	}
	host.Files[BinDir(r)] = facts.File{Kind: facts.Dir, Mode: 0o755, Owner: "root", Group: "root"}
	for _, name := range binaries {
		file := path.Join(BinDir(r), name)
		host.Files[file] = facts.File{Kind: facts.Regular, Mode: 0o755, Owner: "root", Group: "root"}
		host.Binaries[file] = r.Binaries[name]
	}
	// A running process keeps the bytes that it was started with; only its file has another inode now.
	if p := host.Process; p != nil && p.SameAs == path.Join(BinDir(r), "etcd") {
		running := *p
		running.SameAs, running.SHA256 = "", r.Binaries["etcd"]
		host.Process = &running
	}
}

// simulateRunning is a member that runs what its unit says.
func simulateRunning(w Want, s facts.Snapshot, step plan.Step, host *facts.Host) {
	v := newView(w, s)
	for _, m := range w.Cluster.Members {
		if m.Name != step.Host {
			continue
		}
		had := v.lastVersion(*host)
		args := units.Command(host.Files[UnitPath(w.Cluster)].Content)
		if len(args) == 0 {
			return
		}
		b := binOf(args)
		pid := 1
		if host.Process != nil {
			pid = host.Process.PID + 1
		}
		host.Process = &facts.Process{PID: pid, SameAs: b.path("etcd"), Args: args, User: w.Cluster.User}
		host.Unit.Active, host.Unit.Enabled = "active", "enabled"
		host.Serves = trustOf(w, s).Serve(*host)
		status := facts.Status{Version: b.version, StorageVersion: storage(b.version, v.low)}
		if old := host.Etcd; old != nil {
			status.Applied = old.Applied
		}
		host.Etcd, host.Denied, host.Auth = &status, false, nil
		host.V2Store = simulateV2(host, had, b.version)
		if !host.Data.WAL {
			host.Data.WAL, host.Data.ClusterID, host.Data.MemberID = true, v.clusterID, memberID(v.peerURL(m), v.token)
			if entry, listed := v.entry(m); listed {
				host.Data.MemberID = entry.ID
			}
		}
	}
}

// simulateV2 is what is seen of etcd v2 content after a start: what 3.5 leaves in the log is there until a raft
// snapshot covers it.
func simulateV2(host *facts.Host, had, is string) *facts.V2Store {
	switch version.Minor(is) {
	case "3.5":
		return &facts.V2Store{Clean: true}
	case "3.6":
		old := version.Minor(had) == "3.5" || host.V2Store != nil && !host.V2Store.Clean
		flushed := version.Minor(had) == "3.6" && units.Flag(host.Process.Args, "snapshot-count") == "1"
		return &facts.V2Store{Clean: !old || flushed, Text: "requests of etcd 3.5"}
	}
	return nil
}

// storage is the storage version that a member of version of reports, in a cluster whose oldest member is of version
// low; "": 3.5 reports none.
func storage(of, low string) string {
	switch {
	case version.CompareMinor(of, "3.6") < 0:
		return ""
	case low == "" || version.Compare(of, low) < 0:
		low = of
	}
	return version.Minor(low) + ".0"
}

// simulateCluster lets the members that run find each other: with a quorum there is a leader, and all that run serve,
// and have caught up.
func simulateCluster(w Want, s facts.Snapshot) facts.Snapshot { return simulateBeside(w, s, 0) }

// simulateBeside is simulateCluster for members that have so many voters beside them, which are not seen to run.
func simulateBeside(w Want, s facts.Snapshot, hidden int) facts.Snapshot {
	var running []string
	var leader facts.ID
	var applied uint64
	shut := func(facts.Host) bool { return false } // a member that lets nobody in before it restarts with another CA
	if slices.ContainsFunc(s.Operator.CAs, func(ca facts.CA) bool {
		return ca.Role == "client" && !s.Taken.Before(ca.NotAfter)
	}) {
		state := trustOf(w, s)
		shut = func(host facts.Host) bool { return !state.LetsIn(host) }
	}
	v := glance(w, s)
	for _, m := range w.Cluster.Members {
		host := s.Hosts[m.Name]
		if host.Process == nil || !host.Data.WAL {
			continue
		}
		running = append(running, m.Name)
		if shut(host) {
			host.Etcd, host.Reads = nil, false
			s.Hosts[m.Name] = host
		}
		if host.Denied || shut(host) { // even if it leads, it does not say so
			continue
		}
		if host.Etcd != nil {
			applied = max(applied, host.Etcd.Applied)
		}
		if !v.votes(m) {
			continue
		}
		if leader == 0 || host.Etcd != nil && host.Etcd.Leader != 0 && host.Etcd.Leader == host.Etcd.MemberID {
			leader = host.Data.MemberID
		}
	}
	if !v.simulatedQuorum(running, hidden) {
		leader = 0
	}
	if leader != 0 && s.Members == nil {
		s.Members, s.Cluster = v.simulatedRestored(leader)
	}
	v.seen.Members = s.Members
	s.Members = simulatePublished(v, running, leader)
	downgrade := inFlight(s, running)
	for _, name := range running {
		host := s.Hosts[name]
		if host.Denied || shut(host) {
			continue
		}
		runs := cmp.Or(runs(host).version, w.Cluster.Version)
		status := facts.Status{Version: runs, StorageVersion: storage(runs, "")}
		if host.Etcd != nil {
			status = *host.Etcd
		}
		status.ClusterID, status.MemberID, status.Leader = host.Data.ClusterID, host.Data.MemberID, leader
		if leader != 0 {
			status.Applied = applied
		}
		if status.Downgrade = downgrade; version.Minor(status.Version) == "3.5" {
			status.Downgrade = ""
		}
		status.Learner = slices.ContainsFunc(s.Members, func(l facts.Listed) bool {
			return l.Learner && l.ID == status.MemberID
		})
		host.Etcd, host.Reads = &status, leader != 0 && !status.Learner
		s.Hosts[name] = host
	}
	return s
}

// hiddenVoters are how many voters must run besides those that are seen to, since they serve: on dark hosts, or where
// the inventory has none.
func hiddenVoters(w Want, s facts.Snapshot) int {
	v := glance(w, s)
	serves := v.Known(func(_ inventory.Member, host facts.Host) bool {
		return host.Process != nil && host.Reads && host.Etcd != nil && host.Etcd.Leader != 0
	})
	running := v.Which(func(m inventory.Member, host facts.Host) bool {
		return v.votes(m) && host.Process != nil && host.Data.WAL
	})
	if !serves || s.Members == nil {
		return 0
	}
	return max(0, v.quorum()-len(running))
}

// simulatedQuorum says whether members that run are a quorum, with those that are hidden. Where nobody tells the list,
// and there is a cluster, hosts that have nothing of it have no member that votes.
func (v view) simulatedQuorum(running []string, hidden int) bool {
	voters := v.voters()
	exists := v.Known(func(_ inventory.Member, host facts.Host) bool {
		_, marked := host.Files[v.birthPath()]
		return marked
	})
	if exists && v.seen.Members == nil {
		voters = slices.DeleteFunc(voters, func(name string) bool {
			host := v.seen.Hosts[name]
			_, marked := host.Files[v.birthPath()]
			return !host.Dark() && !host.Data.WAL && !marked
		})
	}
	votes := hidden
	for _, name := range voters {
		if slices.Contains(running, name) {
			votes++
		}
	}
	return votes > len(voters)/2
}

// inFlight is the target of the downgrade that members report. The leader ends a downgrade a while after all members
// have reached it.
func inFlight(s facts.Snapshot, running []string) string {
	target := ""
	for _, name := range running {
		if e := s.Hosts[name].Etcd; e != nil {
			target = cmp.Or(target, e.Downgrade)
		}
	}
	return target
}

// simulateMembers is the effect of the steps that concern the cluster as a whole.
func simulateMembers(s facts.Snapshot, step plan.Step) facts.Snapshot {
	lead := s.Hosts[step.To].Data.MemberID
	if to := s.Hosts[step.To].Etcd; to != nil {
		lead = to.MemberID
	}
	for name, host := range s.Hosts {
		if host.Etcd == nil {
			continue
		}
		status := *host.Etcd
		old := version.Minor(status.Version) == "3.5"
		switch step.Kind {
		case plan.MoveLeader:
			status.Leader = lead
		case plan.EnableDowngrade:
			if !old {
				status.Downgrade = step.Version + ".0"
			}
		case plan.CancelDowngrade:
			status.Downgrade = ""
		case plan.AwaitVersion:
			if !old {
				status.StorageVersion = step.Version + ".0"
			}
			if version.Minor(status.Version) == step.Version {
				status.Downgrade = ""
			}
		}
		host.Etcd = &status
		s.Hosts[name] = host
	}
	return s
}
