package etcd

import (
	"path"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// A pair that is of no use to anybody is replaced before anything waits for its member; one that is good is replaced in
// turn. Neither takes a restart.
func TestSpoiltPairs(t *testing.T) {
	w := wanted(t, 3)
	leaf := func(role string, do func(*facts.Leaf)) func(*facts.Host) {
		return func(h *facts.Host) {
			leaf := h.Leaves[role]
			do(&leaf)
			h.Leaves[role] = leaf
		}
	}
	unanswered := func(h *facts.Host) { h.Etcd, h.Reads = nil, false }
	for name, test := range map[string]struct {
		harm   []func(*facts.Host)
		stage  string
		reason string
	}{
		"of another member": {
			[]func(*facts.Host){
				leaf("server", func(l *facts.Leaf) { l.Names = []string{"10.0.0.13", "127.0.0.1"} }),
				unanswered,
			},
			"put files right", "server certificate is for 10.0.0.13 127.0.0.1, want ",
		},
		"without a further name": {
			[]func(*facts.Host){leaf("peer", func(l *facts.Leaf) { l.Names = []string{"10.0.0.12", "127.0.0.1"} })},
			"renew the certificates of etcd-2", "peer certificate is for 10.0.0.12 127.0.0.1, want ",
		},
		"without a link": {
			[]func(*facts.Host){leaf("peer", func(l *facts.Leaf) { l.Dir = "" })},
			"renew the certificates of etcd-2", "peer certificate does not lie behind the link /etc/etcd/prod/tls/peer",
		},
		"with another key": {
			[]func(*facts.Host){func(h *facts.Host) {
				h.Serves = map[string][]facts.Served{"server": {{From: "etcd-1", Broken: true}}}
			}, unanswered},
			"put files right", "server certificate and key do not belong together",
		},
		"half a certificate": {
			[]func(*facts.Host){func(h *facts.Host) {
				delete(h.Leaves, "server")
				h.Files["/etc/etcd/prod/tls/server/cert.pem"] = facts.File{Kind: facts.Regular}
			}, unanswered},
			"put files right", "server certificate cannot be read",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := settled(t, w)
			for _, do := range test.harm {
				s = change(s, "etcd-2", do)
			}
			stage, err := Next(w, s)
			if err != nil || stage == nil || stage.Name != test.stage || len(stage.Steps) != 1 {
				t.Fatalf("%+v, %v", stage, err)
			}
			if step := stage.Steps[0]; step.Kind != plan.IssueLeaf || step.Host != "etcd-2" ||
				!strings.HasPrefix(step.Why, test.reason) {
				t.Errorf("%s on %s: %s", step.Kind, step.Host, step.Why)
			}
			s = Simulate(w, s, *stage)
			s = change(s, "etcd-2", func(h *facts.Host) { h.Etcd, h.Reads = settled(t, w).Hosts["etcd-2"].Etcd, true })
			if stage, err := Next(w, s); stage != nil || err != nil {
				t.Errorf("then: %+v, %v", stage, err)
			}
		})
	}
}

// TestUnreadablePair proves that a pair which its member may not read is put right where it lies, and not replaced; and
// that it is replaced when that was not all.
func TestUnreadablePair(t *testing.T) {
	w := wanted(t, 3)
	s := settled(t, w)
	key := path.Join(s.Hosts["etcd-2"].Leaves["server"].Dir, "key.pem")
	for name, spoilt := range map[string]string{"key": key, "directory": "/etc/etcd/prod/tls"} {
		t.Run(name, func(t *testing.T) {
			s := change(settled(t, w), "etcd-2", func(h *facts.Host) {
				file := h.Files[spoilt]
				file.Owner, file.Group, file.Mode = "root", "root", 0o600
				h.Files[spoilt] = file
				h.Serves = map[string][]facts.Served{"server": {{From: "etcd-1", Broken: true}}}
			})
			stage, err := Next(w, s)
			if err != nil || stage == nil || len(stage.Steps) != 1 || stage.Steps[0].Kind != plan.FixModes ||
				stage.Steps[0].Host != "etcd-2" {
				t.Fatalf("%+v, %v", stage, err)
			}
			mended := Simulate(w, s, *stage)
			if stage, err := Next(w, mended); stage != nil || err != nil {
				t.Errorf("then: %+v, %v", stage, err)
			}
			still := change(mended, "etcd-2", func(h *facts.Host) { h.Serves = s.Hosts["etcd-2"].Serves })
			stage, err = Next(w, still)
			if err != nil || stage == nil || len(stage.Steps) != 1 || stage.Steps[0].Kind != plan.IssueLeaf {
				t.Errorf("when it still shows nothing: %+v, %v", stage, err)
			}
		})
	}
}
