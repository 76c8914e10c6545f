package acceptance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRefusals proves that what is unsafe, or cannot be seen, is refused with its own exit code, its cause and its
// remedy, and that nothing at all is written then.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := newSite(t, "refuse", hosts(3)...)
	inv := s.inventory(t, "prod")
	file := s.write(t, "prod.hcl", inv)
	t.Run("nobody to ask", func(t *testing.T) {
		s.untouched(t, "prod",
			func() { s.run(t, "apply", file).exits(t, 2).says(t, "--yes") })
	})
	t.Run("reach", func(t *testing.T) { unreachable(t, s, inv) })
	t.Run("bare hosts", func(t *testing.T) { unsafe(t, s, file) })

	must(t, s.lab.LimitedDisk(t.Context(), "etcd-2", "/var/lib/etcd-prod", 400<<20))
	s.ok(t, "apply", "--yes", file)
	t.Run("what is to come", func(t *testing.T) {
		second := takeSource(t, s, "etcd-1", "etcd-2")
		result := s.run(t, "check", file)
		s.ok(t, "status", file).says(t, "etcd-1: …etcd-2…"+second, "etcd-2: its disk")
		giveSource(t, s, "etcd-1", second, "etcd-2")
		result.exits(t, 3).says(t, "etcd-1: …etcd-2…"+second+"…[source]",
			"etcd-2: …8.0 GiB…/var/lib/etcd-prod…[space]")
	})
	t.Run("second operator", func(t *testing.T) { secondOperator(t, s, inv) })
	t.Run("data of another cluster", func(t *testing.T) {
		other := inv
		other.Cluster, other.Settings = "other",
			"data_dir = \"/var/lib/etcd-prod\"\npeer_port = 3380\nclient_port = 3379\nmetrics_port = 3381"
		refused(t, s, s.write(t, "other.hcl", other), 13, "etcd-1: …/var/lib/etcd-prod…another cluster…[foreign-data]")
	})
	t.Run("one host without its data", func(t *testing.T) {
		if err := s.lab.Wipe(t.Context(), "etcd-3"); err != nil {
			t.Fatal(err)
		}
		s.run(t, "apply", "--yes", file).exits(t, 13).says(t, "etcd-3: …/var/lib/etcd-prod…[data-lost]")
		if got := s.on(t, "etcd-3", "ls -d /etc/etcd /opt/clusterup /var/lib/etcd* 2>/dev/null || echo bare"); got != "bare" {
			t.Errorf("etcd-3 has %s", got)
		}
	})
}

// refused checks that a plan and an apply are refused alike, and that neither writes anything.
func refused(t *testing.T, s *site, file string, code int, texts ...string) {
	t.Helper()
	s.untouched(t, "prod", func() {
		s.run(t, "plan", file).exits(t, code).says(t, texts...)
		s.run(t, "apply", "--yes", file).exits(t, code).says(t, texts...).saysNot(t, nothingToDo)
	})
}

