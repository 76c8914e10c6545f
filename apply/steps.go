package apply

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/shellword"
	"github.com/clusterup/clusterup/units"
)

// do does one step of a kind that does not only write files. Doing it twice does no harm: a run that was killed within
// a step starts it over.
func (r *Run) do(ctx context.Context, step plan.Step) error {
	host := r.seamed(r.Hosts[step.Host], step.Point())
	script := func(text string) error {
		_, err := host.Script(ctx, text)
		return err
	}
	if err := r.gate(ctx, step); err != nil {
		return err
	}
	if step.Kind.Traits().Where == plan.Node {
		return r.service(ctx, host, step)
	}
	switch step.Kind {
	case plan.CreateCA:
		return r.Operator.CreateCA(ctx, step.CA)
	case plan.CreateTokenKey:
		return r.Operator.CreateTokenKey(ctx)
	case plan.RetireCA:
		return r.Operator.RetireCA(ctx, step.CA, step.Generation)
	case plan.HoldRotation:
		return r.Operator.HoldRotation(ctx, step.CA, step.Phase)
	case plan.RevokeClient:
		return r.Operator.RevokeClient(ctx, step.Serial)
	case plan.RevokeLeaf:
		return r.Operator.RevokeLeaf(ctx, *step.Revoke)
	case plan.ListRevoked:
		return r.Operator.ListRevoked(ctx, step.CA)
	case plan.PinRelease:
		return r.Operator.PinRelease(ctx, *step.Release)
	case plan.CreateUser:
		return script(createUser(r.Want.Cluster.User, etcd.Asks(r.Want.Cluster)[step.Host].DataDir, "etcd members"))
	case plan.MakeDirs:
		return script(makeDirs(step.Paths))
	case plan.FixModes:
		return script(fixModes(step.Paths))
	case plan.InstallRelease:
		return r.installRelease(ctx, host, step)
	case plan.ReloadUnits:
		return script(reloadUnits)
	case plan.EnableUnit:
		return script("systemctl enable --quiet " + shellword.Quote(step.Unit+".service"))
	case plan.StartMember, plan.RestartMember:
		return r.startMember(ctx, host, step)
	case plan.AwaitMember:
		return r.awaitMember(ctx, step)
	case plan.MoveLeader:
		return r.moveLeader(ctx, step)
	case plan.SaveSnapshot:
		return r.Operator.SaveSnapshot(ctx, r.endpoint(step.Host), step.Version)
	case plan.EnableDowngrade:
		return r.Etcd.Downgrade(ctx, r.endpoint(step.Host), step.Version)
	case plan.CancelDowngrade:
		return r.Etcd.Downgrade(ctx, r.endpoint(step.Host), "")
	case plan.AwaitRaftSnapshot:
		return r.canary(ctx, step.Host)
	case plan.PruneReleases:
		return script(pruneReleases(step.Paths))
	case plan.PruneTrust:
		return script(pruneTrust(step.Unit, step.Paths))
	case plan.UpdateMember:
		return r.await(ctx, "no change of its peer URLs", func(ctx context.Context) error {
			return r.Etcd.UpdateMember(ctx, r.endpoint(step.Through), step.Member, step.PeerURLs)
		})
	case plan.AddLearner:
		err := r.await(ctx, "no new learner", func(ctx context.Context) error {
			return r.Etcd.AddLearner(ctx, r.endpoint(step.Through), step.PeerURLs)
		})
		if err == nil { // that it was agreed to is used up: the member that comes is not the one that was lost
			r.Want.Accept = slices.DeleteFunc(slices.Clone(r.Want.Accept),
				func(risk plan.Risk) bool { return risk.Is(plan.Replace(step.Host)) })
		}
		return err
	case plan.AwaitLearner:
		return r.awaitLearner(ctx, step)
	case plan.PromoteMember:
		return r.await(ctx, "no vote for it", func(ctx context.Context) error {
			return r.Etcd.PromoteMember(ctx, r.endpoint(step.Through), step.Member)
		})
	case plan.RemoveMember:
		return r.await(ctx, "it is a member still", func(ctx context.Context) error {
			return r.Etcd.RemoveMember(ctx, r.endpoint(step.Through), step.Member)
		})
	case plan.AwaitVersion:
		return r.awaitVersion(ctx, step)
	case plan.AwaitLeader:
		return r.awaitLeader(ctx)
	case plan.Defragment:
		return r.defragment(ctx, step)
	case plan.Compact:
		return r.compact(ctx, step)
	case plan.DisarmAlarm:
		return r.Etcd.Disarm(ctx, r.endpoint(step.Host), facts.Alarm{Member: step.Member, Type: step.Alarm})
	case plan.PutRole, plan.PutUser, plan.SetPassword, plan.DropRole, plan.DropUser:
		return r.changeAuth(ctx, step)
	case plan.PutServers:
		return r.putServers(ctx, step)
	case plan.EnableAuth:
		return r.enableAuth(ctx, step)
	case plan.DisableAuth:
		return r.disableAuth(ctx, step)
	case plan.SalvageMember:
		return r.salvage(ctx, host, step)
	case plan.RestoreData:
		return r.restoreData(ctx, host, step)
	case plan.UnmarkRestore:
		r.swapped.Store(true) // what the members hold is compared
		return script(unmark(step.Paths))
	case plan.StopMember:
		return script(stopUnit(step.Unit))
	case plan.MoveAside:
		return script(moveAside(step.Paths, r.Now()))
	case plan.PurgeData:
		return script(purge(step.Paths))
	case plan.RemoveFiles:
		return script(removeFiles(step.Unit, step.Paths))
	}
	return fmt.Errorf("do %s: %w", step.Kind, errNoDoer)
}

