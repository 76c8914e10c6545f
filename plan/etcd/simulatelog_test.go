package etcd

import (
	"testing"

	"github.com/clusterup/clusterup/facts"
)

// A member that is seen the moment that it has started has no log yet, and is waited for once.
func TestSeenBeforeItHasALog(t *testing.T) {
	t.Parallel()
	w := wanted(t, 3)
	s := settled(t, w)
	for _, name := range []string{"etcd-1", "etcd-2", "etcd-3"} {
		s = change(s, name, func(h *facts.Host) {
			delete(h.Files, "/etc/etcd/prod/born.json")
			h.Data, h.Etcd, h.Reads = facts.Data{Exists: true}, nil, false
			if name != "etcd-2" {
				stop(h)
			}
		})
	}
	s.Members, s.Cluster = nil, 0
	if _, err := BuildWith(Next, w, s); err != nil {
		t.Error(err)
	}
}
