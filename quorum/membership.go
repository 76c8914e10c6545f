package quorum

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/clusterup/clusterup/facts"
)

// AddLearner has a member that peers find at peerURLs join without a vote, through any voter; it needs a quorum. Its ID
// and name are in the member list then, the name once it has started. Where a member has just these URLs already, with
// a vote or without one, nothing is written.
//
// facts.ErrPeerURLs where another member has one of them, facts.ErrLearners where there are learners enough. That the
// voters are not connected for long enough yet is an error without a kind, and passes.
func (c *Cluster) AddLearner(ctx context.Context, endpoint string, peerURLs []string) error {
	there := func(m facts.Listed) bool { return sameURLs(m.PeerURLs, peerURLs) }
	return c.change(ctx, endpoint, "add learner through",
		func(list []facts.Listed) bool { return slices.ContainsFunc(list, there) },
		func(ctx context.Context, client *clientv3.Client) error {
			_, err := client.MemberAddAsLearner(ctx, peerURLs)
			return err
		})
}

// PromoteMember gives a vote to the learner with that ID; it needs a quorum. The endpoint is best the leader's: a
// follower passes the question on, and that fails before 3.5.28, and in 3.6 before 3.6.6, where authentication is on.
// Where the member has a vote already, nothing is written.
//
// facts.ErrNoMember where the list has no such member. That the learner is behind is an error without a kind, and
// passes.
func (c *Cluster) PromoteMember(ctx context.Context, endpoint string, id uint64) error {
	votes := func(m facts.Listed) bool { return uint64(m.ID) == id && !m.Learner }
	return c.change(ctx, endpoint, "promote member through",
		func(list []facts.Listed) bool { return slices.ContainsFunc(list, votes) },
		func(ctx context.Context, client *clientv3.Client) error {
			_, err := client.MemberPromote(ctx, id)
			return err
		})
}

// RemoveMember takes the member with that ID out of the member list, through any other voter; it needs a quorum. Its
// process ends by itself when it hears of it, and its data is of no more use. Where the list has no such member,
// nothing is written.
//
// A learner, and a voter that does not run, can go at any time. That of the voters which stay not enough are connected
// for long enough is an error without a kind, and may pass.
func (c *Cluster) RemoveMember(ctx context.Context, endpoint string, id uint64) error {
	is := func(m facts.Listed) bool { return uint64(m.ID) == id }
	return c.change(ctx, endpoint, "remove member through",
		func(list []facts.Listed) bool { return !slices.ContainsFunc(list, is) },
		func(ctx context.Context, client *clientv3.Client) error {
			_, err := client.MemberRemove(ctx, id)
			return err
		})
}

// change makes one change of the member list, unless the list says that it is done. It looks once more after an error:
// an answer may be lost, or be of a change that an attempt before has made.
func (c *Cluster) change(ctx context.Context, endpoint, op string, done func([]facts.Listed) bool,
	do func(context.Context, *clientv3.Client) error,
) error {
	// Not serializable reads: this member may not have heard of a later change.
	list, _, err := c.Members(ctx, endpoint, true)
	if err != nil {
		return err
	}
	if done(list) {
		return nil
	}
	_, err = ask(ctx, c, endpoint, op, func(ctx context.Context, n *conn) (struct{}, error) {
		return struct{}{}, do(clientv3.WithRequireLeader(ctx), n.client)
	})
	if err == nil {
		return nil
	}
	if list, _, errList := c.Members(ctx, endpoint, true); errList == nil && done(list) {
		return nil
	}
	return advised(err)
}

// advised adds to etcd's own words what to do.
func advised(err error) error {
	var fault *Error
	if !errors.As(err, &fault) {
		return err
	}
	for _, a := range advice {
		if errors.Is(fault.Err, a.answer) {
			with := *fault
			with.Err = fmt.Errorf("%w: %s", fault.Err, a.next)
			return &with
		}
	}
	return err
}

// advice is drawn from server/etcdserver/server.go (mayAddMember, mayPromoteMember, mayRemoveMember).
var advice = []struct {
	answer error
	next   string
}{
	{rpctypes.ErrUnhealthy, "too few of the members that vote have been connected to this one for 5 s; " +
		"start those that do not run, then run again"},
	{rpctypes.ErrMemberNotEnoughStarted, "too few members that vote have ever started; " +
		"start those that were added, or take them out with clusterup member remove NAME"},
	{rpctypes.ErrMemberLearnerNotReady, "it is still being sent what the others have; " +
		"its journal says how far it is, and clusterup member remove NAME takes it out again"},
	{rpctypes.ErrTooManyLearners, "promote or remove the learner that is there: " +
		"clusterup member list shows it"},
	{rpctypes.ErrPeerURLExist, "another member is known at one of these URLs: clusterup member list shows it"},
	{rpctypes.ErrMemberNotFound, "the member list has changed: run again, which looks anew"},
}
