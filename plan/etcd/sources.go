package etcd

import (
	"cmp"
	"slices"

	"github.com/clusterup/clusterup/facts"
)

// Measurers are the members to ask what the store holds, the best first, as Sources has them: a learner has no answer.
func Measurers(statuses map[string]facts.Status) []string {
	return slices.DeleteFunc(Sources(statuses), func(name string) bool { return statuses[name].Learner })
}

// Sources are the members to copy data from, by what each says of itself, the best first: those that have caught up,
// and of these rather a follower, since the leader has enough to do. Then come those that know no leader or lag behind,
// the furthest first, so that without a quorum the first one has the most. Learners are last.
func Sources(statuses map[string]facts.Status) []string {
	most := uint64(0)
	for _, status := range statuses {
		most = max(most, status.Applied)
	}
	rank := func(s facts.Status) int {
		switch {
		case s.Learner:
			return 3
		case s.Leader == 0 || most-s.Applied > maxGap:
			return 2
		case s.Leader == s.MemberID:
			return 1
		}
		return 0
	}
	names := make([]string, 0, len(statuses))
	for name := range statuses {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		one, other := statuses[a], statuses[b]
		order := cmp.Compare(rank(one), rank(other))
		if order == 0 && rank(one) >= 2 {
			order = cmp.Compare(other.Applied, one.Applied)
		}
		return cmp.Or(order, cmp.Compare(a, b))
	})
	return names
}
