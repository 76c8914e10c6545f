package operator

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/remote"
)

// However an inventory sorts and names its members and nodes, the hosts are locked in one order, members first. A host
// that is both is locked once.
func TestLockOrder(t *testing.T) {
	member := func(name, address string) inventory.Member { return inventory.Member{Name: name, Address: address} }
	node := func(name, address string) inventory.Node { return inventory.Node{Name: name, Address: address} }
	a, b, c, d, e := "10.0.0.1", "10.0.0.2", "db.example.com", "10.0.0.0", "10.0.0.9"
	want := []string{a, b, c, d, e}
	for name, test := range map[string]struct {
		members []inventory.Member
		nodes   [][]inventory.Node // by balancer
	}{
		"sorted": {
			[]inventory.Member{member("m1", a), member("m2", b), member("m3", c)},
			[][]inventory.Node{{node("n1", d)}, {node("n2", e)}},
		},
		"backwards": {
			[]inventory.Member{member("m3", c), member("m2", b), member("m1", a)},
			[][]inventory.Node{{node("n2", e), node("n1", d)}},
		},
		"other names": {
			[]inventory.Member{member("m1", c), member("m2", a), member("m3", b)},
			[][]inventory.Node{{node("n1", e)}, {node("n2", d)}},
		},
		"a member's host is a node": {
			[]inventory.Member{member("m1", a), member("m2", b), member("m3", c)},
			[][]inventory.Node{{node("m2", b), node("n1", d)}, {node("n2", e)}},
		},
	} {
		cluster, address := &inventory.Cluster{Members: test.members}, map[string]string{}
		for _, m := range test.members {
			address[m.Name] = m.Address
		}
		for i, nodes := range test.nodes {
			cluster.Balancers = append(cluster.Balancers, inventory.Balancer{Name: fmt.Sprint(i), Nodes: nodes})
			for _, n := range nodes {
				address[n.Name] = n.Address
			}
		}
		var got []string
		for _, name := range lockOrder(cluster) {
			got = append(got, address[name])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: locked in the order %v, want %v", name, got, want)
		}
	}
}

// Signing does not wait for a download.
func TestDownloadHoldsNobodyUp(t *testing.T) {
	asked := make(chan struct{}, 10)
	mirror := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(mirror.Close)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	s := &Session{
		Cluster:  &inventory.Cluster{Name: "prod", Version: "3.6.16"},
		releases: map[string]*resolved{}, dir: t.TempDir(), Now: time.Now,
		options: Options{
			Dialer:   &remote.Dialer{},
			Download: func(_, _ string) func(_, _ int64) { return func(_, _ int64) {} },
		},
	}
	s.Cluster.Release.Mirror = mirror.URL
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = s.release(ctx, "3.6.16", "amd64", nil)
	}()
	<-asked
	if _, err := s.Store(); err != nil {
		t.Error(err)
	}
	cancel()
	<-ended
}
