package acceptance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestHostile proves on hosts as real ones are, odd, full, cut off, or not fit at all, that clusterup either gets by or
// says which host, why and what to do, and that once the cause is mended the next apply ends as if nothing had been.
func TestHostile(t *testing.T) {
	t.Parallel()
	s := newSite(t, "hostile", hosts(3)...)
	inv := s.inventory(t, "prod")
	inv.User = "ops"
	file := s.write(t, "prod.hcl", inv)
	t.Run("unfit", func(t *testing.T) { unfit(t, s, inv, file) })
	t.Run("login shell runs nothing", func(t *testing.T) { noShell(t, s, file) })
	t.Run("wrong archive", func(t *testing.T) { wrongArchive(t, s, inv) })
	s.bare(t)

	s.on(t, "etcd-1", quirks+quirksOfRoot)
	s.on(t, "etcd-2", quirks+quirksOfOps)
	if err := s.lab.LimitedDisk(t.Context(), "etcd-3", "/opt", 300<<20); err != nil {
		t.Fatal(err)
	}
	file = s.write(t, "prod.hcl", inv.withRoot())
	s.ok(t, "preflight", file)
	s.ok(t, "apply", "--yes", file)
	s.inSync(t, file, inv)

	t.Run("odd hosts are mended too", func(t *testing.T) { mendOdd(t, s, file, inv) })
	t.Run("other archive than pinned", func(t *testing.T) { otherThanPinned(t, s, file, inv) })
	t.Run("feed", func(t *testing.T) { feeds(t, s, file, inv) })
	t.Run("forwards nothing", func(t *testing.T) { forwardsNothing(t, s, file, inv) })
	t.Run("slow", func(t *testing.T) { slow(t, s, file, inv) })
	if whole() { // it waits for as long as a look may take
		t.Run("never answers", func(t *testing.T) { neverAnswers(t, s, file, inv) })
	}
	t.Run("old data", func(t *testing.T) { oldData(t, s, file, inv) })
}

// withRoot logs in as root on the first host, and as a sudo user on the others.
func (i inventory) withRoot() inventory {
	i.Settings = fmt.Sprintf("member %q {\n address = %q\n ssh {\n user = \"root\"\n sudo = false\n }\n}",
		i.Members[0].Name, i.Members[0].Address)
	i.Members = i.Members[1:]
	return i
}

// quirks are those of the machine: an sshd that allows one session at a time and has no SFTP of any kind, /tmp mounted
// noexec, and start-up files that print on both streams, fail, and take all rights from new files.
const quirks = `set -e
sed -i /^Subsystem/d /etc/ssh/sshd_config
rm /usr/lib/openssh/sftp-server
echo MaxSessions 1 >/etc/ssh/sshd_config.d/05-odd.conf
systemctl restart ssh
sshd -T | grep -qx 'maxsessions 1'
[ -z "$(sshd -T | grep ^subsystem)" ]
mount -t tmpfs -o noexec,nosuid,nodev tmpfs /tmp
cat >/etc/odd <<'ODD'
seq -s ' ' 20000
printf 'no end of line, and \033[2J control characters' >&2
stty -echo
umask 0777
cd /nowhere
IFS=0123456789
ODD
`

// bash reads .bashrc for commands that sshd runs, too.
const quirksOfRoot = `cp /etc/odd /root/.bashrc
SSH_CLIENT=x bash -c true 2>&1 | grep -q 'no end of line'
`

