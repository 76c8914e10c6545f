package etcd

import (
	"fmt"
	"slices"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// Restoration is what a cluster is to be made from.
type Restoration struct {
	Snapshot facts.SavedSnapshot
	Size     int64  // of the snapshot, in bytes
	Verb     string // the command, as the mark names it
	By       string // who asks, for people

	apart []string // members whose hosts are seen, and take no part in a restore that was begun without them
	all   int      // members that the inventory wants, those that take no part too
}

// A restored store begins with a revision that no client has seen, so that none takes a new one for one that it has
// seen before (etcd issue 16028): by revisionGap higher than all that is known of clusters before, which is more than
// what is written to one after that. A host is believed in it up to mostAbove, which leaves enough revisions: they are
// signed, of 64 bits, and etcd does not start beyond them.
const (
	revisionGap = 1_000_000_000
	mostAbove   = 1 << 60
)

// begins is the revision that the restored store begins with.
func (r restoring) begins() int64 {
	return max(r.under.Above, r.was.want.Restore.Snapshot.Revision) + revisionGap
}

// above is the highest revision that is known of clusters before: that one of them began with, as birth markers say,
// which lie there before its first start, and that of a snapshot.
func (r restoring) above() int64 {
	highest := int64(0)
	for _, born := range r.was.births {
		highest = max(highest, born.Begins)
	}
	for _, saved := range r.was.seen.Operator.Snapshots {
		highest = max(highest, saved.Revision)
	}
	return min(highest, mostAbove)
}

// NextRestore is Next for a cluster that is to be made from a snapshot, with a token and a peer CA of its own, in place
// of the one that there may be. Every host that takes part is marked first; then all members stop, their data is put
// aside, and all start on the data of the snapshot. The token of what is wanted is that of the cluster to come, see
// RestoreWant: where all members have it, and no mark is left, the restore is over, and what is left to do is what
// converging does.
func NextRestore(w Want, s facts.Snapshot) (*plan.Stage, error) {
	r := newRestore(w, s)
	if refusals := r.refusals(); len(refusals) > 0 {
		return nil, &plan.Refused{Refusals: refusals}
	}
	if r.over() {
		return Next(w, s)
	}
	for _, next := range []func() (*plan.Stage, error){
		r.mark, r.stop, r.peerCA, r.comes.operator, r.aside, r.prepare, r.restoreData, r.births, r.prepare, r.start,
		r.comes.await, r.unmark,
	} {
		if stage, err := next(); stage != nil || err != nil {
			return stage, err
		}
	}
	return nil, nil
}

// mark comes before anything else changes, on all hosts that take part.
func (r restoring) mark() (*plan.Stage, error) {
	w := r.was.want
	mark := units.Restoring{
		Cluster: w.Cluster.Name, Verb: w.Restore.Verb, SHA256: w.Restore.Snapshot.SHA256,
		Revision: w.Restore.Snapshot.Revision, Token: w.Token, By: w.Restore.By,
	}
	if live := r.was.trust.Live("peer"); len(live) > 0 {
		mark.PeerCA = live[len(live)-1].Generation
	}
	mark.Ended, mark.Above = r.ends(), r.above()
	if r.begun {
		mark = r.under
		mark.SHA256, mark.Revision = w.Restore.Snapshot.SHA256, w.Restore.Snapshot.Revision
	} else {
		r.comes.Everyone(func(m inventory.Member, _ facts.Host) { mark.Members = append(mark.Members, m.Name) })
	}
	var steps []plan.Step
	r.was.Each(func(m inventory.Member, host facts.Host) {
		if !r.marked(host) && !m.Absent {
			steps = append(steps, plan.Step{
				Kind: plan.MarkRestore, Host: m.Name, Restoring: &mark,
				Why: "until all members of the restored cluster serve, nothing else is done here",
			})
		}
	})
	return plan.SideBySide("mark the hosts", "no member is touched; the operator has typed the cluster's name", steps), nil
}

// ends are the clusters whose place the one to come takes: the one that was seen, and those of a restore that is given
// up.
func (r restoring) ends() []string {
	var found []string
	add := func(id string) {
		if id != r.comes.clusterID.String() && !slices.Contains(found, id) {
			found = append(found, id)
		}
	}
	if r.was.formed {
		add(r.was.clusterID.String())
	}
	for _, born := range r.was.births {
		for _, id := range born.Ended {
			add(id)
		}
	}
	r.was.Each(func(_ inventory.Member, host facts.Host) {
		mark, _ := units.ParseRestoring(host.Files[r.markPath()].Content)
		for _, id := range mark.Ended {
			add(id)
		}
		if mark.Token != "" {
			add(clusterID(r.was.want.Cluster, mark.Token).String())
		}
	})
	slices.Sort(found)
	return found
}

// stop stops and disables what runs of another cluster than the one to come, on hosts of members that are to leave too.
func (r restoring) stop() (*plan.Stage, error) {
	var steps []plan.Step
	r.ending(func(m inventory.Member, host facts.Host) {
		if isUp(host) || host.Unit.Enabled == "enabled" {
			steps = append(steps, plan.Step{
				Kind: plan.StopMember, Host: m.Name, Unit: r.was.want.Cluster.UnitName,
				Why: "its cluster ends here: the restored one takes its place",
			})
		}
	})
	return plan.SideBySide("stop all members", "the operator has typed the cluster's name", steps), nil
}

// isUp says that a unit has a process, or is about to.
func isUp(host facts.Host) bool {
	return host.Process != nil || host.Unit.Active == "active" || host.Unit.Active == "activating"
}

// ending walks the hosts that are seen and hold nothing of the cluster to come.
func (r restoring) ending(do func(inventory.Member, facts.Host)) {
	for _, m := range r.was.want.Cluster.Members {
		if host := r.was.seen.Hosts[m.Name]; !host.Dark() && !r.has(host) {
			do(m, host)
		}
	}
}

// peerCA makes the peer CA of the cluster to come, and retires those of before: nothing that was left behind can join.
// While no member runs there is nobody to be taken over. A CA from elsewhere has no successor of ours.
func (r restoring) peerCA() (*plan.Stage, error) {
	var steps []plan.Step
	live, newest := r.was.trust.Live("peer"), 0
	for _, ca := range live {
		newest = max(newest, ca.Generation)
	}
	if len(live) > 0 && newest <= r.under.PeerCA && r.was.ownPeerCA() {
		steps = append(steps, plan.Step{
			Kind: plan.CreateCA, CA: "peer", Why: "nothing that is left of the cluster before is to join the restored one",
		})
	}
	for _, ca := range live {
		if ca.Generation <= r.under.PeerCA && r.was.ownPeerCA() {
			steps = append(steps, plan.Step{
				Kind: plan.RetireCA, CA: "peer", Generation: ca.Generation, Why: "no member of the restored cluster trusts it",
			})
		}
	}
	return plan.SideBySide("make the peer CA of the restored cluster", "no member runs", steps), nil
}

// aside puts away what the hosts hold of other clusters. Law 3: the operator has ended them by name.
func (r restoring) aside() (*plan.Stage, error) {
	var steps []plan.Step
	r.ending(func(m inventory.Member, host facts.Host) {
		paths := r.was.dataPaths(m, host)
		if _, marked := host.Files[r.was.birthPath()]; marked {
			paths = append(paths, plan.Path{Path: r.was.birthPath()})
		}
		if len(paths) > 0 {
			steps = append(steps, plan.Step{
				Kind: plan.MoveAside, Host: m.Name, Paths: paths, Why: "of the cluster before; renamed, not deleted",
			})
		}
	})
	return plan.SideBySide("put data aside", "no member runs", steps), nil
}

// prepare makes the hosts ready for the cluster to come. Its units are written when it has data: they then say that it
// exists, and no unit ever lets it be founded anew.
func (r restoring) prepare() (*plan.Stage, error) {
	stage, err := r.comes.prepare()
	if stage == nil || err != nil {
		return stage, err
	}
	for i, step := range stage.Steps { // what is hidden seems to be missing
		host := r.was.seen.Hosts[step.Host]
		_, was := host.Files[UnitPath(r.was.want.Cluster)]
		switch {
		case step.Kind == plan.WriteUnit && was:
			stage.Steps[i].Why = "it is the unit of the cluster before"
		case step.Kind == plan.IssueLeaf && step.Leaf.Role == "peer" && host.Leaves["peer"].Issuer != "":
			stage.Steps[i].Why = "its certificate is of a peer CA that has ended"
		}
	}
	if r.comes.formed {
		return stage, nil
	}
	steps := slices.DeleteFunc(stage.Steps, func(step plan.Step) bool {
		return step.Kind == plan.WriteUnit || step.Kind == plan.ReloadUnits || step.Kind == plan.EnableUnit
	})
	return plan.SideBySide("prepare hosts", "no member runs", steps), nil
}

// restoreData makes the data of all members from the snapshot, side by side: each is told of all.
func (r restoring) restoreData() (*plan.Stage, error) {
	var cluster []string
	c := r.comes.want.Cluster
	r.comes.Everyone(func(m inventory.Member, _ facts.Host) {
		cluster = append(cluster, m.Name+"="+urlOf(c.TLS.Peers, m.PeerAddress, c.PeerPort))
	})
	var steps []plan.Step
	r.comes.Each(func(m inventory.Member, host facts.Host) {
		if r.has(host) {
			return
		}
		release, _ := r.comes.release(host)
		steps = append(steps, plan.Step{
			Kind: plan.RestoreData, Host: m.Name, Version: release.Version,
			Why: r.from(),
			Restore: &plan.Restore{
				SHA256: r.was.want.Restore.Snapshot.SHA256, Name: m.Name,
				PeerURL: urlOf(c.TLS.Peers, m.PeerAddress, c.PeerPort), InitialCluster: cluster, Token: r.was.want.Token,
				DataDir: m.DataDir, WALDir: walDir(m), User: c.User, BinDir: BinDir(release),
				BumpRevision: uint64(max(0, r.begins()-r.was.want.Restore.Snapshot.Revision)),
			},
		})
	})
	return plan.SideBySide("restore data", "no member runs, and no host holds data of another cluster", steps), nil
}

// from is the snapshot in a few words. One that clusterup did not take tells no time.
func (r restoring) from() string {
	snap := r.was.want.Restore.Snapshot
	switch {
	case snap.Salvage != "":
		return "from what " + snap.Member + " had left"
	case snap.Taken.IsZero():
		return fmt.Sprintf("from the snapshot of revision %d", snap.Revision)
	}
	return fmt.Sprintf("from the snapshot of %s, revision %d", snap.Taken.UTC().Format(time.DateTime+" UTC"),
		snap.Revision)
}

// births writes the birth markers before the first start: a member that loses its data in between is not started.
func (r restoring) births() (*plan.Stage, error) {
	w := r.was.want
	var steps []plan.Step
	r.comes.Each(func(m inventory.Member, host facts.Host) {
		if _, ok := r.comes.births[m.Name]; ok {
			return
		}
		born := units.Born{
			Cluster: w.Cluster.Name, Member: m.Name, Token: w.Token, ClusterID: host.Data.ClusterID.String(),
			MemberID: host.Data.MemberID.String(), DataDir: m.DataDir, WALDir: walDir(m), User: w.Cluster.User,
			Form: units.Form, WrittenBy: w.Writer, Snapshot: w.Restore.Snapshot.SHA256, Ended: r.under.Ended,
			Begins: r.begins(),
		}
		steps = append(steps, plan.Step{
			Kind: plan.RecordBirth, Host: m.Name, Why: "its data was made from the snapshot", Birth: &born,
		})
	})
	return plan.SideBySide("record the birth of the restored cluster", "every host holds its data", steps), nil
}

// start starts all members at once: none serves before a quorum does.
func (r restoring) start() (*plan.Stage, error) {
	stage, err := r.comes.start()
	if stage != nil {
		stage.Name, stage.Gate = "start all members side by side",
			"every host holds the data of the restored cluster "+r.comes.clusterID.String()
	}
	return stage, err
}

// unmark ends the restore, once all members serve.
func (r restoring) unmark() (*plan.Stage, error) {
	serve := r.comes.Which(func(_ inventory.Member, host facts.Host) bool { return r.comes.serves(host) })
	if dark := r.comes.Dark(); len(r.comes.List)-len(dark) < r.comes.quorum() { // they went dark since, and were given up
		return nil, &plan.Refused{Refusals: plan.OneRefusal(plan.QuorumAtRisk, "",
			fmt.Sprintf("bring them back; or begin anew without them, with --accept=%s besides", plan.Again),
			"%s cannot be looked at, and the others are no quorum of the restored cluster", plan.Enumerate(dark))}
	}
	if len(serve) < len(r.comes.List)-len(r.comes.Dark()) {
		return nil, nil
	}
	var steps []plan.Step
	r.was.Each(func(m inventory.Member, host facts.Host) {
		if _, marked := host.Files[r.markPath()]; marked {
			steps = append(steps, plan.Step{
				Kind: plan.UnmarkRestore, Host: m.Name, Why: "the restored cluster serves",
				Paths: []plan.Path{{Path: r.markPath()}},
			})
		}
	})
	return plan.SideBySide("end the restore", "all members serve linearizable reads in one cluster", steps), nil
}
