package node

import (
	"strings"
	"testing"

	"github.com/clusterup/clusterup/pool"
)

// A key becomes a server of HAProxy that answers clients, and goes the ways of its key.
func TestFollow(t *testing.T) {
	w := newWorld(t, startEtcd(t), "front")
	one, two := w.backend("pg-1"), w.backend("pg-2")
	w.put("pg-1", one)
	w.follow()
	waitFor(t, "pg-1 answers", func() bool { return w.ask() == "pg-1" })
	r := w.applied(w.put("pg-2", with(two, `"weight":30,"check":7,"state":"maint"`)))
	if r.Servers["pg-1"] != pool.Ready || r.Servers["pg-2"] != pool.Maint || r.Trouble != "" {
		t.Errorf("%+v", r)
	}
	if has := w.has(); strings.Count(has, "check 7 weight 30 maint") != 1 || strings.Count(has, "pg-2") != 2 {
		t.Error(has)
	}
}
