package quorum

import (
	"context"
	"slices"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/clusterup/clusterup/facts"
)

// UpdateMember says in the member list that peers find the member with that ID at peerURLs, through any voter; it needs
// a quorum. It may be repeated: where the list says so already, in whatever order, nothing is written. The others turn
// to the new URLs at once, while the member itself listens where its command line says.
//
// For this change etcd does not ask whether its members are connected, as it does when one is added or removed;
// "unhealthy cluster" is its answer to that question only. So it is the caller who must know that the rest is healthy.
// An ID that is not in the list, or a URL that another member has, is an error without a kind.
func (c *Cluster) UpdateMember(ctx context.Context, endpoint string, id uint64, peerURLs []string) error {
	// Not a serializable read: this member may not have heard of a later change.
	list, _, err := c.Members(ctx, endpoint, true)
	if err != nil {
		return err
	}
	there := func(m facts.Listed) bool { return uint64(m.ID) == id && sameURLs(m.PeerURLs, peerURLs) }
	if slices.ContainsFunc(list, there) {
		return nil
	}
	_, err = ask(ctx, c, endpoint, "update member through", func(ctx context.Context, n *conn) (struct{}, error) {
		// The client refuses what is no list of URLs, which would make every member panic
		// (server/etcdserver/api/rafthttp, UpdatePeer).
		_, err := n.client.MemberUpdate(clientv3.WithRequireLeader(ctx), id, peerURLs)
		return struct{}{}, err
	})
	return err
}

func sameURLs(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
