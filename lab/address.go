package lab

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"regexp"
	"slices"
)

// HostSpec asks for a host. Only Name is needed.
type HostSpec struct {
	Name  string     // also the host name; fits a DNS label
	Suite string     // Debian release: "bookworm" (the default), "bullseye" or "trixie"
	IPv4  netip.Addr // in 198.18.0.0/15; the zero value takes the next free one
	IPv6  netip.Addr // in fdc1:7570::/48; likewise
}

// Host is a host of a lab.
type Host struct {
	Name  string     `json:"name"`
	Suite string     `json:"suite"`
	IPv4  netip.Addr `json:"ipv4"`
	IPv6  netip.Addr `json:"ipv6"`
}

// DefaultName is the lab that an empty name means.
const DefaultName = "lab"

// Control names the machine itself where a host is asked for, as in Partition.
const Control = "control"

const (
	defaultSuite = "bookworm"
	firstHost    = 11  // last octet of the first host
	lastHost     = 250 // and of the last that gets an address by itself
	controlHost  = 1   // last octet of the machine's own address on the bridge
)

var (
	// RFC 2544 sets this range aside for benchmarks; no network routes it.
	prefix4 = netip.MustParsePrefix("198.18.0.0/15")
	// A unique local prefix (RFC 4193).
	prefix6 = netip.MustParsePrefix("fdc1:7570::/48")

	labName  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?$`)
	hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,36}[a-z0-9])?$`)
)

// subnet numbers the 512 networks of 198.18.0.0/15. Labs cannot reach each other, so two labs with one number do no
// harm; different numbers only make logs easier to read.
type subnet uint16

// subnetOf is 0 for the default lab, so that examples can name its addresses.
func subnetOf(name string) subnet {
	if name == DefaultName {
		return 0
	}
	h := fnv.New32a()
	h.Write([]byte(name))
	return subnet(1 + h.Sum32()%511)
}

func (s subnet) ipv4(host int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 18 + byte(s>>8), byte(s), byte(host)})
}

// ipv6 writes the host's number as people read it: host 11 is ::11.
func (s subnet) ipv6(host int) netip.Addr {
	a := prefix6.Addr().As16()
	a[6], a[7] = byte(s>>8), byte(s)
	a[14], a[15] = byte(host/100), byte(host/10%10<<4|host%10)
	return netip.AddrFrom16(a)
}

// named returns n hosts that only have names, etcd-1 to etcd-n.
func named(n int) []HostSpec {
	specs := make([]HostSpec, n)
	for i := range specs {
		specs[i].Name = fmt.Sprintf("etcd-%d", i+1)
	}
	return specs
}

// planHosts adds specs to the hosts that a lab already has. A host that is there
// stays as it is; a spec that contradicts it is an error.
func planHosts(lab string, have []Host, specs []HostSpec) ([]Host, error) {
	p := planner{net: subnetOf(lab), hosts: slices.Clone(have), taken: map[netip.Addr]string{}, added: map[string]bool{}}
	p.taken[p.net.ipv4(controlHost)] = Control
	p.taken[p.net.ipv6(controlHost)] = Control
	for _, h := range have {
		p.taken[h.IPv4], p.taken[h.IPv6] = h.Name, h.Name
	}
	// Addresses that were asked for go first, so that none of them is given away.
	var errs []error
	for _, pass := range []bool{true, false} {
		for _, s := range specs {
			if s.IPv4.IsValid() == pass {
				errs = append(errs, p.add(s))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p.inOrder(have, specs), nil
}

type planner struct {
	net   subnet
	hosts []Host
	taken map[netip.Addr]string
	added map[string]bool
}

func (p *planner) add(s HostSpec) error {
	switch {
	case !hostName.MatchString(s.Name) || s.Name == Control:
		return fmt.Errorf("host %q: a host's name is at most 38 of a-z, 0-9 and -, and not %q", s.Name, Control)
	case p.added[s.Name]:
		return fmt.Errorf("host %s: named twice", s.Name)
	case s.Suite != "" && !slices.Contains(Suites(), s.Suite):
		return fmt.Errorf("host %s: suite %q is not one of %v", s.Name, s.Suite, Suites())
	}
	p.added[s.Name] = true
	if i := slices.IndexFunc(p.hosts, func(h Host) bool { return h.Name == s.Name }); i >= 0 {
		return p.hosts[i].contradicts(s)
	}
	h := Host{Name: s.Name, Suite: cmp.Or(s.Suite, defaultSuite)}
	var err error
	if h.IPv4, err = p.take(s.Name, s.IPv4, prefix4, p.net.ipv4); err != nil {
		return err
	}
	if h.IPv6, err = p.take(s.Name, s.IPv6, prefix6, p.net.ipv6); err != nil {
		return err
	}
	p.hosts = append(p.hosts, h)
	return nil
}

func (p *planner) take(host string, want netip.Addr, in netip.Prefix, nth func(int) netip.Addr) (netip.Addr, error) {
	if want.IsValid() {
		if !in.Contains(want) {
			return want, fmt.Errorf("host %s: address %s is outside %s", host, want, in)
		}
		if who, ok := p.taken[want]; ok {
			return want, fmt.Errorf("host %s: address %s belongs to %s", host, want, who)
		}
		p.taken[want] = host
		return want, nil
	}
	for i := firstHost; i <= lastHost; i++ {
		if a := nth(i); p.taken[a] == "" {
			p.taken[a] = host
			return a, nil
		}
	}
	return want, fmt.Errorf("host %s: no address left in a lab of %d hosts", host, len(p.hosts))
}

// inOrder puts the hosts back in the order they were asked for.
func (p *planner) inOrder(have []Host, specs []HostSpec) []Host {
	rank := map[string]int{}
	for i, h := range have {
		rank[h.Name] = i
	}
	for i, s := range specs {
		if _, ok := rank[s.Name]; !ok {
			rank[s.Name] = len(have) + i
		}
	}
	slices.SortFunc(p.hosts, func(a, b Host) int { return rank[a.Name] - rank[b.Name] })
	return p.hosts
}

func (h Host) contradicts(s HostSpec) error {
	if s.Suite != "" && s.Suite != h.Suite || s.IPv4.IsValid() && s.IPv4 != h.IPv4 ||
		s.IPv6.IsValid() && s.IPv6 != h.IPv6 {
		return fmt.Errorf("host %s: is up as %s %s %s; take the lab down to change that", h.Name, h.Suite, h.IPv4, h.IPv6)
	}
	return nil
}
