package acceptance

import (
	"crypto/tls"
	"crypto/x509"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/pki"
)

// certificates issues one to a client, uses it in every way there is, and seals the CA keys.
func certificates(t *testing.T, s *site, file string, inv inventory) {
	creds := filepath.Join(t.TempDir(), "creds")
	if got := s.ok(t, "cert", "list", "--json", file).stdout; got != "" {
		t.Errorf("certificates of clients before any was issued: %s", got)
	}
	s.ok(t, "cert", "issue", "app", file, "--out", creds, "--json").says(t, `"user":"app"`,
		`"cert":"`+filepath.Join(creds, "app.pem")+`"`)
	for name, mode := range map[string]fs.FileMode{".": 0o700, "app.pem": 0o600, "app-key.pem": 0o600, "ca.pem": 0o600} {
		if info, err := os.Stat(filepath.Join(creds, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want mode %04o", name, info.Mode(), err, mode)
		}
	}
	s.run(t, "cert", "issue", "app", file, "--out", creds).exits(t, 1).says(t, "already")
	s.run(t, "cert", "issue", "app", file).exits(t, 2).says(t, "--out DIR")
	s.ok(t, "cert", "list", file).says(t, "app", "etcd client CA 1")

	s.puts(t, inv, creds)
	env := s.ok(t, "env", "app", file, "--dir", creds).stdout
	if want := "export ETCDCTL_KEY='" + filepath.Join(creds, "app-key.pem") + "'\n"; !strings.Contains(env, want) {
		t.Errorf("no line %q in:\n%s", want, env)
	}
	s.run(t, "env", "nobody", file, "--dir", creds).exits(t, 1).says(t, "cert issue nobody")
	s.ok(t, "etcdctl", file, "--", "get", "by", "--print-value-only").says(t, "app")
	s.run(t, "etcdctl", file, "--", "nonsense").exits(t, 1).says(t, "unknown command")
	oneFile(t, s, file, inv)
}

// puts writes something with the certificate of app.
func (s *site) puts(t *testing.T, inv inventory, creds string) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(creds, "app.pem"), filepath.Join(creds, "app-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	config := trusting(t, filepath.Join(creds, "ca.pem"))
	config.Certificates = []tls.Certificate{pair}
	if _, err := s.client(t, config, endpoint(inv.Members[0], 2379)).Put(t.Context(), "by", "app"); err != nil {
		t.Error(err)
	}
}

// oneFile issues a certificate as PKCS #12, with a password out of a file and with one that is typed, and uses what
// OpenSSL reads out of it.
func oneFile(t *testing.T, s *site, file string, inv inventory) {
	const password = "Open, Sesame!"
	dir := t.TempDir()
	secret := s.file(t, "password", password+"\nnot this\n")
	issue := func(out string) []string {
		return []string{"cert", "issue", "app", file, "--out", filepath.Join(dir, out), "--pkcs12"}
	}
	s.run(t, issue("none")...).exits(t, 2).says(t, "--password-file")
	s.ok(t, append(issue("filed"), "--password-file", secret, "--json")...).says(t,
		`"pkcs12":"`+filepath.Join(dir, "filed", "app.p12")+`"`)
	s.onTerminal(t, [][2]string{{"New password of ", password + "\n"}, {"Once more: ", "Sesame?\n"}},
		issue("none")...).exits(t, 1)
	s.onTerminal(t, [][2]string{{"New password of ", password + "\n"}, {"Once more: ", password + "\n"}},
		issue("typed")...).exits(t, 0)
	if _, err := os.Stat(filepath.Join(dir, "none")); err == nil {
		t.Error("something was made though there was no password")
	}
	// with that of certificates
	if clients := strings.Count(s.ok(t, "cert", "list", file).stdout, "\napp "); clients != 3 {
		t.Errorf("%d certificates of app are recorded", clients)
	}
	for _, out := range []string{"filed", "typed"} {
		bundle, all := filepath.Join(dir, out, "app.p12"), filepath.Join(dir, out, "all.pem")
		if info, err := os.Stat(bundle); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", bundle, info, err)
		}
		openssl := exec.CommandContext(t.Context(), "openssl", "pkcs12", "-in", bundle, "-passin", "file:"+secret, "-nodes",
			"-out", all)
		if said, err := openssl.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		pair, err := tls.LoadX509KeyPair(all, all)
		if err != nil {
			t.Fatal(err)
		}
		config := trusting(t, all)
		config.Certificates = []tls.Certificate{pair}
		if _, err := s.client(t, config, endpoint(inv.Members[0], 2379)).Put(t.Context(), "by", out); err != nil {
			t.Error(err)
		}
	}
	if strings.Contains(s.said.String(), password) {
		t.Error("the password was shown")
	}
}

