package operator

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/remote"
)

// However an inventory sorts and names its members, the hosts are locked in one order.
func TestLockOrder(t *testing.T) {
	hosts := func(members ...inventory.Member) []string {
		address := map[string]string{}
		for _, m := range members {
			address[m.Name] = m.Address
		}
		var order []string
		for _, name := range lockOrder(members) {
			order = append(order, address[name])
		}
		return order
	}
	a, b, c := "10.0.0.1", "10.0.0.2", "db.example.com"
	want := []string{a, b, c}
	for _, got := range [][]string{
		hosts(inventory.Member{Name: "m1", Address: a}, inventory.Member{Name: "m2", Address: b},
			inventory.Member{Name: "m3", Address: c}),
		hosts(inventory.Member{Name: "m3", Address: c}, inventory.Member{Name: "m2", Address: b},
			inventory.Member{Name: "m1", Address: a}),
		hosts(inventory.Member{Name: "m1", Address: c}, inventory.Member{Name: "m2", Address: a},
			inventory.Member{Name: "m3", Address: b}),
	} {
		if !slices.Equal(got, want) {
			t.Errorf("locked in the order %v, want %v", got, want)
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
