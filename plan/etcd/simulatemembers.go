package etcd

import (
	"cmp"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// simulateMembership is the effect of the steps that change who is a member.
func simulateMembership(w Want, s facts.Snapshot, step plan.Step) facts.Snapshot {
	s.Members = slices.Clone(s.Members)
	hidden := hiddenVoters(w, s)
	switch step.Kind {
	case plan.AddLearner:
		s.Members = append(s.Members, facts.Listed{
			ID: simulatedID(s, step.PeerURLs), PeerURLs: step.PeerURLs, Learner: true,
		})
		slices.SortFunc(s.Members, func(a, b facts.Listed) int { return int(min(max(int64(a.ID>>1)-int64(b.ID>>1), -1), 1)) })
	case plan.PromoteMember:
		for i := range s.Members {
			if s.Members[i].ID == step.Member {
				s.Members[i].Learner = false
			}
		}
	case plan.RemoveMember:
		s.Members = slices.DeleteFunc(s.Members, func(l facts.Listed) bool { return l.ID == step.Member })
		hidden = min(hidden, len(glance(w, s).unseen()))
		for name, host := range s.Hosts {
			if !host.Dark() && host.Process != nil && host.Data.MemberID == step.Member { // it ends by itself
				simulateEnd(&host)
				host.Unit.Active = "inactive"
				s.Hosts[name] = host
			}
		}
	}
	return simulateBeside(w, s, hidden)
}

// unseen are the voters whose hosts are dark, or are not in the inventory.
func (v view) unseen() []string {
	return slices.DeleteFunc(v.voters(), func(name string) bool {
		m, _ := v.named(name)
		return m.Name != "" && !v.seen.Hosts[m.Name].Dark()
	})
}

// simulatedID is an ID that the list does not have: etcd makes it from the address and the time
// (server/etcdserver/api/membership/member.go, computeMemberID).
func simulatedID(s facts.Snapshot, peerURLs []string) facts.ID {
	for n := 0; ; n++ {
		sum := sha1.Sum([]byte(fmt.Sprint(peerURLs, "added", n)))
		id := facts.ID(binary.BigEndian.Uint64(sum[:8]))
		known := slices.ContainsFunc(s.Members, func(l facts.Listed) bool { return l.ID == id })
		for _, host := range s.Hosts {
			known = known || host.Data.MemberID == id
		}
		if !known {
			return id
		}
	}
}

// simulatePublished is the member list after those that run have published where clients reach them, which takes a
// leader.
func simulatePublished(v view, running []string, leader facts.ID) []facts.Listed {
	if leader == 0 {
		return v.seen.Members
	}
	list := slices.Clone(v.seen.Members)
	v.Each(func(m inventory.Member, host facts.Host) {
		for i := range list {
			if list[i].ID == host.Data.MemberID && slices.Contains(running, m.Name) && len(list[i].ClientURLs) == 0 {
				list[i].Name, list[i].ClientURLs = m.Name, advertiseClient(v.want.Cluster, m)
			}
		}
	})
	return list
}

// simulatedRestored is the member list of a cluster that was made from a snapshot, and has a leader now: it has had
// those members from its beginning. Of a bootstrap none is simulated, since nothing rests on it.
func (v view) simulatedRestored(leader facts.ID) (list []facts.Listed, cluster facts.ID) {
	v.Each(func(m inventory.Member, host facts.Host) {
		born, err := units.ParseBirth(host.Files[v.birthPath()].Content)
		if err != nil || born.Snapshot == "" || born.ClusterID != host.Data.ClusterID.String() {
			return
		}
		list = append(list, facts.Listed{
			ID: host.Data.MemberID, Name: m.Name, PeerURLs: []string{urlOf(v.want.Cluster.TLS.Peers, m.PeerAddress,
				v.want.Cluster.PeerPort)},
		})
		if host.Data.MemberID == leader {
			cluster = host.Data.ClusterID
		}
	})
	slices.SortFunc(list, func(a, b facts.Listed) int { return cmp.Compare(a.ID, b.ID) })
	if cluster == 0 {
		return nil, 0
	}
	return list, cluster
}
