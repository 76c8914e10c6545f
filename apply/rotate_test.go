package apply

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
)

// signers are the CAs of the members' certificates, "peer 1, client 2", where all are of the same.
func signers(o *world) map[string]int {
	found := map[string]int{}
	for _, host := range o.seen.Hosts {
		for role, leaf := range host.Leaves {
			for _, ca := range o.seen.Operator.CAs {
				if ca.SHA256 == leaf.Issuer && (found[role] == 0 || found[role] == ca.Generation) {
					found[role] = ca.Generation
				}
			}
		}
	}
	return found
}

// A rotation of both CAs goes through its phases in order, whichever run comes to each of them: one after another dies
// at each of its points, and another goes on, which knows nothing of it.
func TestRotate(t *testing.T) {
	first := running(t, 3, "3.6.16", "3.6.16")
	wish := etcd.RotateCA(first.want, first.seen, []string{"peer", "client"}, "")
	r, done := followed(first, "first")
	r.Want = wish
	r.Gather = func(ctx context.Context, _ *Last) (facts.Snapshot, error) {
		return first.gather(ctx, r.Want, &looked{}, nil)
	}
	var points atomic.Int64 // hosts work side by side
	r.Seam = first.seam(func(string) error { points.Add(1); return nil })
	if _, err := r.Converge(t.Context()); err != nil {
		t.Fatal(err)
	}
	steps := done()
	at := func(prefix string) int {
		return slices.IndexFunc(steps, func(s string) bool { return strings.HasPrefix(s, prefix) })
	}
	order := []string{"create-ca/peer", "restart-member/", "issue-leaf/", "retire-ca/peer-1", "prune-trust/"}
	for i := 1; i < len(order); i++ {
		if at(order[i-1]) < 0 || at(order[i]) < at(order[i-1]) {
			t.Errorf("%s is not before %s in %v", order[i-1], order[i], steps)
		}
	}
	if got := signers(first); got["peer"] != 2 || got["server"] != 2 {
		t.Errorf("certificates are of %v", got)
	}
	for point := int64(1); point <= points.Load(); point += 7 {
		o := running(t, 3, "3.6.16", "3.6.16")
		died := errors.New("died")
		r := o.run("rotating")
		r.Want = etcd.RotateCA(o.want, o.seen, []string{"peer", "client"}, "")
		r.Gather = func(ctx context.Context, _ *Last) (facts.Snapshot, error) {
			return o.gather(ctx, r.Want, &looked{}, nil)
		}
		var n atomic.Int64
		r.Seam = o.seam(func(string) error {
			if n.Add(1) >= point {
				return died
			}
			return nil
		})
		if _, err := r.Converge(t.Context()); !errors.Is(err, died) {
			t.Fatalf("point %d: %v", point, err)
		}
		if _, err := o.run("another").Converge(t.Context()); err != nil {
			t.Fatalf("after point %d: %v", point, err)
		}
		if got := signers(o); len(o.seen.Operator.CAs) > 2 && (got["peer"] != 2 || got["server"] != 2) {
			t.Errorf("point %d: certificates are of %v", point, got)
		}
	}
}

// A CA of others signs before anything is done, once a run; where what it signs is of no use, nothing is done.
func TestTrial(t *testing.T) {
	theirs := func(w etcd.Want) etcd.Want {
		cluster := *w.Cluster
		if err := json.Unmarshal([]byte(`{"Cert":"their.pem","Key":"their.key"}`), &cluster.PKI.PeerCA); err != nil {
			t.Fatal(err)
		}
		w.Cluster = &cluster
		return w
	}
	silent := errors.New("connection refused")
	for name, c := range map[string]struct {
		unfit string
		err   error
	}{"fit": {}, "unfit": {unfit: "it lacks clientAuth"}, "a server that is silent": {err: silent}} {
		o := running(t, 3, "3.6.16", "3.6.16")
		o.unfit, o.noServer = c.unfit, c.err
		o.seen.Operator.Replaced = map[string]string{"peer": "another one is given"}
		r, done := followed(o, "run")
		r.Want = theirs(o.want)
		r.Gather = func(ctx context.Context, _ *Last) (facts.Snapshot, error) {
			return o.gather(ctx, r.Want, &looked{}, nil)
		}
		_, err := r.Converge(t.Context())
		refused := new(plan.Refused)
		good := errors.As(err, &refused) == (c.unfit != "") && errors.Is(err, silent) == (c.err != nil)
		if !good || (err == nil) != (name == "fit") {
			t.Errorf("%s: %v", name, err)
		}
		if c.unfit != "" && !strings.Contains(err.Error(), c.unfit) {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.Equal(o.tried, []string{"peer"}) || (len(done()) > 0) != (name == "fit") {
			t.Errorf("%s: tried %v, done %v", name, o.tried, done())
		}
	}
}
