package etcd

import (
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
)

// A learner is a concern until it votes: check says how far it is behind, and what gives it its vote.
func TestLearnersAreConcerns(t *testing.T) {
	w, s := grown(t, 3, 4)
	s = advance(t, w, s, "start members")
	lags := change(s, "etcd-4", func(h *facts.Host) {
		status := *h.Etcd
		status.Applied = 0
		h.Etcd = &status
	})
	for _, name := range []string{"etcd-1", "etcd-2", "etcd-3"} {
		lags = change(lags, name, func(h *facts.Host) {
			status := *h.Etcd
			status.Applied, status.Index = 12034, 12034
			h.Etcd = &status
		})
	}
	silent := change(s, "etcd-4", func(h *facts.Host) { h.Etcd, h.EtcdError = nil, "refused" })
	behind := func(n uint64) *uint64 { return &n }
	for name, test := range map[string]struct {
		want Want
		seen facts.Snapshot
		text string // "": no concern
		do   string
		far  *uint64
	}{
		"behind":        {w, lags, "12034 behind", "clusterup apply", behind(12034)},
		"caught up":     {w, s, "has caught up", "member promote etcd-4", behind(0)},
		"silent":        {w, silent, "not known", "member remove etcd-4", nil},
		"dark":          {w, change(s, "etcd-4", darkly), "not known", "member remove etcd-4", nil},
		"it is to go":   {absent(w, "etcd-4"), lags, "", "", nil},
		"it has a vote": {w, settled(t, w), "", "", nil},
	} {
		found := slices.DeleteFunc(Concerns(test.want, test.seen), func(c Concern) bool { return c.Kind != "learner" })
		switch {
		case test.text == "" && len(found) > 0, test.text != "" && len(found) != 1:
			t.Errorf("%s: %+v", name, found)
		case test.text == "":
		case found[0].Host != "etcd-4" || !strings.Contains(found[0].Text, test.text) ||
			!strings.Contains(found[0].Do, test.do) || (found[0].Behind == nil) != (test.far == nil) ||
			test.far != nil && *found[0].Behind != *test.far:
			t.Errorf("%s: %+v", name, found[0])
		}
	}
}