// trusting is a TLS configuration that trusts the CAs in a file.
func trusting(t *testing.T, file string) *tls.Config {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(read(t, file)))
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
}

// sealed encrypts the CA keys to two operators, works on with the key of one, and takes it back.
func sealed(t *testing.T, s *site, inv inventory) {
	own := t.TempDir()
	key, other, stranger := filepath.Join(own, "ops"), filepath.Join(own, "other"), filepath.Join(own, "stranger")
	var recipients []string
	for _, file := range []string{key, other} {
		recipients = append(recipients, `"`+strings.TrimSpace(keyPair(t, file))+`"`)
	}
	keyPair(t, stranger)
	plain := s.write(t, "plain.hcl", inv)
	inv.Settings += "\npki { seal_to = [" + strings.Join(recipients, ", ") + "] }\n"
	file := s.write(t, "sealed.hcl", inv)
	with := func(identity string, args ...string) result {
		return s.launch(t, append([]string{"env", "CLUSTERUP_IDENTITY=" + identity, clusterup}, args...)...).wait(t)
	}

	s.ok(t, "plan", "--exit-code", file).says(t, "note: …seal_to")
	s.run(t, "check", file).exits(t, 3).says(t, "[unsealed]", "→ clusterup pki reseal "+file)
	s.ok(t, "pki", "reseal", file)
	ca := filepath.Join(s.dir, ".clusterup", inv.Cluster, "ca")
	for _, name := range []string{"peer-1.key", "client-1.key"} {
		if _, err := os.Stat(filepath.Join(ca, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
		if text := read(t, filepath.Join(ca, name+".age")); !strings.HasPrefix(text, "-----BEGIN AGE ENCRYPTED FILE-----") {
			t.Errorf("%s.age begins %.40q", name, text)
		}
	}
	was := read(t, filepath.Join(ca, "peer-1.key.age"))
	s.ok(t, "pki", "reseal", file)
	if read(t, filepath.Join(ca, "peer-1.key.age")) != was {
		t.Error("keys that are sealed as is wanted were sealed again")
	}
	with(stranger, "plan", file).exits(t, 1).says(t, "no key file", "→ …CLUSTERUP_IDENTITY")
	with(stranger, "status", "--json", file).exits(t, 0).counts(t, 0, false).state(t, "unknown", s.names()...).
		says(t, "no key file")
	with(stranger, "check", file).exits(t, 3).says(t, "[unknown]", "drift").saysNot(t, "[unhealthy]")
	watch, off := filepath.Join(own, "watch"), "note: …permissions are off"
	if inv.Auth {
		off = "" // nor is there a note
	}
	with(key, "cert", "issue", "--observer", file, "--out", watch).exits(t, 0).says(t, off)
	with(stranger, "status", "--json", "--observer", watch, file).exits(t, 0).counts(t, 3, true)
	with(stranger, "check", "--observer", watch, file).exits(t, 0).says(t, off, "all is well")
	with(key, "plan", "--exit-code", file).exits(t, 0)
	with(key, "cert", "issue", "sealed", file, "--out", own).exits(t, 0)
	s.on(t, "etcd-3", "rm /etc/etcd/prod/tls/peer/key.pem")
	with(key, "apply", "--yes", file).exits(t, 0).says(t, "issue-leaf/peer/etcd-3")

	theirs := checkout(t, s.dir, file)
	s.on(t, "etcd-2", "rm /etc/etcd/prod/tls/server/key.pem")
	with(other, "apply", "--yes", theirs).exits(t, 0).says(t, "issue-leaf/server/etcd-2")
	with(other, "cert", "issue", "theirs", theirs, "--out", own).exits(t, 0)
	with(key, "plan", "--exit-code", file).exits(t, 0)

	with(stranger, "pki", "reseal", plain).exits(t, 1)
	with(key, "pki", "reseal", plain).exits(t, 0)
	s.ok(t, "plan", "--exit-code", plain)
	if pair := issue(t, s.cas(t, inv.Cluster), "after"); pair.NotAfter.Before(time.Now()) {
		t.Error("a CA that was sealed and is not any more issues what has expired")
	}
	if info, err := os.Stat(filepath.Join(ca, string(pki.RolePeer)+"-1.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// checkout is an inventory in a copy of a folder, with the modes that git gives to what it keeps.
func checkout(t *testing.T, dir, file string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "checkout")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(to, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return os.Chmod(path, 0o755)
		}
		return os.Chmod(path, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(to, filepath.Base(file))
}

// keyPair makes an SSH key without a passphrase, and returns the public one.
func keyPair(t *testing.T, file string) string {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C",
		filepath.Base(file), "-f", file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return read(t, file+".pub")
}
