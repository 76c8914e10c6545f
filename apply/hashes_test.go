package apply

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

// followers is a cluster whose followers have what was written last only after a linearizable read through them.
type followers struct {
	Etcd
	revision int64
	has      map[string]int64 // by endpoint
	sums     map[string]uint32
}

func (f followers) Revision(_ context.Context, endpoint string) (int64, error) {
	f.has[endpoint] = f.revision
	return f.revision, nil
}

func (f followers) Hash(_ context.Context, endpoint string, revision int64) (sum uint32, compacted int64, err error) {
	if f.has[endpoint] < revision {
		return 0, 0, errors.New("future revision")
	}
	return f.sums[endpoint], 1, nil
}

func TestHashes(t *testing.T) {
	const third = "https://10.0.0.13:2379"
	for _, test := range []struct {
		name string
		sums map[string]uint32
		want []string
	}{
		{"a follower behind", map[string]uint32{}, nil},
		{"other data", map[string]uint32{third: 7}, []string{"the members' data differs at revision 9"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := Run{Want: wanted(t, 3), Etcd: followers{revision: 9, has: map[string]int64{}, sums: test.sums}}
			got, note := r.hashes(t.Context())
			if !slices.EqualFunc(got, test.want, strings.HasPrefix) || note != "" {
				t.Errorf("hashes = %q, want %q; %s", got, test.want, note)
			}
		})
	}
}

// compacting is a cluster whose members were compacted to different revisions, each time they are asked.
type compacting struct {
	followers
	calls *int64
}

func (c compacting) Hash(ctx context.Context, endpoint string,
	revision int64,
) (sum uint32, compacted int64, err error) {
	*c.calls++
	sum, _, err = c.followers.Hash(ctx, endpoint, revision)
	return sum, *c.calls, err
}

// Data that could not be compared is said to be so.
func TestHashesNotCompared(t *testing.T) {
	r := Run{Want: wanted(t, 3), Etcd: compacting{followers{revision: 9, has: map[string]int64{}}, new(int64)}}
	if findings, note := r.hashes(t.Context()); findings != nil || !strings.Contains(note, "was not compared") {
		t.Errorf("findings %q, note %q", findings, note)
	}
}
