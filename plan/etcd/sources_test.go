package etcd

import (
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
)

func TestSources(t *testing.T) {
	leader := facts.Status{MemberID: 1, Leader: 1, Applied: 1000}
	follower := facts.Status{MemberID: 2, Leader: 1, Applied: 999}
	behind, lost := facts.Status{MemberID: 3, Leader: 1, Applied: 10}, facts.Status{MemberID: 4, Applied: 1000}
	learner := facts.Status{MemberID: 5, Leader: 1, Applied: 1000, Learner: true}
	lostBehind := facts.Status{MemberID: 6, Applied: 900}
	for name, test := range map[string]struct {
		statuses map[string]facts.Status
		want     string
	}{
		"a follower":                {map[string]facts.Status{"a": leader, "b": follower, "c": follower}, "b c a"},
		"the leader is left":        {map[string]facts.Status{"b": leader, "a": behind}, "b a"},
		"without a leader":          {map[string]facts.Status{"a": lostBehind, "b": lost}, "b a"},
		"nobody answers":            {nil, ""},
		"a follower that is behind": {map[string]facts.Status{"a": behind, "b": leader}, "b a"},
		"a learner":                 {map[string]facts.Status{"a": learner, "b": leader, "c": behind}, "b c a"},
	} {
		if got := Sources(test.statuses); !slices.Equal(got, strings.Fields(test.want)) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	alone := map[string]facts.Status{"a": leader, "b": learner}
	if got := Measurers(alone); !slices.Equal(got, []string{"a"}) { // so that the leader, which is alone, is asked for the hash
		t.Errorf("a leader and a learner: %v", got)
	}
}
