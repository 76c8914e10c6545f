package lab

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var addrs = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func host(name, suite, v4, v6 string) Host {
	return Host{Name: name, Suite: suite, IPv4: netip.MustParseAddr(v4), IPv6: netip.MustParseAddr(v6)}
}

func TestPlanHosts(t *testing.T) {
	one := host("etcd-1", "bookworm", "198.18.0.11", "fdc1:7570::11")
	at := func(s string) netip.Addr { return netip.MustParseAddr(s) }
	tests := []struct {
		name  string
		have  []Host
		specs []HostSpec
		want  []Host
		err   string
	}{
		{name: "named", specs: named(2), want: []Host{one, host("etcd-2", "bookworm", "198.18.0.12", "fdc1:7570::12")}},
		{name: "again", have: []Host{one}, specs: named(1), want: []Host{one}},
		{
			name: "one more", have: []Host{one}, specs: named(2),
			want: []Host{one, host("etcd-2", "bookworm", "198.18.0.12", "fdc1:7570::12")},
		},
		{
			name: "those beyond stay", have: []Host{one}, specs: []HostSpec{{Name: "b", Suite: "trixie"}},
			want: []Host{one, host("b", "trixie", "198.18.0.12", "fdc1:7570::12")},
		},
		{
			name:  "an address asked for is not given away",
			specs: []HostSpec{{Name: "a"}, {Name: "b", IPv4: at("198.18.0.11")}},
			want: []Host{
				host("a", "bookworm", "198.18.0.12", "fdc1:7570::12"),
				host("b", "bookworm", "198.18.0.11", "fdc1:7570::11"),
			},
		},
		{name: "twice", specs: []HostSpec{{Name: "a"}, {Name: "a"}}, err: "named twice"},
		{name: "bad name", specs: []HostSpec{{Name: "A_"}}, err: `host "A_"`},
		{name: "the control machine", specs: []HostSpec{{Name: Control}}, err: "host \"control\""},
		{name: "bad suite", specs: []HostSpec{{Name: "a", Suite: "sid"}}, err: `suite "sid"`},
		{name: "outside", specs: []HostSpec{{Name: "a", IPv4: at("10.0.0.1")}}, err: "outside 198.18.0.0/15"},
		{name: "outside v6", specs: []HostSpec{{Name: "a", IPv6: at("fd00::1")}}, err: "outside fdc1:7570::/48"},
		{
			name: "the control machine's address", specs: []HostSpec{{Name: "a", IPv4: at("198.18.0.1")}},
			err: "belongs to control",
		},
		{
			name: "address twice", have: []Host{one}, specs: []HostSpec{{Name: "a", IPv6: at("fdc1:7570::11")}},
			err: "belongs to etcd-1",
		},
		{
			name: "other suite", have: []Host{one}, specs: []HostSpec{{Name: "etcd-1", Suite: "trixie"}},
			err: "is up as bookworm",
		},
		{name: "too many", specs: named(241), err: "no address left"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := planHosts(DefaultName, tt.have, tt.specs)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error = %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got, addrs); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestPlanHostsSaysEveryMistake(t *testing.T) {
	_, err := planHosts("x", nil, []HostSpec{{Name: "A"}, {Name: "b", Suite: "sid"}})
	for _, want := range []string{`"A"`, `"sid"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

func TestLabNames(t *testing.T) {
	for _, bad := range []string{"", "-a", "a-", "A", "a_b", "../x", strings.Repeat("a", 25)} {
		if labName.MatchString(bad) {
			t.Errorf("lab name %q is accepted", bad)
		}
	}
}

// Addresses are distinct and in their ranges, and planning twice changes nothing.
func TestPlanHostsLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lab := rapid.StringMatching(`[a-z]{1,10}`).Draw(t, "lab")
		n := rapid.IntRange(0, 240).Draw(t, "n")
		m := rapid.IntRange(0, n).Draw(t, "m")
		first, err := planHosts(lab, nil, named(m))
		if err != nil {
			t.Fatal(err)
		}
		hosts, err := planHosts(lab, first, named(n))
		if err != nil {
			t.Fatal(err)
		}
		whole, err := planHosts(lab, nil, named(n))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(whole, hosts, addrs); d != "" {
			t.Fatal("in two steps it is another lab: ", d)
		}
		seen := map[netip.Addr]bool{}
		for _, h := range hosts {
			if !prefix4.Contains(h.IPv4) || !prefix6.Contains(h.IPv6) || seen[h.IPv4] || seen[h.IPv6] {
				t.Fatalf("bad or repeated address: %+v", h)
			}
			seen[h.IPv4], seen[h.IPv6] = true, true
			// People see the same number in both.
			last := h.IPv4.As4()[3]
			if want := fmt.Sprintf("::%d", last); !strings.HasSuffix(h.IPv6.String(), want) {
				t.Fatalf("%s does not end in %s", h.IPv6, want)
			}
		}
	})
}
