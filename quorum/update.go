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
// facts.ErrNoMember where the list has no such ID, facts.ErrPeerURLs where another member has one of the URLs.
func (c *Cluster) UpdateMember(ctx context.Context, endpoint string, id uint64, peerURLs []string) error {
	there := func(m facts.Listed) bool { return uint64(m.ID) == id && sameURLs(m.PeerURLs, peerURLs) }
	return c.change(ctx, endpoint, "update member through",
		func(list []facts.Listed) bool { return slices.ContainsFunc(list, there) },
		func(ctx context.Context, client *clientv3.Client) error {
			// The client refuses what is no list of URLs, which would make every member panic
			// (server/etcdserver/api/rafthttp, UpdatePeer).
			_, err := client.MemberUpdate(ctx, id, peerURLs)
			return err
		})
}

func sameURLs(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