// The login shell of ops is none of POSIX's: it knows words, single quotes, semicolons, echo and exec, which is what
// sh, csh, fish and the like have in common, and nothing else; as in csh, neither ! nor \ nor a new line may stand
// between quotes.
const quirksOfOps = `cat >/usr/local/bin/oddsh <<'PERL'
#!/usr/bin/perl
use strict;
my ($flag, $line) = @ARGV;
exit 2 if $flag ne '-c';
$| = 1;
print "Welcome to oddsh\n" x 3000;
print STDERR "oddsh: no terminal\n";
umask 0777;
my ($rest, @words) = $line;
sub run {
	return unless @words;
	my $what = shift @words;
	if ($what eq 'echo') { print "@words\n"; }
	elsif ($what eq 'exec') { exec { $words[0] } @words or die "oddsh: $words[0]: $!\n"; }
	else { die "oddsh: unknown command $what\n"; }
	@words = ();
}
while ($rest ne '') {
	if ($rest =~ s/^ +//) {}
	elsif ($rest =~ s/^;//) { run(); }
	elsif ($rest =~ s{^([A-Za-z0-9_./:,-]+|'[^'!\\\n]*')+(?=[ ;]|$)}{}) { (my $word = $&) =~ tr/'//d; push @words, $word; }
	else { die "oddsh: cannot read $rest\n"; }
}
run();
PERL
chmod 0755 /usr/local/bin/oddsh
usermod -s /usr/local/bin/oddsh ops
[ "$(oddsh -c "exec /bin/echo 'a b'" 2>/dev/null | tail -n 1)" = 'a b' ]
[ -z "$(oddsh -c 'a=$(b); exec /bin/echo x' 2>/dev/null | grep -x x)" ]
`

// noShell is accounts that may log in and do nothing then, as service accounts are made.
func noShell(t *testing.T, s *site, file string) {
	for shell, words := range map[string]string{
		"/usr/sbin/nologin": "This account is currently not available.", "/bin/false": "runs no commands",
		"/bin/cat": "cat: invalid option",
	} {
		s.on(t, "etcd-2", "usermod -s "+shell+" ops")
		for _, command := range [][]string{{"plan", file}, {"preflight", file}, {"apply", "--yes", file}} {
			s.run(t, command...).exits(t, 12).says(t, "etcd-2", words, "usermod -s /bin/sh ops").
				saysNot(t, "etcd-1:", "etcd-3:")
		}
	}
	s.on(t, "etcd-2", "usermod -s /bin/bash ops")
	s.bare(t)
}

// mendOdd has everything that a host gets written again, through a shell and an sshd that make it hard.
func mendOdd(t *testing.T, s *site, file string, inv inventory) {
	for _, host := range []string{"etcd-1", "etcd-2"} {
		s.on(t, host, "rm -r "+binDir+"; rm /etc/etcd/prod/tls/server/key.pem /etc/systemd/system/etcd-prod.service")
	}
	s.run(t, "plan", "--exit-code", file).exits(t, 3).says(t, "install-release", "issue-leaf", "write-unit").saysNot(t,
		"oddsh", "control characters")
	s.ok(t, "apply", "--yes", file)
	s.inSync(t, file, inv)
}

// forwardsNothing is an sshd that is made stricter once the cluster runs: its member cannot be asked any more.
func forwardsNothing(t *testing.T, s *site, file string, inv inventory) {
	s.on(t, "etcd-2", forbidForwarding)
	s.on(t, "etcd-2", faults["unit edited by hand"].harm)
	p := s.start(t, "apply", "--yes", file)
	applied, status := p.wait(t), s.run(t, "status", "--json", file)
	s.on(t, "etcd-2", allowForwarding)
	applied.exits(t, 12).says(t, "etcd-2: …forwards no connections", "→ …AllowTcpForwarding")
	if p.took > patience/4 {
		t.Errorf("it waited for %s for what no waiting mends", p.took)
	}
	status.counts(t, 2, true).state(t, "unknown", "etcd-2").says(t, "forwards no connections")
	s.ok(t, "apply", "--yes", file)
	s.inSync(t, file, inv)
}

