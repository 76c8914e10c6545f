package look

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/clusterup/clusterup/facts"
)

// answered are the hosts whose member gave its status and its member list, and for which the function which holds.
func answered(s *facts.Snapshot, which func(facts.Host) bool) []facts.Host {
	var found []facts.Host
	for _, name := range s.Names() {
		if host := s.Hosts[name]; host.Etcd != nil && host.Listed != nil && which(host) {
			found = append(found, host)
		}
	}
	return found
}

// agree takes the member list and the alarms from voters that serve linearizable reads; where there are none, from
// whoever answers. Each answers from its own state, and a host may be of another cluster, or lie. So what most of them
// say is taken, of the cluster that most of them are of. Between equal numbers the one decides that has applied most.
func agree(s *facts.Snapshot) {
	believed := answered(s, func(h facts.Host) bool { return h.Reads && !h.Etcd.Learner })
	if len(believed) == 0 {
		believed = answered(s, func(facts.Host) bool { return true })
	}
	for i := range believed { // sorted, so that equal ones look equal
		h := &believed[i]
		h.Listed, h.Alarms = slices.Clone(h.Listed), slices.Clone(h.Alarms)
		slices.SortFunc(h.Listed, func(a, b facts.Listed) int { return cmp.Compare(a.ID, b.ID) })
		slices.SortFunc(h.Alarms, func(a, b facts.Alarm) int {
			return cmp.Or(cmp.Compare(a.Member, b.Member), cmp.Compare(a.Type, b.Type))
		})
	}
	believed = most(believed, func(h facts.Host) string { return h.Etcd.ClusterID.String() })
	if len(believed) == 0 {
		return
	}
	s.Cluster = believed[0].Etcd.ClusterID
	s.Members = most(believed, func(h facts.Host) string { return fmt.Sprintf("%+v", h.Listed) })[0].Listed
	s.Alarms = most(believed, func(h facts.Host) string { return fmt.Sprintf("%+v", h.Alarms) })[0].Alarms
}

// most are the hosts that say the same as most others do, the one first that has applied most.
func most(hosts []facts.Host, says func(facts.Host) string) []facts.Host {
	hosts = slices.Clone(hosts)
	slices.SortStableFunc(hosts, func(a, b facts.Host) int { return cmp.Compare(b.Etcd.Applied, a.Etcd.Applied) })
	said := map[string][]facts.Host{}
	var best []facts.Host
	for _, h := range hosts {
		said[says(h)] = append(said[says(h)], h)
	}
	for _, h := range hosts {
		if same := said[says(h)]; len(same) > len(best) {
			best = same
		}
	}
	return best
}
