package acceptance

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// offNetwork is a firewall that takes a host off the network, but for itself. It rejects connections, so that no test
// waits for one.
const offNetwork = `nft -f - <<'EOF'
table inet cutoff {
  chain incoming {
    type filter hook input priority -300
    iifname lo accept
    meta l4proto tcp reject with tcp reset
    meta l4proto udp drop
  }
  chain outgoing {
    type filter hook output priority -300
    oifname lo accept
    tcp flags & rst == rst accept
    meta l4proto tcp reject with tcp reset
    meta l4proto udp drop
  }
}
EOF`

// offSSH keeps the operator from a host; its member goes on with the others.
const offSSH = `nft -f - <<'EOF'
table inet cutoff {
  chain incoming {
    type filter hook input priority -300
    iifname lo accept
    tcp dport 22 reject with tcp reset
  }
  chain outgoing {
    type filter hook output priority -300
    tcp flags & rst == rst accept
    tcp sport 22 reject with tcp reset
  }
}
EOF`

// cut takes hosts off the network: their members go on without the others.
func (s *site) cut(t *testing.T, hosts ...string) {
	t.Helper()
	for _, host := range hosts {
		s.on(t, host, offNetwork)
	}
}

// heal brings them back, also where they were not cut off.
func (s *site) heal(t *testing.T, hosts ...string) {
	t.Helper()
	for _, host := range hosts {
		s.on(t, host, "nft delete table inet cutoff 2>/dev/null || true")
	}
}

// onHosts prints what a cluster has on a host and what runs there.
const onHosts = `
find /etc/etcd /etc/systemd/system /opt/clusterup -type f -exec sha256sum {} + 2>/dev/null | sort
find /etc/etcd /opt/clusterup /var/lib/etcd* -maxdepth 3 -printf '%p %y %m %u:%g %l\n' 2>/dev/null | grep -v /member/ | sort
systemctl show -p MainPID,ActiveState,UnitFileState 'etcd-*'
`

// still checks that what is done changes nothing of a cluster on any host.
func (s *site) still(t *testing.T, do func()) {
	t.Helper()
	look := func() map[string]string {
		all := map[string]string{}
		for _, name := range s.names() {
			all[name] = s.on(t, name, onHosts)
		}
		return all
	}
	before := look()
	do()
	for name, now := range look() {
		if now != before[name] {
			t.Errorf("%s had\n%s\nand has\n%s", name, before[name], now)
		}
	}
}

// dark runs a command while hosts are dark, which then exits with 12 and names them.
func (s *site) dark(t *testing.T, hosts []string, args ...string) result {
	t.Helper()
	r := s.run(t, args...).exits(t, 12)
	for _, host := range hosts {
		r.says(t, host+": connect: ")
	}
	return r
}

// restarted checks which members have another process than before.
func (s *site) restarted(t *testing.T, before map[string]string, want ...string) map[string]string {
	t.Helper()
	after := s.pids(t, "prod")
	var got []string
	for _, host := range slices.Sorted(maps.Keys(after)) {
		if before[host] != after[host] {
			got = append(got, host)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("restarted were %s, want %s", strings.Join(got, ", "), strings.Join(want, ", "))
	}
	return after
}