// slow are hosts that answer late, and one that takes connections and then says nothing.
func slow(t *testing.T, s *site, file string, inv inventory) {
	const bits = 2 << 20
	for _, host := range s.names() {
		if err := s.lab.SlowLink(t.Context(), host, bits); err != nil {
			t.Fatal(err)
		}
	}
	s.on(t, "etcd-3", faults["unit edited by hand"].harm)
	s.ok(t, "apply", "--yes", file)
	s.inSync(t, file, inv)
	for _, host := range s.names() {
		if err := s.lab.SlowLink(t.Context(), host, 0); err != nil {
			t.Fatal(err)
		}
	}

	s.on(t, "etcd-2", "systemctl kill -s STOP --kill-who=main ssh") // the kernel goes on taking connections for it
	p := s.start(t, "apply", "--yes", file)
	result := p.wait(t)
	s.on(t, "etcd-2", "systemctl kill -s CONT --kill-who=main ssh")
	result.exits(t, 12).says(t, "etcd-2: connect: "+s.host(t, "etcd-2").IPv4.String()+":22: …(8s)",
		"[unreachable]", "→ check address").
		saysNot(t, "etcd-1:", "etcd-3:")
	const busy = 25 // seconds that a machine with too much to do takes besides
	if took := p.took.Seconds(); took < 3 || took > 3+busy {
		t.Errorf("with a connect_timeout of 3 s it took %.1f s", took)
	}
	s.inSync(t, file, inv)
}

// neverAnswers is a host that can be reached, and a file system on it that has gone: stat hangs there, as it does when
// an NFS server is away.
func neverAnswers(t *testing.T, s *site, file string, inv inventory) {
	s.on(t, "etcd-2",
		"mkfifo /run/nobody; f=/usr/local/sbin/stat; printf '#!/bin/sh\\nexec cat /run/nobody\\n' >$f; chmod 0755 $f")
	var running []*process
	for _, command := range [][]string{{"plan"}, {"status"}, {"check"}, {"preflight"}, {"apply", "--yes"}} {
		p, kill := s.serve(t, append(append([]string{clusterup}, command...), file)...)
		defer time.AfterFunc(2*patience, kill).Stop()
		running = append(running, p)
	}
	for _, p := range running {
		p.wait(t).exits(t, 12).says(t, "etcd-2", "2m0s", "→ …hangs")
	}
	if left, _ := s.try(t, "etcd-2", "pgrep -af nobody"); left != "" {
		t.Errorf("left on the host: %s", left)
	}
	s.on(t, "etcd-2", "rm /usr/local/sbin/stat /run/nobody")
	s.inSync(t, file, inv)
}

// oldData is what destroy put aside, moved back by hand on one host: it must neither be used for the new cluster nor be
// lost.
func oldData(t *testing.T, s *site, file string, inv inventory) {
	s.ok(t, "destroy", "--confirm=prod", file)
	s.on(t, "etcd-2", "set -e; mv /var/lib/etcd-prod.aside-* /var/lib/etcd-prod; cp -a /var/lib/etcd-prod /var/lib/kept")
	s.run(t, "plan", file).exits(t, 13).says(t, "etcd-2: …/var/lib/etcd-prod…[foreign-data]", "→ ")
	s.run(t, "apply", "--yes", file).exits(t, 13).says(t, "etcd-2: …/var/lib/etcd-prod…[foreign-data]",
		"→ ").saysNot(t, nothingToDo)
	s.on(t, "etcd-2", "diff -r /var/lib/etcd-prod /var/lib/kept")
	for _, host := range []string{"etcd-1", "etcd-3"} {
		if got := s.on(t, host,
			"ls -d /etc/etcd/prod /var/lib/etcd-prod /etc/systemd/system/etcd-prod.service 2>/dev/null; true"); got != "" {
			t.Errorf("%s has %s", host, got)
		}
	}
	s.on(t, "etcd-2", "mv /var/lib/etcd-prod /var/lib/etcd-prod.old")
	s.ok(t, "apply", "--yes", file)
	s.inSync(t, file, inv)
	s.on(t, "etcd-2", "diff -r /var/lib/etcd-prod.old /var/lib/kept")
}

// bare checks that nothing of clusterup is on any host, nor beside the inventory. The lock's file in /run may be: a
// preflight needs it.
func (s *site) bare(t *testing.T) {
	t.Helper()
	const look = "ls -d /etc/etcd /opt/clusterup /var/lib/etcd* /etc/systemd/system/etcd-* 2>/dev/null; getent passwd etcd etcd-prod; true"
	for _, host := range s.names() {
		if got := s.on(t, host, look); got != "" {
			t.Errorf("%s has %s", host, got)
		}
	}
	if _, err := os.Lstat(filepath.Join(s.dir, ".clusterup")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the operator directory: %v", err)
	}
}
