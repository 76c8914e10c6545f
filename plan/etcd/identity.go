package etcd

import (
	"crypto/sha1"
	"encoding/binary"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
)

// memberID is the ID that etcd gives a member of the initial cluster: from its peer URL and the token alone
// (server/etcdserver/api/membership/member.go, computeMemberID).
func memberID(peerURL, token string) facts.ID {
	sum := sha1.Sum([]byte(peerURL + token))
	return facts.ID(binary.BigEndian.Uint64(sum[:8]))
}

// clusterID is the ID of a cluster that is bootstrapped with these members, but those that are to leave, and this
// token: from the sorted member IDs (server/etcdserver/api/membership/cluster.go, genID). So data can be told from
// foreign data before anything starts.
func clusterID(c *inventory.Cluster, token string) facts.ID {
	var ids []facts.ID
	for _, m := range c.Members {
		if m.Absent {
			continue
		}
		ids = append(ids, memberID(urlOf(c.TLS.Peers, m.PeerAddress, c.PeerPort), token))
	}
	slices.Sort(ids)
	raw := make([]byte, 0, 8*len(ids))
	for _, id := range ids {
		raw = binary.BigEndian.AppendUint64(raw, uint64(id))
	}
	sum := sha1.Sum(raw)
	return facts.ID(binary.BigEndian.Uint64(sum[:8]))
}
