package acceptance

import (
	"strings"
	"testing"
)

// TestLogins proves that a host which lets nobody in, or not as root, or only half, is told by its cause, with the
// remedy for it.
func TestLogins(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	s := newSite(t, "logins", hosts(1)...)
	s.on(t, "etcd-1", loginUsers)
	inv := s.inventory(t, "prod")
	inv.Patience = "30s" // some key exchanges take their time on a busy machine
	as := func(user string) string {
		other := inv
		other.User = user
		return s.write(t, user+".hcl", other)
	}
	for user, says := range map[string][]string{
		"notty":   {"become root: ", "!requiretty"},
		"noexec":  {"(noexec)", "Defaults:noexec !noexec"},
		"expired": {"accepted the key", "account has expired", "chage -l expired"},
		"twice":   {"accepted the key…password", "AuthenticationMethods publickey"},
		"keyless": {"PubkeyAuthentication yes"},
		"execs":   {"start-up file…replaces", "case $- in"},
		"reads":   {"start-up file…reads its input", "case $- in"},
	} {
		t.Run(user, func(t *testing.T) {
			s.run(t, "status", as(user)).exits(t, 12).says(t, says...).saysNot(t, "NOPASSWD", "authorized_keys", "cu_")
		})
	}
	t.Run("no sudo", func(t *testing.T) {
		s.on(t, "etcd-1", "mv /usr/bin/sudo /usr/bin/sudo.away")
		s.run(t, "status", as("ops")).exits(t, 12).says(t, "become root: ", "install sudo").saysNot(t, "NOPASSWD")
		s.on(t, "etcd-1", "mv /usr/bin/sudo.away /usr/bin/sudo")
	})
	t.Run("known_hosts with other lines", func(t *testing.T) {
		other := inv
		address := inv.Members[0].Address
		other.KnownHosts = s.file(t, "mixed_known_hosts",
			address+" 1024 35 13519\n"+address+" ssh-future AAAA\nstray words\n"+read(t, s.lab.KnownHosts()))
		s.ok(t, "status", s.write(t, "mixed.hcl", other))
	})
	file := s.write(t, "prod.hcl", inv)
	t.Run("key exchanges", func(t *testing.T) {
		defer s.sshd(t, "")
		for _, one := range []string{"diffie-hellman-group16-sha512", "diffie-hellman-group-exchange-sha256"} {
			s.sshd(t, "KexAlgorithms "+one)
			s.ok(t, "status", file)
		}
		const foreign = "sntrup761x25519-sha512@openssh.com"
		s.sshd(t, "KexAlgorithms "+foreign)
		s.run(t, "status", file).exits(t, 12).
			says(t, foreign, "→ …sshd_config")
	})
	t.Run("no home", func(t *testing.T) {
		s.launch(t, "env", "-u", "HOME", clusterup, "plan", file).wait(t).exits(t, 0)
	})
	t.Run("promises", func(t *testing.T) { realHost(t, s, inv) })
	t.Run("sudo that does not know the host's name", func(t *testing.T) {
		s.on(t, "etcd-1", "cp /etc/hosts /etc/hosts.away; sed -i /etcd-1/d /etc/hosts")
		r := s.ok(t, "status", as("ops"))
		r.says(t, "note: etcd-1: sudo took ",
			"/etc/hosts", "sudo: unable to resolve host etcd-1")
		if n := strings.Count(r.stderr, "sudo took"); n != 1 {
			t.Errorf("said %d times", n)
		}
		s.on(t, "etcd-1", "mv /etc/hosts.away /etc/hosts")
	})
	t.Run("sudo that logs its input", func(t *testing.T) { loggedSudo(t, s, as("logged")) })
	t.Run("no forwarding", func(t *testing.T) { unforwarded(t, s, file, inv) })
}

// loggedSudo proves that private keys stay out of the log in which sudo keeps what it is given to read, and that a host
// on which they cannot is left without them.
func loggedSudo(t *testing.T, s *site, file string) {
	const log = "find /var/log/sudo-io -name stdin -exec zcat -f {} + | tr -d '\\000'"
	const sftp = "/usr/lib/openssh/sftp-server"
	s.on(t, "etcd-1", "mv "+sftp+" "+sftp+".away")
	s.run(t, "apply", "--yes", file).exits(t, 14).
		says(t, "sudo logs its input", "echo 'Defaults:logged !log_input' >> /etc/sudoers.d/zz-clusterup")
	s.on(t, "etcd-1", "mv "+sftp+".away "+sftp)
	s.ok(t, "apply", "--yes", file)
	has := func(what string) bool { return s.on(t, "etcd-1", log+" | grep -c '"+what+"' || true") != "0" }
	until(t, "sudo to have written its log", func() bool { return has("BEGIN CERTIFICATE") }) // it does so as it ends
	if has("PRIVATE KEY") {
		t.Error("sudo's log has a private key")
	}
	if left := s.on(t, "etcd-1", "ls -d /run/clusterup-* || true"); left != "" {
		t.Errorf("left behind: %s", left)
	}
}

// unforwarded proves that a member which cannot be asked is not called ill.
func unforwarded(t *testing.T, s *site, file string, inv inventory) {
	s.ok(t, "apply", "--yes", file)
	s.sshd(t, "AllowTcpForwarding no")
	for _, args := range [][]string{{"status", file}, {"check", file}, {"plan", file}, {"apply", "--yes", file}} {
		r := s.run(t, args...).exits(t, 12)
		r.says(t, "forwards no connections", "AllowTcpForwarding")
		r.saysNot(t, "unhealthy")
		if unknown := strings.Contains(r.stdout, "unknown"); unknown != (args[0] == "status" || args[0] == "check") {
			t.Errorf("%s: says unknown: %t", args[0], unknown)
		}
	}
	s.sshd(t, "")
	s.inSync(t, file, inv)
}

// sshd gives the one host another line of sshd_config in place of the last one.
func (s *site) sshd(t *testing.T, line string) {
	t.Helper()
	s.on(t, "etcd-1",
		"echo '"+line+"' >/etc/ssh/sshd_config.d/00-line.conf; systemctl reset-failed ssh; systemctl restart ssh")
}

// loginUsers makes one user for each way of not getting in.
const loginUsers = `
set -e
for user in notty noexec expired twice keyless execs reads logged; do
  useradd -m -s /bin/bash $user
  install -d -m 0700 -o $user /home/$user/.ssh
  install -m 0600 -o $user /root/.ssh/authorized_keys /home/$user/.ssh/authorized_keys
  echo "$user ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/$user
done
echo 'Defaults:notty requiretty' >>/etc/sudoers.d/notty
echo 'Defaults:noexec noexec' >>/etc/sudoers.d/noexec
echo 'Defaults:logged log_input, log_output' >>/etc/sudoers.d/logged
chage -E 0 expired
sed -i '1iexec bash' /home/execs/.bashrc
sed -i '1iread line' /home/reads/.bashrc
cat >/etc/ssh/sshd_config.d/10-users.conf <<END
Match User twice
  PasswordAuthentication yes
  AuthenticationMethods publickey,password
Match User keyless
  PasswordAuthentication yes
  PubkeyAuthentication no
END
systemctl reset-failed ssh; systemctl restart ssh
`
