package plan

import (
	"maps"
	"path"
	"slices"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/units"
)

// Simulate is what would be seen after a stage, if all of it succeeds. It changes nothing of s.
func Simulate(w Want, s facts.Snapshot, stage Stage) facts.Snapshot {
	s.Hosts = maps.Clone(s.Hosts)
	for _, step := range stage.Steps {
		s = SimulateStep(w, s, step)
	}
	return s
}

// SimulateStep is what would be seen after one step. Tests stop a stage half-way with it.
func SimulateStep(w Want, s facts.Snapshot, step Step) facts.Snapshot {
	s.Hosts = maps.Clone(s.Hosts)
	if step.Host == "" {
		s.Operator = simulateOperator(s.Operator, step)
		return s
	}
	host := s.Hosts[step.Host]
	host.Files, host.Binaries, host.Leaves = maps.Clone(host.Files), maps.Clone(host.Binaries), maps.Clone(host.Leaves)
	if host.Files == nil {
		host.Files = map[string]facts.File{}
	}
	simulateHost(w, s, step, &host)
	s.Hosts[step.Host] = host
	return simulateCluster(w, s)
}

func simulateOperator(o facts.Operator, step Step) facts.Operator {
	switch step.Kind {
	case CreateCA:
		generation := 1
		for _, ca := range o.CAs {
			if ca.Role == step.CA {
				generation = max(generation, ca.Generation+1)
			}
		}
		o.CAs = append(slices.Clone(o.CAs), facts.CA{
			Role: step.CA, Generation: generation, SHA256: placeholder + step.CA, PEM: []byte(placeholder), Signing: true,
			NotAfter: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
		})
	case PinRelease:
		o.Pinned = maps.Clone(o.Pinned)
		if o.Pinned == nil {
			o.Pinned = map[string]string{}
		}
		o.Pinned[step.Release.Pin()] = step.Release.SHA256
	}
	return o
}

func simulateHost(w Want, s facts.Snapshot, step Step, host *facts.Host) {
	switch step.Kind {
	case CreateUser:
		host.EtcdUser = true
	case MakeDirs, FixModes:
		for _, p := range step.Paths {
			file := host.Files[p.Path]
			if step.Kind == MakeDirs {
				file.Kind = facts.Dir
			}
			file.Owner, file.Group, file.Mode = p.Owner, p.Group, p.Mode
			host.Files[p.Path] = file
			host.Data.Exists = host.Data.Exists || p.Owner == "etcd"
		}
	case InstallRelease:
		simulateRelease(host, *step.Release)
	case WriteTrust, WriteUnit:
		for _, c := range step.Changes {
			host.Files[c.Path] = facts.File{
				Kind: facts.Regular, Mode: c.Mode, Owner: c.Owner, Group: c.Group, Size: int64(len(c.Data)), Content: c.Data,
			}
		}
		if step.Kind == WriteUnit {
			host.Unit.Load, host.Unit.NeedsReload = "loaded", false
		}
	case ReloadUnits:
		host.Unit.NeedsReload = false
	case EnableUnit:
		host.Unit.Enabled = "enabled"
	case IssueLeaf:
		simulateLeaf(s, step.Leaf, host)
	case StartMember, RestartMember, AwaitMember:
		simulateRunning(w, s, step, host)
	case StopMember, MoveAside, PurgeData, RemoveFiles:
		simulateDestroy(step, host)
	case RecordBirth:
		file := units.Birth(ConfigDir(w.Cluster), *step.Birth)
		host.Files[file.Path] = facts.File{Kind: facts.Regular, Mode: file.Mode, Owner: file.Owner, Group: file.Group, Content: file.Data}
	}
}

func simulateRelease(host *facts.Host, r Release) {
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

func simulateLeaf(s facts.Snapshot, leaf *Leaf, host *facts.Host) {
	if host.Leaves == nil {
		host.Leaves = map[string]facts.Leaf{}
	}
	signer, _ := view{seen: s}.signer(leaf.CA)
	host.Leaves[leaf.Role] = facts.Leaf{
		Role: leaf.Role, Dir: units.LeafDir(leaf.ConfigDir, leaf.Role, "new"), Intact: true, Issuer: signer.SHA256,
		Algorithm: leaf.Algorithm, Names: leaf.Names, NotBefore: s.Taken, NotAfter: s.Taken.Add(leaf.Lifetime),
	}
}

// simulateRunning is a member that runs what its unit says.
func simulateRunning(w Want, s facts.Snapshot, step Step, host *facts.Host) {
	v := newView(w, s)
	for _, m := range w.Cluster.Members {
		if m.Name != step.Host {
			continue
		}
		if step.Kind != AwaitMember {
			r, _ := v.release(*host)
			host.Process = &facts.Process{PID: 1, SameAs: path.Join(BinDir(r), "etcd"), Args: units.Args(v.unitMember(m, r))}
			host.Unit.Active, host.Unit.Enabled = "active", "enabled"
		}
		if !host.Data.WAL {
			host.Data.WAL, host.Data.ClusterID, host.Data.MemberID = true, v.clusterID, memberID(peerURL(w.Cluster, m), v.token)
		}
	}
}

// simulateCluster lets the members that run find each other: with a quorum there is a leader, and all that run serve.
func simulateCluster(w Want, s facts.Snapshot) facts.Snapshot {
	var running []string
	var leader facts.ID
	for _, m := range w.Cluster.Members {
		host := s.Hosts[m.Name]
		if host.Process == nil || !host.Data.WAL {
			continue
		}
		running = append(running, m.Name)
		if leader == 0 || host.Etcd != nil && host.Etcd.Leader == host.Etcd.MemberID {
			leader = host.Data.MemberID
		}
	}
	if len(running) <= len(w.Cluster.Members)/2 {
		leader = 0
	}
	for _, name := range running {
		host := s.Hosts[name]
		host.Etcd = &facts.Status{ClusterID: host.Data.ClusterID, MemberID: host.Data.MemberID, Version: w.Cluster.Version, Leader: leader}
		host.Reads = leader != 0
		s.Hosts[name] = host
	}
	return s
}
