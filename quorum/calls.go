package quorum

import (
	"context"
	"errors"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/clusterup/clusterup/facts"
)

// Status asks exactly the member at endpoint how it is. Every member answers from its own memory, also without a
// quorum, and nothing is written. StorageVersion stays empty before etcd 3.6. A member that shows it to root alone, as
// before 3.5.32 and 3.6.12, does not know every user that it refuses: that is facts.ErrPermission, too.
func (c *Cluster) Status(ctx context.Context, endpoint string) (facts.Status, error) {
	return ask(ctx, c, endpoint, "ask status of", func(ctx context.Context, n *conn) (facts.Status, error) {
		// The client's own Status would dial anew for each call.
		r, err := n.maintenance().Status(ctx, endpoint)
		if errors.Is(rpctypes.Error(err), rpctypes.ErrUserNotFound) {
			return facts.Status{}, &Error{Kind: facts.ErrPermission, Err: err}
		}
		if err != nil {
			return facts.Status{}, err
		}
		header := r.Header
		return facts.Status{
			ClusterID:      facts.ID(header.GetClusterId()),
			MemberID:       facts.ID(header.GetMemberId()),
			Version:        r.Version,
			StorageVersion: r.StorageVersion,
			Downgrade:      downgradeTarget(r),
			Leader:         facts.ID(r.Leader),
			Term:           r.RaftTerm,
			Index:          r.RaftIndex,
			Applied:        r.RaftAppliedIndex,
			DBSize:         r.DbSize,
			DBInUse:        r.DbSizeInUse,
			Learner:        r.IsLearner,
			Errors:         complaints(r.Errors),
		}, nil
	})
}

// downgradeTarget is the version that the cluster is on its way down to; a member before 3.6 leaves the field out.
func downgradeTarget(r *clientv3.StatusResponse) string {
	if info := r.DowngradeInfo; info.GetEnabled() {
		return info.GetTargetVersion()
	}
	return ""
}

func (n *conn) maintenance() clientv3.Maintenance {
	return clientv3.NewMaintenanceFromMaintenanceClient(pb.NewMaintenanceClient(n.client.ActiveConnection()), n.client)
}

// Members asks a member for the member list and the cluster's ID. Linearizable goes through the leader and needs a
// quorum; otherwise the member answers with what it knows, which may be old. Nothing is written. A learner serves
// neither (facts.ErrLearner).
func (c *Cluster) Members(ctx context.Context, endpoint string, linearizable bool) ([]facts.Listed, uint64, error) {
	var clusterID uint64
	members, err := ask(ctx, c, endpoint, "list members through",
		func(ctx context.Context, n *conn) ([]facts.Listed, error) {
			var opts []clientv3.OpOption
			if linearizable {
				ctx = clientv3.WithRequireLeader(ctx)
			} else {
				opts = append(opts, clientv3.WithSerializable())
			}
			r, err := n.client.MemberList(ctx, opts...)
			if err != nil {
				return nil, err
			}
			header := r.Header
			clusterID = header.GetClusterId()
			list := make([]facts.Listed, 0, len(r.Members))
			for _, m := range r.Members {
				list = append(list, facts.Listed{
					ID: facts.ID(m.ID), Name: m.Name, PeerURLs: m.PeerURLs, ClientURLs: m.ClientURLs, Learner: m.IsLearner,
				})
			}
			return list, nil
		})
	return members, clusterID, err
}

// Alarms lists the alarms raised in the whole cluster, as far as the member at endpoint has heard: after a linearizable
// read through it, that is all of them. It needs no quorum and writes nothing. That is why it asks for the member's
// status, and not for its alarm list: etcd sends even the question for that through the raft log, onto every member's
// disk (server/etcdserver/v3_server.go, Alarm).
func (c *Cluster) Alarms(ctx context.Context, endpoint string) ([]facts.Alarm, error) {
	return ask(ctx, c, endpoint, "ask alarms of", func(ctx context.Context, n *conn) ([]facts.Alarm, error) {
		r, err := n.maintenance().Status(ctx, endpoint)
		if err != nil {
			return nil, err
		}
		return raised(r.Errors), nil
	})
}

// raised finds the alarms among the errors of a status, where etcd puts each as protobuf text
// (server/etcdserver/api/v3rpc/maintenance.go, Status).
func raised(complaints []string) []facts.Alarm {
	var list []facts.Alarm
	for _, text := range complaints {
		var a pb.AlarmMember
		if prototext.Unmarshal([]byte(text), &a) != nil || a.Alarm == pb.AlarmType_NONE {
			continue // another kind of complaint, such as that there is no leader
		}
		list = append(list, facts.Alarm{Member: facts.ID(a.MemberID), Type: a.Alarm.String()})
	}
	return list
}

// complaints are the errors of a status but the alarms, which every member repeats of every other.
func complaints(all []string) []string {
	var own []string
	for _, text := range all {
		if len(raised([]string{text})) == 0 {
			own = append(own, text)
		}
	}
	return own
}

// ReadLinearizable proves that the member at endpoint can reach an agreement with a quorum: it reads a key, as
// `etcdctl endpoint health` does, and takes nothing of its content. A refusal by access control counts as success,
// since etcd decides on it only after the agreement; that users and roles have changed meanwhile is one, too. Nothing
// is written.
func (c *Cluster) ReadLinearizable(ctx context.Context, endpoint string) error {
	_, err := ask(ctx, c, endpoint, "read through", func(ctx context.Context, n *conn) (struct{}, error) {
		_, err := n.client.Get(clientv3.WithRequireLeader(ctx), "health", clientv3.WithCountOnly())
		if errors.Is(err, rpctypes.ErrPermissionDenied) || errors.Is(err, rpctypes.ErrUserEmpty) ||
			errors.Is(err, rpctypes.ErrAuthOldRevision) {
			err = nil
		}
		return struct{}{}, err
	})
	return err
}

// MoveLeader hands leadership from the member at endpoint, which must be the leader, to the voter
// with the ID to. It returns when the other one leads, or after etcd's own wait of about one election timeout.
func (c *Cluster) MoveLeader(ctx context.Context, endpoint string, to uint64) error {
	_, err := ask(ctx, c, endpoint, "move leader from", func(ctx context.Context, n *conn) (struct{}, error) {
		_, err := n.maintenance().MoveLeader(ctx, to)
		return struct{}{}, err
	})
	return err
}
