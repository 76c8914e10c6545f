package operator

import (
	"testing"

	"github.com/clusterup/clusterup/facts"
)

// A follower of the cluster, and no learner, is read for what fills the database.
func TestReader(t *testing.T) {
	const own = 7
	member := func(id facts.ID, change ...func(*facts.Host)) facts.Host {
		h := facts.Host{Member: facts.Member{Reads: true, Etcd: &facts.Status{ClusterID: own, MemberID: id, Leader: 1}}}
		for _, c := range change {
			c(&h)
		}
		return h
	}
	learns := func(h *facts.Host) { h.Etcd.Learner = true }
	silent := func(h *facts.Host) { h.Reads = false }
	bygone := func(h *facts.Host) { h.Etcd.ClusterID = 3 }
	for name, test := range map[string]struct {
		a, b, c facts.Host
		want    string
	}{
		"followers":             {member(1), member(2), member(3), "b"},
		"one does not serve":    {member(1), member(2, silent), member(3), "c"},
		"one learns":            {member(1), member(2, learns), member(3, learns), "a"},
		"one is of another one": {member(1), member(2, bygone), member(3, bygone), "a"},
		"nobody":                {facts.Host{}, member(2, silent), member(3, learns), ""},
	} {
		seen := facts.Snapshot{Cluster: own, Hosts: map[string]facts.Host{"a": test.a, "b": test.b, "c": test.c}}
		if got := reader(seen); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
