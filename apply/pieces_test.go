package apply

import (
	"context"
	"slices"
	"testing"
)

// pieces notes how many parts each trip to a host has.
type pieces struct {
	Host
	trips *[]int
}

func (p pieces) Write(ctx context.Context, parts ...Part) (done, failed int, err error) {
	*p.trips = append(*p.trips, len(parts))
	return p.Host.Write(ctx, parts...)
}

// Steps that only write files go to a host as one, but where a fault is to come in between.
func TestPieces(t *testing.T) {
	for point, want := range map[string][]int{
		"": {4, 2}, "before issue-leaf/server/etcd-1": {2, 2, 2}, "after write-trust/etcd-1#write-1": {1, 3, 2},
		"after record-birth/etcd-1": {4, 1, 1}, "before start-member/etcd-1": {4, 2},
	} {
		inBubble(t, point, func(t *testing.T) {
			o := newWorld(t, wanted(t, 1))
			r, trips := o.run("first"), []int{}
			r.Hosts["etcd-1"] = pieces{r.Hosts["etcd-1"], &trips}
			r.Apart = func(p string) bool { return p == point }
			if _, err := r.Converge(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(trips, want) {
				t.Errorf("trips of %v parts, want %v", trips, want)
			}
		})
	}
}
