package main

import (
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
)

func TestForOne(t *testing.T) {
	for args, want := range map[string]bool{
		"snapshot save prod.db": true, "--command-timeout 60s snapshot save prod.db": true, "snapshot status prod.db": false,
		"endpoint status -w table": false, "get snapshot": false, "put save snapshot": false,
	} {
		if got := forOne(strings.Fields(args)); got != want {
			t.Errorf("%q: %v", args, got)
		}
	}
}

func TestBest(t *testing.T) {
	leader, follower := &facts.Status{MemberID: 1, Leader: 1, Applied: 1000},
		&facts.Status{MemberID: 2, Leader: 1, Applied: 999}
	behind, lost := &facts.Status{MemberID: 3, Leader: 1, Applied: 10}, &facts.Status{MemberID: 4, Applied: 1000}
	for name, test := range map[string]struct {
		statuses []*facts.Status
		want     int
	}{
		"a follower":                {[]*facts.Status{leader, follower, follower}, 1},
		"the leader is left":        {[]*facts.Status{nil, leader, behind}, 1},
		"without a leader":          {[]*facts.Status{nil, lost, nil}, 1},
		"nobody answers":            {[]*facts.Status{nil, nil, nil}, 0},
		"a follower that is behind": {[]*facts.Status{behind, leader, nil}, 1},
	} {
		if got := best(test.statuses); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}
