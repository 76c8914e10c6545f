package main

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
)

var looks = regexp.MustCompile(`clusterup (status|check|plan)\b`)

// TestCheckLeadsOn: the remedies of check lead on. None leads to another look, which would show the same, and none to
// apply while apply is refused or has nothing to do.
func TestCheckLeadsOn(t *testing.T) {
	stopped := func(h *facts.Host) {
		h.Process, h.Etcd, h.Reads, h.Unit.Active, h.Unit.Load = nil, nil, false, "inactive", "loaded"
	}
	denied := func(h *facts.Host) { h.Etcd, h.Denied, h.EtcdError = nil, true, "etcdserver: user name is empty" }
	plain := func(a *aging) {
		cluster := *a.want.Cluster
		cluster.TLS.Clients = false
		a.want.Cluster, a.session.Cluster = &cluster, &cluster
	}
	each := func(a *aging, do func(*facts.Host)) {
		for _, m := range a.want.Cluster.Members {
			a.host(m.Name, do)
		}
	}
	for name, test := range map[string]struct {
		spoil func(a *aging)
		kinds []string // of the findings, each once
	}{
		"well":             {func(*aging) {}, nil},
		"a stopped member": {func(a *aging) { a.host("etcd-2", stopped) }, []string{"drift", "unhealthy"}},
		"one that hangs": {
			func(a *aging) {
				a.host("etcd-2", func(h *facts.Host) { h.Reads, h.ReadError = false, "no answer" })
			},
			[]string{"drift", "unhealthy"},
		},
		"a stranger's data": {
			func(a *aging) { a.host("etcd-2", func(h *facts.Host) { h.Data.ClusterID = 0xabc }) },
			[]string{"refused", "unhealthy"},
		},
		"stopped, and refused": {func(a *aging) {
			a.host("etcd-2", stopped)
			a.host("etcd-3", func(h *facts.Host) { h.Data.ClusterID = 0xabc })
		}, []string{"refused", "unhealthy"}},
		"permissions without TLS": {
			func(a *aging) { plain(a); each(a, denied); a.seen.Members = nil },
			[]string{"refused", "unknown"},
		},
		"a full database": {func(a *aging) { a.full(100, 100) }, []string{"alarm"}},
		"a full database, and a larger quota": {func(a *aging) {
			a.full(100, 100)
			a.settings(func(e *inventory.Etcd) { e.QuotaBackendBytes = 16 << 30 })
		}, []string{"alarm", "drift"}},
		"a full database, and a flag": {func(a *aging) {
			a.full(100, 100)
			a.settings(func(e *inventory.Etcd) { e.Flags = map[string]string{"max-request-bytes": "1048576"} })
		}, []string{"alarm"}},
		"no cluster yet": {func(a *aging) {
			each(a, func(h *facts.Host) {
				*h = facts.Host{Machine: facts.Machine{
					Name: h.Name, Arch: "amd64", Systemd: 252,
					Rooms: map[string]facts.Room{"data": {Size: 1 << 40, Free: 1 << 40}},
				}}
			})
			a.seen.Members, a.seen.Operator = nil, facts.Operator{}
		}, []string{"drift"}},
		"a rotation that was begun": {func(a *aging) {
			w := etcd.RotateCA(a.want, a.seen, []string{"peer"}, "")
			a.until(w, plan.IssueLeaf)
		}, []string{"rotation"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAging(t, "")
			test.spoil(a)
			p, err := etcd.Build(a.want, a.seen)
			var refused *plan.Refused
			if err != nil && !errors.As(err, &refused) {
				t.Fatal(err)
			}
			var kinds []string
			for _, f := range a.session.looked(p, a.seen, refused).Check().Findings {
				if !slices.Contains(kinds, f.Kind) {
					kinds = append(kinds, f.Kind)
				}
				if looks.MatchString(f.Do) {
					t.Errorf("%s [%s] sends to another look: %s", f.Text, f.Kind, f.Do)
				}
				if strings.HasPrefix(f.Do, "clusterup apply") && (p.Empty() || refused != nil) {
					t.Errorf("%s [%s] sends to apply, which does nothing: %s", f.Text, f.Kind, f.Do)
				}
				if f.Do == "" && refused == nil {
					t.Errorf("%s [%s] says nothing to do", f.Text, f.Kind)
				}
			}
			slices.Sort(kinds)
			if !slices.Equal(kinds, test.kinds) {
				t.Errorf("findings of %q, want %q", kinds, test.kinds)
			}
		})
	}
}

// settings changes the block etcd of the inventory.
func (a *aging) settings(change func(*inventory.Etcd)) {
	cluster := *a.want.Cluster
	change(&cluster.Etcd)
	a.want.Cluster, a.session.Cluster = &cluster, &cluster
}
