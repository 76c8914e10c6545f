package acceptance

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// onTerminal runs clusterup on a terminal of its own and types an answer to each question.
func (s *site) onTerminal(t *testing.T, dialogue [][2]string, args ...string) result {
	t.Helper()
	keyboard, typing, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer keyboard.Close()
	defer typing.Close()
	command := "stty rows 40 cols 120; exec " + clusterup // without a size nothing live can be drawn
	for _, arg := range args {
		command += " '" + arg + "'"
	}
	p := s.launchWith(t, keyboard, "script", "--quiet", "--return", "--command", command, "/dev/null")
	for _, turn := range dialogue {
		p.await(t, turn[0])
		if _, err := io.WriteString(typing, turn[1]); err != nil {
			t.Fatal(err)
		}
	}
	return p.wait(t)
}

// TestTerminal is clusterup with somebody in front of it: it asks before it trusts a host or changes anything.
func TestTerminal(t *testing.T) {
	t.Parallel()
	s := newSite(t, "tty", hosts(1)...)
	inv := s.inventory(t, "prod")
	inv.KnownHosts = ""
	file := s.write(t, "prod.hcl", inv)
	fingerprint := strings.Fields(s.on(t, "etcd-1", "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"))[1]
	known := filepath.Join(s.dir, ".clusterup", "prod", "known_hosts")

	s.onTerminal(t, [][2]string{{"[yes/no]", "no\n"}}, "apply", file).exits(t, 12).says(t, fingerprint)
	s.onTerminal(t, [][2]string{{fingerprint, "yes\n"}, {"Go ahead? [yes/no]", "no\n"}}, "apply", file).exits(t, 1)
	if got := s.on(t, "etcd-1", "ls -d /etc/etcd /opt/clusterup /var/lib/etcd* 2>/dev/null || echo bare"); got != "bare" {
		t.Errorf("etcd-1 has %s", got)
	}
	if got := read(t, known); !strings.Contains(got, "ssh-ed25519 ") {
		t.Errorf("known_hosts holds %q", got)
	}
	done := s.onTerminal(t, [][2]string{{"Go ahead? [yes/no]", "yes\n"}}, "apply", file).exits(t, 0)
	if !regexp.MustCompile(`install-release/etcd-1 +\[=*>-*\] +[0-9.]+ MiB of`).MatchString(done.stdout) {
		t.Error("no live progress is drawn")
	}
	s.inSync(t, file, inv)
	t.Run("passphrase", func(t *testing.T) { passphrase(t, s, inv) })

	s.onTerminal(t, [][2]string{{"Type its name to go ahead: ", "pord\n"}}, "destroy", file).exits(t, 1)
	s.inSync(t, file, inv)
	s.onTerminal(t, [][2]string{{"Type its name to go ahead: ", "prod\n"}}, "destroy", file).exits(t, 0)
	if got := s.on(t, "etcd-1", "ls /etc/systemd/system/etcd-* 2>/dev/null || echo gone"); got != "gone" {
		t.Errorf("etcd-1 has %s", got)
	}
	if _, err := os.Stat(filepath.Join(s.dir, ".clusterup", "prod", "ca")); err != nil {
		t.Errorf("the CAs are to be kept: %v", err)
	}
}

// passphrase is a key that somebody has to open: Ctrl-C ends the question, and with it the run.
func passphrase(t *testing.T, s *site, inv inventory) {
	const words = "open sesame"
	inv.Identity = s.file(t, "locked_key", read(t, inv.Identity))
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-p", "-N", words, "-f",
		inv.Identity).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	file := s.write(t, "locked.hcl", inv)
	asks := "Passphrase of " + inv.Identity + ": "
	s.onTerminal(t, [][2]string{{asks, "\x03"}}, "apply", file).exits(t, 130)
	s.onTerminal(t, [][2]string{{asks, words + "\n"}}, "apply", file).exits(t, 0).saysNot(t, words)
}
