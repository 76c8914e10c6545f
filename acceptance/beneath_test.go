package acceptance

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// beneath is what lies beneath the hosts' files and between them: a directory that is shut, a mount that nobody can
// write to, a file system without inodes, a way that long packets do not come through, a second address, a name of
// IPv6. Each is known before anything is written.
func beneath(t *testing.T, s *site, file string) {
	t.Run("directories", func(t *testing.T) { shutDirectories(t, s, file) })
	t.Run("packets", func(t *testing.T) { longPackets(t, s, file) })
	t.Run("source", func(t *testing.T) { secondAddress(t, s, file) })
	t.Run("name", func(t *testing.T) { nameOfIPv6(t, s, file) })
}

func shutDirectories(t *testing.T, s *site, file string) {
	s.on(t, "etcd-1", "mkdir -m 0700 /etc/etcd")
	s.on(t, "etcd-2", "mkdir /etc/etcd && mount -t tmpfs -o ro tmpfs /etc/etcd")
	s.on(t, "etcd-3", "mount -t tmpfs -o nr_inodes=3,size=1g tmpfs /opt")
	found := s.preflight(t, 13, file)
	planned := s.run(t, "plan", file)
	s.on(t, "etcd-1", "rmdir /etc/etcd")
	s.on(t, "etcd-2", "umount /etc/etcd && rmdir /etc/etcd")
	s.on(t, "etcd-3", "umount /opt")

	for _, want := range []struct{ host, check, found string }{
		{"etcd-1", "file-system", "/etc/etcd (root:root, mode 0700)"},
		{"etcd-2", "file-system", "/etc/etcd: Read-only file system"},
		{"etcd-3", "disk-space", "2 inodes"},
	} {
		if f := found.of(t, want.check, want.host); f.Level != "refusal" || !strings.Contains(f.Found, want.found) ||
			f.Do == "" {
			t.Errorf("%+v, want %q", f, want.found)
		}
	}
	planned.exits(t, 13).says(t, "etcd-1: …/etc/etcd (root:root, mode 0700)…[unsuitable]", "chmod a+x /etc/etcd",
		"etcd-2: …/etc/etcd…[unsuitable]")
}

// longPackets are lost on their way to a host, as where a tunnel takes less than interfaces say and ICMP is dropped.
func longPackets(t *testing.T, s *site, file string) {
	s.on(t, "etcd-2",
		"nft 'add table inet narrow { chain input { type filter hook input priority 0; iifname host0 tcp dport 2380 meta length > 1000 drop; }; }'")
	found := s.preflight(t, 13, file)
	s.on(t, "etcd-2", "nft delete table inet narrow")
	for _, name := range []string{"etcd-1", "etcd-3"} {
		f := found.of(t, "reach", name)
		if f.Level != "refusal" || !strings.Contains(f.Do, "MTU") {
			t.Errorf("%+v", f)
		}
	}
	if f := found.of(t, "reach", "etcd-2"); f.Level != "fine" {
		t.Errorf("%+v", f)
	}
}

// takeSource has a host go to others from a second address, and returns that; giveSource undoes it.
func takeSource(t *testing.T, s *site, host string, others ...string) (second string) {
	ip := s.host(t, host).IPv4.As4()
	ip[3] += 100
	second = fmt.Sprintf("%d.%d.%d.%d", ip[0], ip[1], ip[2], ip[3])
	commands := []string{"ip address add " + second + "/32 dev host0"}
	for _, other := range others {
		commands = append(commands, fmt.Sprintf("ip route replace %s/32 dev host0 src %s", s.host(t, other).IPv4, second))
	}
	s.on(t, host, strings.Join(commands, " && "))
	return second
}

func giveSource(t *testing.T, s *site, host, second string, others ...string) {
	for _, other := range others {
		s.on(t, host, fmt.Sprintf("ip route del %s/32", s.host(t, other).IPv4))
	}
	s.on(t, host, "ip address del "+second+"/32 dev host0")
}

func secondAddress(t *testing.T, s *site, file string) {
	second := takeSource(t, s, "etcd-1", "etcd-2", "etcd-3")
	found := s.preflight(t, 13, file)
	planned := s.run(t, "plan", file)
	named := strings.TrimSuffix(file, ".hcl") + "-named.hcl"
	address := fmt.Sprintf("    address = %q\n", s.host(t, "etcd-1").IPv4)
	text := strings.Replace(read(t, file), address, address+fmt.Sprintf("    names = [%q]\n", second), 1)
	must(t, os.WriteFile(named, []byte(text), 0o600))
	well := s.preflight(t, 0, named)
	s.run(t, "plan", "--exit-code", named).exits(t, 3)
	giveSource(t, s, "etcd-1", second, "etcd-2", "etcd-3")

	want := "etcd-2 and etcd-3…" + second
	if f := found.of(t, "address", "etcd-1"); f.Level != "refusal" || !tells(f.Found, want) ||
		!strings.Contains(f.Do, "names") {
		t.Errorf("%+v, want %q", f, want)
	}
	planned.exits(t, 13).says(t, "etcd-1: …"+want, `names of member "etcd-1"`)
	if f := well.of(t, "address", "etcd-1"); f.Level != "fine" {
		t.Errorf("%+v", f)
	}
}

// nameOfIPv6 is a member whose address is a name with an address of IPv6 alone.
func nameOfIPv6(t *testing.T, s *site, file string) {
	const name = "second.lab"
	ip4, ip6 := s.host(t, "etcd-2").IPv4.String(), s.host(t, "etcd-2").IPv6.String()
	for _, host := range s.names() {
		s.on(t, host, "echo '"+ip6+" "+name+"' >>/etc/hosts")
	}
	other := strings.TrimSuffix(file, ".hcl") + "-name.hcl"
	text := strings.Replace(read(t, file), fmt.Sprintf("    address = %q\n", ip4),
		fmt.Sprintf("    address = %q\n    ssh_address = %q\n", name, ip4), 1)
	must(t, os.WriteFile(other, []byte(text), 0o600))
	found := s.preflight(t, 13, other)
	s.on(t, "etcd-2", "systemd-run -q --unit=taker systemd-socket-activate -l "+ip4+":2380 /bin/true")
	until(t, "port 2380 to be taken", func() bool { return s.on(t, "etcd-2", "ss -Hltn 'sport = :2380'") != "" })
	taken := s.run(t, "plan", other)
	s.on(t, "etcd-2", "systemctl stop taker")
	for _, host := range s.names() {
		s.on(t, host, "sed -i '/ "+name+"$/d' /etc/hosts")
	}
	f := found.of(t, "address", "etcd-2")
	if f.Level != "refusal" || !tells(f.Found, name+"…"+ip6+"…IPv4") {
		t.Errorf("%+v", f)
	}
	if f := found.of(t, "reach", "etcd-1"); f.Level != "fine" {
		t.Errorf("%+v", f)
	}
	taken.exits(t, 13).says(t, "etcd-2: …2380…systemd-socket…[port-taken]")
}
