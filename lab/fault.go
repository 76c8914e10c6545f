package lab

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/sync/errgroup"
)

// PowerCut kills every process of a host at once. Writes that were not synced survive all the same: hosts share the
// machine's page cache.
func (l *Lab) PowerCut(ctx context.Context, host string) error {
	s, err := l.site(host)
	if err != nil {
		return err
	}
	return s.kill(ctx)
}

// Boot starts a host that is down on the disk it had, and waits until it is ready, as Up does. A host that runs is only
// waited for. After a reboot from inside, a host is down until Boot.
func (l *Lab) Boot(ctx context.Context, host string) error {
	s, err := l.site(host)
	if err != nil {
		return err
	}
	return s.boot(ctx)
}

// Reset installs a host anew: nothing on its disk stays, its host key and machine ID are new, and KnownHosts has the
// new key. Only name and address are as before. Disks of LimitedDisk are gone.
func (l *Lab) Reset(ctx context.Context, host string) error { return l.reset(ctx, host, false) }

// Wipe is Reset with the host key of before, so that ssh sees the same host.
func (l *Lab) Wipe(ctx context.Context, host string) error { return l.reset(ctx, host, true) }

func (l *Lab) reset(ctx context.Context, host string, keepKey bool) error {
	err := l.change(ctx, host, func(s site, h *hostState) error {
		if err := s.kill(ctx); err != nil {
			return err
		}
		h.Disks = nil
		return s.wipe(keepKey)
	})
	if err != nil {
		return fmt.Errorf("reset %s: %w", host, err)
	}
	held, err := lock(ctx, lockFile(l.name))
	if err != nil {
		return err
	}
	err = l.prepare(ctx, l.sites())
	held.Unlock()
	if err != nil {
		return fmt.Errorf("reset %s: %w", host, err)
	}
	return l.Boot(ctx, host)
}

// change does something to a host that the state must remember, alone.
func (l *Lab) change(ctx context.Context, host string, do func(site, *hostState) error) error {
	held, err := lock(ctx, lockFile(l.name))
	if err != nil {
		return err
	}
	defer held.Unlock()
	if err := l.reload(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	h, err := l.st.host(host)
	if err != nil {
		return err
	}
	if err := do(l.siteOf(*h), h); err != nil {
		return err
	}
	return l.st.write(stateFile(l.name))
}

// Partition drops, or lets through again, everything between two hosts, or
// between a host and Control. Both hosts must be up; a reboot forgets it.
func (l *Lab) Partition(ctx context.Context, a, b string, on bool) error {
	var g errgroup.Group
	for _, pair := range [][2]string{{a, b}, {b, a}} {
		here, there := pair[0], pair[1]
		if here == Control {
			continue
		}
		addrs, err := l.addresses(there)
		if err != nil {
			return err
		}
		g.Go(func() error {
			_, err := l.ExecInput(ctx, here, dropRules(there, addrs, on), "nft", "-f", "-")
			return err
		})
	}
	return g.Wait()
}

func (l *Lab) addresses(host string) ([2]netip.Addr, error) {
	if host == Control {
		n := subnetOf(l.name)
		return [2]netip.Addr{n.ipv4(controlHost), n.ipv6(controlHost)}, nil
	}
	s, err := l.site(host)
	return [2]netip.Addr{s.IPv4, s.IPv6}, err
}

// dropRules is an nft script that may be run again. The first line makes sure
// that there is a table to delete. nft 0.9.8, of Debian 11, takes no chain called "in".
func dropRules(from string, addrs [2]netip.Addr, on bool) string {
	table := "inet lab-" + from
	s := fmt.Sprintf("table %s {}\ndelete table %s\n", table, table)
	if !on {
		return s
	}
	return s + fmt.Sprintf(`table %s {
	chain incoming {
		type filter hook input priority -300;
		ip saddr %s drop
		ip6 saddr %s drop
	}
	chain outgoing {
		type filter hook output priority -300;
		ip daddr %s drop
		ip6 daddr %s drop
	}
}
`, table, addrs[0], addrs[1], addrs[0], addrs[1])
}

// Cable pulls a host's network cable out, or puts it back. The host keeps its
// addresses and sees that it has no carrier.
func (l *Lab) Cable(ctx context.Context, host string, in bool) error {
	s, _, _, err := l.running(host)
	if err != nil {
		return err
	}
	to := "down"
	if in {
		to = "up"
	}
	_, err = run(ctx, "", "ip", "-n", netnsName(l.name), "link", "set", "dev", s.port(), to)
	return err
}

// SlowLink limits what is sent to a host to so many bits a second; 0 lifts it.
func (l *Lab) SlowLink(ctx context.Context, host string, bitsPerSecond int64) error {
	s, _, _, err := l.running(host)
	if err != nil {
		return err
	}
	tc := []string{"tc", "-n", netnsName(l.name), "qdisc"}
	if bitsPerSecond == 0 {
		shown, err := run(ctx, "", append(tc, "show", "dev", s.port())...)
		if err != nil || !strings.Contains(string(shown), "tbf") {
			return err
		}
		_, err = run(ctx, "", append(tc, "del", "dev", s.port(), "root")...)
		return err
	}
	_, err = run(ctx, "", append(tc, "replace", "dev", s.port(), "root", "tbf",
		"rate", fmt.Sprintf("%dbit", bitsPerSecond), "burst", "64kb", "latency", "200ms")...)
	return err
}