// errNoDoer means that package plan has a kind of step which do has no case for.
var errNoDoer = errors.New("no such kind of step")

func changed(changes []plan.Change) []units.File {
	files := make([]units.File, 0, len(changes))
	for _, c := range changes {
		files = append(files, c.File)
	}
	return files
}

// writes are the kinds of steps that do nothing but write files.
func writes(kind plan.Kind) bool {
	switch kind {
	case plan.WriteTrust, plan.WriteTokenKey, plan.IssueLeaf, plan.WriteUnit, plan.RecordBirth, plan.MarkRestore,
		plan.IssueClient, plan.WriteService:
		return true
	}
	return false
}

// part is what a step that only writes files writes.
func (r *Run) part(ctx context.Context, step plan.Step) (Part, error) {
	switch step.Kind {
	case plan.WriteTrust:
		return Part{Files: changed(step.Changes)}, nil
	case plan.WriteTokenKey:
		return r.tokenKey(ctx, step)
	case plan.IssueLeaf:
		return r.leaf(ctx, step.Host, *step.Leaf)
	case plan.WriteUnit:
		reload := reloadUnit(step.Unit)
		if r.serving.ran(step.Host) { // as its unit was before
			reload = reloadUnits
		}
		return Part{Files: changed(step.Changes), Then: reload}, nil
	case plan.WriteService:
		return config(step), nil
	case plan.IssueClient:
		return r.clientLeaf(ctx, step)
	case plan.MarkRestore:
		return r.mark(step), nil
	case plan.RecordBirth:
		born := *step.Birth
		if born.Created.IsZero() {
			born.Created = r.Now()
		}
		return Part{Files: []units.File{units.Birth(etcd.ConfigDir(r.Want.Cluster), born)}}, nil
	}
	return Part{}, fmt.Errorf("write %s: %w", step.Kind, errNoDoer)
}

// tokenKey is the key for tokens, where the step says that it is to lie.
func (r *Run) tokenKey(ctx context.Context, step plan.Step) (Part, error) {
	key, err := r.Operator.TokenKey(ctx, step.Generation)
	if err != nil {
		return Part{}, err
	}
	file := units.TokenKey(etcd.ConfigDir(r.Want.Cluster), r.Want.Cluster.User, key)
	if len(step.Paths) != 1 || step.Paths[0].Path != file.Path {
		return Part{}, fmt.Errorf("write %s: it is another key than was decided on", file.Path)
	}
	return Part{Files: []units.File{file}}, nil
}

// leaf is a new pair in a directory of its own, to which one symbolic link is then swapped, so that etcd, which reads
// certificate and key one after the other at every handshake, never sees half of each.
func (r *Run) leaf(ctx context.Context, member string, leaf plan.Leaf) (Part, error) {
	cert, key, serial, err := r.Operator.Issue(ctx, member, leaf)
	if err != nil {
		return Part{}, err
	}
	dir := units.LeafDir(leaf.ConfigDir, leaf.Role, serial)
	return Part{
		Before: makeDirs([]plan.Path{{Path: dir, Owner: "root", Group: r.Want.Cluster.User, Mode: 0o750}}),
		Files:  units.Leaf(dir, r.Want.Cluster.User, cert, key),
		Then:   swapLeaf(units.LeafLink(leaf.ConfigDir, leaf.Role), path.Base(dir)),
	}, nil
}

// awaitMember waits until the member serves a linearizable read: then it has applied all that was committed when it was
// asked. A learner serves none, so it has to know a leader; it has more time while something reaches its disk.
func (r *Run) awaitMember(ctx context.Context, step plan.Step) error {
	endpoint, got := r.endpoint(step.Host), int64(0)
	for limit := r.startTime(step.Host); ; limit = r.timeout() {
		err := awaitFor(ctx, limit, "no linearizable read", func(ctx context.Context) error {
			if err := r.Etcd.ReadLinearizable(ctx, endpoint); err != nil {
				return r.unlessLearner(ctx, endpoint, err)
			}
			return nil
		})
		if err == nil || ctx.Err() != nil || facts.Hopeless(err) || facts.Stubborn(err) {
			return err
		}
		now := r.received(ctx, step.Host)
		switch _, learner := r.joins(step.Host); {
		case !learner:
			return err
		case now <= got:
			return r.behind(step.Host, err)
		}
		got = now
	}
}
