package etcd

import (
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
)

// TestEndangered: plan notes what a package's removal would take away, with a way out that ends it.
func TestEndangered(t *testing.T) {
	for name, test := range map[string]struct {
		settings []string
		made     bool
		packages []string
		found    string
		do       string
	}{
		"no package":    {[]string{dataBefore, userBefore}, true, nil, "", ""},
		"nothing of it": {nil, true, []string{"etcd-server"}, "", ""},
		"beside it":     {[]string{`data_dir = "/var/lib/etcd2"`}, true, []string{"etcd-server"}, "", ""},
		"of before": {
			[]string{dataBefore, userBefore},
			true,
			[]string{"etcd-server"},
			"would delete /var/lib/etcd/prod and delete the user etcd", "rm /var/lib/dpkg/info/etcd-server.p*rm",
		},
		"to be made": {
			[]string{`data_dir = "/var/lib/etcd"`},
			false,
			[]string{"etcd"},
			"would delete /var/lib/etcd",
			"leave data_dir out of the inventory",
		},
		"its log": {
			[]string{`wal_dir = "/var/lib/etcd/wal"`},
			false,
			[]string{"etcd"},
			"would delete /var/lib/etcd/wal", "leave wal_dir out",
		},
		"its unit's name": {
			[]string{`unit_name = "etcd"`},
			false,
			[]string{"etcd-server"},
			"would stop etcd.service",
			"leave unit_name out",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := lines(t, test.settings...)
			s := bare(w)
			if test.made {
				s = settled(t, w)
			}
			for _, m := range w.Cluster.Members {
				s = change(s, m.Name, func(h *facts.Host) { h.Packages = test.packages })
			}
			p, err := Build(w, s)
			if err != nil {
				t.Fatal(err)
			}
			var noted []string
			for _, note := range p.Notes {
				if strings.Contains(note, "purging") {
					noted = append(noted, note)
				}
			}
			if test.found == "" {
				if len(noted) > 0 {
					t.Errorf("%q", noted)
				}
				return
			}
			if len(noted) != 3 || !strings.Contains(noted[0], test.found) || !strings.Contains(noted[0], test.do) {
				t.Errorf("notes %q", noted)
			}
		})
	}
}

// Hosts that are clones are noted once, however many they are.
func TestNotesOfClones(t *testing.T) {
	w := wanted(t, 4)
	s := bare(w)
	for _, m := range w.Cluster.Members {
		s = change(s, m.Name, func(h *facts.Host) { h.MachineID = "same" })
	}
	noted := slices.DeleteFunc(notes(w, s), func(note string) bool { return !strings.Contains(note, "machine-id") })
	want := []string{"etcd-1, etcd-2, etcd-3 and etcd-4 have the same machine-id: cloned hosts, or one host several times"}
	if !slices.Equal(noted, want) {
		t.Errorf("noted %q", noted)
	}
}
