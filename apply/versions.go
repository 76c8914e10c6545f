package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
)

// moveLeader hands leadership over, and waits until the member that led names another leader. It is no error if
// leadership has gone elsewhere before: the next look sees where.
func (r *Run) moveLeader(ctx context.Context, step plan.Step) error {
	target, err := r.Etcd.Status(ctx, r.endpoint(step.To))
	if err != nil {
		return err
	}
	if err := r.Etcd.MoveLeader(ctx, r.endpoint(step.Host), target.MemberID); err != nil {
		now, errNow := r.Etcd.Status(ctx, r.endpoint(step.Host))
		if errNow != nil || now.Leader == now.MemberID {
			return err
		}
	}
	return r.await(ctx, "no new leader", func(ctx context.Context) error {
		now, err := r.Etcd.Status(ctx, r.endpoint(step.Host))
		if err == nil && (now.Leader == 0 || now.Leader == now.MemberID) {
			err = errors.New(step.Host + " still leads")
		}
		return err
	})
}

// awaitVersion waits until the cluster has agreed on a minor version, the data of every member that says so is of it,
// and a downgrade to it has ended. The leader sees to all three every few seconds (etcd:
// server/etcdserver/version/monitor.go).
func (r *Run) awaitVersion(ctx context.Context, step plan.Step) error {
	err := r.await(ctx, "no agreement on the version", func(ctx context.Context) error {
		for _, name := range r.members() {
			if err := r.versionOf(ctx, r.endpoint(name), step.Version); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	})
	if err == nil {
		r.swapped.Store(true)
	}
	return err
}

func (r *Run) versionOf(ctx context.Context, endpoint, wanted string) error {
	is, err := r.Etcd.Status(ctx, endpoint)
	if err != nil {
		return err
	}
	of := func(version string) bool { return strings.HasPrefix(version, wanted+".") }
	switch {
	case is.StorageVersion != "" && !of(is.StorageVersion):
		return fmt.Errorf("its data is of version %s", is.StorageVersion)
	case is.Downgrade != "" && of(is.Version):
		return fmt.Errorf("the downgrade to %s has not ended", is.Downgrade)
	case is.Downgrade != "": // the cluster is of the version that it had until the first member goes back
		return nil
	}
	cluster, err := r.Etcd.ClusterVersion(ctx, endpoint)
	if err == nil && !of(cluster) {
		err = fmt.Errorf("it knows the cluster to be of version %s", cluster)
	}
	return err
}

// hashes compares the data of all members that vote, one after the other, at one revision. Compactions reach members at
// different moments, so hashes that differ because of one are compared again. note says that they could not be
// compared, which is no finding.
func (r *Run) hashes(ctx context.Context) (findings []string, note string) {
	members := r.voters()
	for range 5 {
		revision, err := r.Etcd.Revision(ctx, r.endpoint(members[0]))
		if err != nil {
			return []string{"compare data: " + err.Error()}, ""
		}
		type hash struct {
			sum       uint32
			compacted int64
		}
		var first hash
		same, comparable := true, true
		for i, name := range members {
			at := r.endpoint(name)
			var sum uint32
			var compacted int64
			// A follower is behind right after a write; a linearizable read through it waits until it is not.
			_, err := r.Etcd.Revision(ctx, at)
			if err == nil {
				sum, compacted, err = r.Etcd.Hash(ctx, at, revision)
			}
			switch {
			case err != nil:
				return []string{fmt.Sprintf("compare data of %s: %v", name, err)}, ""
			case i == 0:
				first = hash{sum, compacted}
			default:
				comparable = comparable && compacted == first.compacted
				same = same && sum == first.sum
			}
		}
		switch {
		case comparable && !same:
			return []string{fmt.Sprintf("the members' data differs at revision %d: etcdctl endpoint hashkv shows which",
				revision)}, ""
		case comparable:
			return nil, ""
		}
	}
	return nil, "their data was not compared, since it was compacted meanwhile each time: etcdctl endpoint hashkv does so"
}

// back takes a member that did not come up with what it was restarted with back to what it ran before, so that the
// cluster is whole while somebody looks into it. The error says so. It is left as it is when nobody can be sure that
// going back is safe.
func (r *Run) back(ctx context.Context, before, now facts.Snapshot, failed *StageError) error {
	way := etcd.Back(r.Want, before, now, failed.Stage)
	if way == nil {
		return failed
	}
	_, errBack := r.stage(ctx, *way)
	return &BackError{StageError: failed, Back: *way, Err: errBack}
}
