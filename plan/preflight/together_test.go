package preflight

import (
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/probe"
)

// Hosts that are clones, or one machine, are named once, however many they are.
func TestPreflightMachines(t *testing.T) {
	for name, test := range map[string]struct {
		boots []string
		want  []string
	}{
		"clones": {
			[]string{"a", "b", "c", "d"},
			[]string{"machine-id warning: etcd-1, etcd-2, etcd-3 and etcd-4 have the same machine-id: they are clones of one machine"},
		},
		"one machine": {
			[]string{"a", "a", "a", "a"},
			[]string{"machine-id refusal: etcd-1, etcd-2, etcd-3 and etcd-4 are one machine"},
		},
		"both": {[]string{"a", "b", "b", "c"}, []string{
			"machine-id refusal: etcd-2 and etcd-3 are one machine",
			"machine-id warning: etcd-1, etcd-2, etcd-3 and etcd-4 have the same machine-id: they are clones of one machine",
		}},
		"not known": {
			[]string{"", "", "", ""},
			[]string{"machine-id warning: etcd-1, etcd-2, etcd-3 and etcd-4 have the same machine-id: they are clones of one machine"},
		},
	} {
		w := wanted(t, 4)
		s, probes := fit(t, w, bare(w))
		for i, m := range w.Cluster.Members {
			s = change(s, m.Name, func(h *facts.Host) { h.MachineID, h.BootID = "same", test.boots[i] })
		}
		findings := Findings(w, s, probes)
		if got := findingLines(findings); !slices.Equal(got, test.want) {
			t.Errorf("%s: got\n%s", name, strings.Join(got, "\n"))
		}
	}
}

// A name that means IPv6 alone is reported with the address, and not as a shut port by each host that was asked to
// connect to it.
func TestPreflightNameOfIPv6(t *testing.T) {
	w := wanted(t, 3)
	m := &w.Cluster.Members[1]
	m.PeerAddress, m.ClientAddress = "etcd-2.example.com", "etcd-2.example.com"
	s, probes := fit(t, w, bare(w))
	for name, probed := range probes {
		reachFrom(&probed, "etcd-2", func(r *probe.Reach) { r.Error = "connection refused" })
		if name == "etcd-2" {
			probed.Resolved = map[string][]string{"etcd-2.example.com": {"fd00::12"}}
			probed.Addresses = append(probed.Addresses, probe.HostAddress{IP: "fd00::12"})
		}
		probes[name] = probed
	}
	want := []string{"etcd-2 address refusal: the name etcd-2.example.com is fd00::12 on the host: a member whose address is a name listens on IPv4 alone"}
	if got := findingLines(Findings(w, s, probes)); !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

// A warning says what the removal of a distribution's package would take from a member.
func TestPreflightOfPackages(t *testing.T) {
	w := wanted(t, 3)
	w.Cluster.User = "etcd"
	s, probes := fit(t, w, bare(w))
	s = change(s, "etcd-2", func(h *facts.Host) { h.Packages = []string{"etcd-server"} })
	want := []string{"etcd-2 data warning: purging the package etcd-server would delete the user etcd"}
	if got := findingLines(Findings(w, s, probes)); !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}
