package quorum

import (
	"context"
	"errors"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/clusterup/clusterup/facts"
)

const canaryKey = canaryPrefix + "run/etcd-1"

func TestCanary(t *testing.T) {
	other := map[string]string{"other": "kept"}
	for _, tc := range []struct {
		name  string
		key   string
		fake  *fake
		kind  error
		text  string
		store map[string]string // what is left
	}{
		{name: "sings", key: canaryKey, fake: &fake{}, store: other},
		{
			name: "another value comes back", key: canaryKey, fake: &fake{lie: func(string) string { return "lie" }},
			store: other,
			text:  "read canary through " + epIPv4 + ": the value is not the one that was written",
		},
		{
			name: "write refused", key: canaryKey, fake: &fake{fail: map[string]error{"Txn": rpctypes.ErrGRPCNoSpace}},
			store: other,
			kind:  facts.ErrNoSpace, text: "write canary through " + epIPv4 + ": etcdserver: mvcc: database space exceeded",
		},
		{
			name: "read refused, still deleted", key: canaryKey,
			fake: &fake{fail: map[string]error{"Range": rpctypes.ErrGRPCCorrupt}}, store: other,
			kind: facts.ErrCorrupt, text: "read canary through " + epIPv4 + ": etcdserver: corrupt cluster",
		},
		{
			name: "not deleted", key: canaryKey,
			fake: &fake{fail: map[string]error{"DeleteRange": rpctypes.ErrGRPCPermissionDenied}},
			kind: facts.ErrPermission, text: "delete canary through " + epIPv4 + ": etcdserver: permission denied",
			store: map[string]string{"other": "kept", canaryKey: "v"},
		},
		{
			name: "a key of someone else", key: "other", fake: &fake{}, store: other,
			text: "write canary through " + epIPv4 + `: key "other" is not under clusterup/canary/`,
		},
		{
			name: "the bare prefix", key: canaryPrefix, fake: &fake{}, store: other,
			text: "write canary through " + epIPv4 + `: key "clusterup/canary/" is not under clusterup/canary/`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.fake.store = map[string]string{"other": "kept"}
			c, _ := oneMember(t, tc.fake)
			err := c.Canary(t.Context(), epIPv4, tc.key, "v")
			if got := errorText(err); got != tc.text {
				t.Errorf("error %q, want %q", got, tc.text)
			}
			if !errors.Is(err, tc.kind) && tc.kind != nil {
				t.Errorf("kind of %v is not %v", err, tc.kind)
			}
			if diff := cmp.Diff(tc.store, tc.fake.store); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What runs have left that were killed goes, and nothing else; a run's own canaries through other members stay.
func TestCanaryCleans(t *testing.T) {
	kept := map[string]string{
		"clusterup/canary": "x", "clusterup/canary0": "x", "clusterup/canary/run/etcd-2": "v", "other": "kept",
	}
	f := &fake{store: maps.Clone(kept)}
	for _, left := range []string{"", "another/etcd-1", "rum/etcd-1", "run", "run-2/etcd-1", "runs/etcd-1", "zebra"} {
		f.store[canaryPrefix+left] = "left"
	}
	c, _ := oneMember(t, f)
	if err := c.Canary(t.Context(), epIPv4, canaryKey, "v"); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(kept, f.store); diff != "" {
		t.Error(diff)
	}
}

// An operator who gives up leaves no canary behind.
func TestCanaryCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &fake{store: map[string]string{}, lie: func(put string) string { cancel(); return put }}
	c, _ := oneMember(t, f)
	if err := c.Canary(ctx, epIPv4, canaryKey, "v"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(map[string]string{}, f.store); diff != "" {
		t.Error(diff)
	}
}