// unreachable are the ways in which a host cannot be looked at.
func unreachable(t *testing.T, s *site, good inventory) {
	second := good.Members[1].Address
	with := func(name string, change func(*inventory)) string {
		inv := good
		change(&inv)
		return s.write(t, name+".hcl", inv)
	}
	t.Run("cable pulled", func(t *testing.T) {
		file := with("cable", func(*inventory) {})
		if err := s.lab.Cable(t.Context(), "etcd-2", false); err != nil {
			t.Fatal(err)
		}
		s.run(t, "apply", "--yes", file).exits(t, 12).says(t, "etcd-2: connect: "+second+":22", "[unreachable]",
			"→ check address").saysNot(t, "etcd-1:", "etcd-3:")
		s.run(t, "status", "--json", file).exits(t, 12).counts(t, 0, false).state(t, "unreachable", "etcd-2")
		if err := s.lab.Cable(t.Context(), "etcd-2", true); err != nil {
			t.Fatal(err)
		}
		s.run(t, "plan", "--exit-code", file).exits(t, 3)
	})
	t.Run("wrong key", func(t *testing.T) {
		key := filepath.Join(s.home, "wrong")
		if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
			key).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		refused(t, s, with("wrong", func(i *inventory) { i.Identity = key }), 12, "etcd-1: ", key,
			"authorized_keys")
	})
	t.Run("no sudo", func(t *testing.T) {
		const file = "/etc/sudoers.d/ops"
		rule := s.on(t, "etcd-2", "cat "+file+"; rm "+file)
		refused(t, s, with("sudo", func(i *inventory) { i.User = "ops" }), 12, "etcd-2: ", "NOPASSWD")
		s.on(t, "etcd-2", "umask 227; echo '"+rule+"' >"+file)
	})
	t.Run("unknown host key", func(t *testing.T) {
		empty := s.file(t, "empty_known_hosts", "")
		inventory := with("unknown", func(i *inventory) { i.KnownHosts = empty })
		fingerprint := strings.Fields(s.on(t, "etcd-1", "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"))[1]
		refused(t, s, inventory, 12, fingerprint, "--accept-new-host-keys")
	})
	t.Run("changed host key", func(t *testing.T) {
		stale := s.file(t, "stale_known_hosts", read(t, s.lab.KnownHosts()))
		if err := s.lab.Reset(t.Context(), "etcd-2"); err != nil {
			t.Fatal(err)
		}
		file := with("changed", func(i *inventory) { i.KnownHosts = stale })
		refused(t, s, file, 12, "etcd-2: ", "ssh-keygen -f '"+stale+"' -R '"+second+"'")
		s.run(t, "apply", "--yes", "--accept-new-host-keys", file).exits(t, 12) // it is not new, it is changed
		if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-f", stale, "-R",
			second).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		s.run(t, "plan", file).exits(t, 12).says(t, "--accept-new-host-keys")
		s.ok(t, "status", "--accept-new-host-keys", file)
		s.ok(t, "plan", file) // every command remembers what it was told to trust
	})
}

// unsafe are the states of bare hosts that clusterup does not touch.
func unsafe(t *testing.T, s *site, file string) {
	for name, state := range map[string]struct {
		make, undo string
		says       []string
	}{
		"foreign files in the data directory": {
			"install -d /var/lib/etcd-prod; echo dear >/var/lib/etcd-prod/diary", "rm -r /var/lib/etcd-prod",
			[]string{"etcd-2: /var/lib/etcd-prod…diary…[foreign-data]"},
		},
		"a write-ahead log that nobody can read": {
			"install -d /var/lib/etcd-prod/member/wal; echo garbage >/var/lib/etcd-prod/member/wal/0000000000000000-0000000000000000.wal", "rm -r /var/lib/etcd-prod",
			[]string{"etcd-2: …write-ahead log…/var/lib/etcd-prod…[foreign-data]"},
		},
		"a port that another process holds": {
			"systemd-run -q --unit=squatter /usr/sbin/sshd -D -p 2379", "systemctl stop squatter",
			[]string{"etcd-2: …2379…sshd (PID …[port-taken]", "ss -ltnp 'sport = :2379'"},
		},
		"a masked unit": {
			"systemctl mask -q etcd-prod", "systemctl unmask -q etcd-prod; systemctl daemon-reload",
			[]string{"etcd-2: …etcd-prod.service…masked", "systemctl unmask etcd-prod.service"},
		},
		"a command is missing": {
			"mv /usr/bin/gzip /usr/bin/gzip.away", "mv /usr/bin/gzip.away /usr/bin/gzip",
			[]string{"etcd-2: …gzip…[unsuitable]"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s.on(t, "etcd-2", state.make)
			if strings.Contains(state.make, "systemd-run") {
				until(t, "the squatter to listen", func() bool { return s.on(t, "etcd-2", "ss -Hltn 'sport = :2379'") != "" })
			}
			refused(t, s, file, 13, append(state.says, "→ ")...)
			s.on(t, "etcd-2", state.undo)
			s.run(t, "plan", "--exit-code", file).exits(t, 3)
		})
	}
}

// secondOperator has the inventory but not the operator directory: it must be told so, and must not make CAs of its
// own.
func secondOperator(t *testing.T, s *site, inv inventory) {
	elsewhere := *s
	elsewhere.dir = t.TempDir()
	file := elsewhere.write(t, "prod.hcl", inv)
	refused(t, &elsewhere, file, 13, "[foreign-ca]", "etcd-1: /etc/etcd/prod/trust-", ".clusterup/prod")
	s.untouched(t, "prod", func() {
		elsewhere.run(t, "destroy", "--confirm=prod", file).exits(t, 13).says(t, "[foreign-ca]", "--accept=foreign-ca")
	})
	if _, err := os.Lstat(filepath.Join(elsewhere.dir, ".clusterup")); err == nil {
		t.Error("an operator directory was made")
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
