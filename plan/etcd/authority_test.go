package etcd

import (
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan/trust"
	"github.com/clusterup/clusterup/units"
)

// with is a cluster with another CA of a role.
func with(s facts.Snapshot, ca facts.CA) facts.Snapshot {
	s.Operator.CAs = append(append([]facts.CA{}, s.Operator.CAs...), ca)
	return s
}

// ending is a cluster of which a CA ends after a time.
func ending(s facts.Snapshot, role string, generation int, after time.Duration) facts.Snapshot {
	s.Operator.CAs = append([]facts.CA{}, s.Operator.CAs...)
	for i := range s.Operator.CAs {
		if ca := &s.Operator.CAs[i]; ca.Role == role && ca.Generation == generation {
			ca.NotAfter = s.Taken.Add(after)
		}
	}
	return s
}

// Which CA signs: the newest that every member trusts, and that is not held; never one that has ended, if another can.
func TestSigner(t *testing.T) {
	w := wanted(t, 3)
	one := settled(t, w)
	next := facts.CA{
		Role: "client", Generation: 2, SHA256: "second", PEM: []byte("second\n"), Signing: true,
		NotAfter: noon.AddDate(20, 0, 0),
	}
	two := with(one, next)
	trusting := two
	for _, m := range w.Cluster.Members {
		trusting = change(trusting, m.Name, func(h *facts.Host) {
			file := h.Files[units.Flag(h.Process.Args, "trusted-ca-file")]
			file.Content = append(append([]byte{}, file.Content...), next.PEM...)
			h.Files[units.Flag(h.Process.Args, "trusted-ca-file")] = file
		})
	}
	held := func(s facts.Snapshot) facts.Snapshot {
		s.Operator.Holds = map[string]string{"client": trust.HoldTrust}
		return s
	}
	retired := next
	retired.Retired, retired.Signing = true, false
	for name, test := range map[string]struct {
		seen facts.Snapshot
		want int // 0: none
	}{
		"the only one":                     {one, 1},
		"nobody trusts the next":           {two, 1},
		"not all trust the next":           {change(trusting, "etcd-2", func(h *facts.Host) { *h = two.Hosts["etcd-2"] }), 1},
		"all trust the next":               {trusting, 2},
		"held":                             {held(trusting), 1},
		"held, and the old one has ended":  {held(ending(trusting, "client", 1, -time.Hour)), 2},
		"the next was retired":             {with(one, retired), 1},
		"before there is a cluster":        {with(after(t, w, "operator directory"), next), 2},
		"the old one has ended, unnoticed": {ending(two, "client", 1, -time.Hour), 2},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := Trust(w, test.seen).Signer("client")
			if got.Generation != test.want {
				t.Errorf("client CA %d signs, want %d", got.Generation, test.want)
			}
		})
	}
}
