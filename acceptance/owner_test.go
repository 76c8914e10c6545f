package acceptance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// firstForm is the last commit whose clusterup gave all clusters of a host one user, and did not say that it had
// written something.
const firstForm = "1e2a9f8"

// TestOwners: clusters that were made before each had a user and a directory of its own, clusters beside them, and a
// package of the distribution that has the user and the directory of before, all on the same hosts.
func TestOwners(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	old := builtFrom(t, firstForm)
	s := newSite(t, "owners", hosts(3)...)
	prod, apps := s.inventory(t, "prod"), s.inventory(t, "apps")
	apps.Settings = "peer_port = 12380\nclient_port = 12379\nmetrics_port = 12381"
	first, second := s.write(t, "prod.hcl", prod), s.write(t, "apps.hcl", apps)

	s.launch(t, old, "apply", "--yes", first).wait(t).exits(t, 0)
	before := s.pids(t, "prod")
	lines := []string{`data_dir = "/var/lib/etcd/prod"`, `user = "etcd"`}
	asks := append([]string{"[data-moved]", "etcd-3: …/var/lib/etcd/prod…etcd"},
		lines...)
	refused(t, s, first, 13, asks...)
	s.untouched(t, "prod", func() {
		s.run(t, "check", first).exits(t, 3).says(t, append([]string{"[refused]"}, lines...)...)
	})
	prod.Settings = strings.Join(lines, "\n  ")
	first = s.write(t, "prod.hcl", prod)
	s.ok(t, "apply", "--yes", first).says(t, "note: …form 1", "record-birth").saysNot(t,
		"fix-modes", "make-dirs", "create-user", "chown")
	s.inSync(t, first, prod)
	once(t, s, "prod", before)

	s.ok(t, "apply", "--yes", second).says(t, "create-user/etcd-1", "etcd-apps")
	s.inSync(t, second, apps)
	t.Run("apart", func(t *testing.T) { apart(t, s) })
	t.Run("an older clusterup", func(t *testing.T) { olderClusterup(t, s, second) })
	t.Run("tidied up", func(t *testing.T) { tidied(t, s, second, apps) })
	t.Run("a package", func(t *testing.T) { purged(t, s, first, second, prod, apps) })
}

// builtFrom is the program of a commit.
func builtFrom(t *testing.T, commit string) string {
	t.Helper()
	needHosts(t)
	dir := t.TempDir()
	archive := exec.CommandContext(t.Context(), "git", "archive", "--format=tar", "-o", filepath.Join(dir, "src.tar"),
		commit)
	archive.Dir = ".."
	if out, err := archive.CombinedOutput(); err != nil {
		t.Skipf("this checkout's history does not reach back to %s: %s", commit, out)
	}
	const build = `mkdir src && tar -xf src.tar -C src && cd src && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o ../clusterup ./cmd/clusterup`
	cmd := exec.CommandContext(t.Context(), "sh", "-c", build)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", commit, err, out)
	}
	return filepath.Join(dir, "clusterup")
}

// once checks that no member has restarted.
func once(t *testing.T, s *site, cluster string, before map[string]string) {
	t.Helper()
	for host, pid := range s.pids(t, cluster) {
		if pid != before[host] {
			t.Errorf("%s: the member of %s was PID %s and is %s", host, cluster, before[host], pid)
		}
	}
}

// apartScript tries, as the user of one cluster and with all that its unit may see, to read what is another's. It says
// what could be read.
const apartScript = `
try() { # try OWN OTHER-USER OTHER-CLUSTER OTHER-DATA
  pid=$(systemctl show -p MainPID --value "etcd-$1")
  user=$(systemctl show -p User --value "etcd-$1")
  for inside in '' "nsenter -t $pid -m"; do
    as="$inside setpriv --reuid $user --regid $user --clear-groups"
    $as cat /etc/etcd/$1/tls/peer/key.pem >/dev/null || echo "$user cannot read its own key"
    for file in /etc/etcd/$2/tls /etc/etcd/$2/tls/peer/key.pem /etc/etcd/$2/tls/server/key.pem $3 $3/member/snap/db; do
      if $as cat $file >/dev/null 2>&1 || $as ls $file >/dev/null 2>&1; then echo "$user reads $file"; fi
    done
    other=$(systemctl show -p MainPID --value "etcd-$2")
    if $as kill -0 $other 2>/dev/null || $as cat /proc/$other/environ >/dev/null 2>&1; then echo "$user reaches process $other"; fi
  done
}
try apps prod /var/lib/etcd/prod
try prod apps /var/lib/etcd-apps
`

func apart(t *testing.T, s *site) {
	for _, host := range s.names() {
		if got := s.on(t, host, apartScript); got != "" {
			t.Errorf("on %s:\n%s", host, got)
		}
	}
}

// olderClusterup makes this one older than what it finds: nothing is planned over it, not even its end.
func olderClusterup(t *testing.T, s *site, file string) {
	const unit = "/etc/systemd/system/etcd-apps.service"
	was := s.on(t, "etcd-2", "grep -m1 clusterup-form "+unit+
		"; sed -i 's/^# clusterup-form:.*/# clusterup-form: 99, written by v9.1.0/' "+unit+"; systemctl daemon-reload")
	says := []string{
		"etcd-2: …v9.1.0, form 99",
		"[older-clusterup]",
	}
	refused(t, s, file, 13, says...)
	s.untouched(t, "apps", func() {
		for _, verb := range [][]string{
			{"rotate", "ca", "--yes"},
			{"rotate", "certs", "--yes"},
			{"destroy", "--confirm=apps"},
		} {
			s.run(t, append(verb, file)...).exits(t, 13).says(t, says...)
		}
		s.run(t, "check", file).exits(t, 3).says(t, says[0])
		s.run(t, "status", file).says(t, says[0])
		s.run(t, "status", "--json", file).counts(t, 3, true)
	})
	s.on(t, "etcd-2", "sed -i 's|^# clusterup-form:.*|"+was+"|' "+unit+"; systemctl daemon-reload")
	s.ok(t, "plan", "--exit-code", file)
}

// tidied does on one host what tidies up other services: nothing of the cluster is lost, and a user that was removed
// gets its number back.
func tidied(t *testing.T, s *site, file string, apps inventory) {
	const look = "stat -c '%u:%g %a' /var/lib/etcd-apps /var/lib/etcd-apps/member/wal/*.wal /etc/etcd/apps/tls/*/key.pem; sha256sum /etc/etcd/apps/born.json"
	s.on(t, "etcd-3", "systemctl stop etcd-apps")
	was := s.on(t, "etcd-3", look)
	s.on(t, "etcd-3", `systemctl clean --what=all etcd-apps 2>/dev/null
systemctl revert etcd-apps; systemctl preset etcd-apps; systemd-tmpfiles --clean --remove --boot
userdel etcd-apps; ! getent passwd etcd-apps; systemctl disable -q etcd-apps`)
	if is := s.on(t, "etcd-3", look); is != was {
		t.Errorf("was\n%s\nis\n%s", was, is)
	}
	s.ok(t, "apply", "--yes", file).says(t, "create-user/etcd-3", "start-member/etcd-3")
	if is := s.on(t, "etcd-3", look); is != was {
		t.Errorf("was\n%s\nis\n%s", was, is)
	}
	s.inSync(t, file, apps)
}

// purged installs Debian's etcd-server beside the clusters and purges it: one host as the finding says, where a cluster
// depends on what the package has, and one just so, where none does.
func purged(t *testing.T, s *site, first, second string, prod, apps inventory) {
	install := func(host string) {
		s.on(t, host,
			"DEBIAN_FRONTEND=noninteractive dpkg -i /root/etcd-server.deb >/root/dpkg.log 2>&1 || { cat /root/dpkg.log; exit 1; }; systemctl disable -q --now etcd; systemctl reset-failed etcd")
	}
	deb := read(t, debianEtcd(t))
	for _, host := range []string{"etcd-1", "etcd-2"} {
		must(t, os.WriteFile(filepath.Join(s.lab.Root(host), "root", "etcd-server.deb"), []byte(deb), 0o644))
	}
	appss := s.pids(t, "apps")

	install("etcd-1")
	const way = "rm /var/lib/dpkg/info/etcd-server.p*rm; chmod 755 /var/lib/etcd"
	const harm = "etcd-server…/var/lib/etcd/prod…user etcd"
	s.run(t, "check", first).exits(t, 3).says(t, "etcd-1: …"+harm+"…[package]", way)
	s.run(t, "plan", first).exits(t, 13).says(t, "etcd-1: …user etcd…/var/lib/etcd", "→ …chmod a+x /var/lib/etcd")
	s.run(t, "preflight", "--quick", first).says(t, harm)
	s.ok(t, "check", second)
	s.on(t, "etcd-1", way)
	until(t, "the member to serve again", func() bool { return s.run(t, "check", first).code == 0 }) // etcd may have ended
	s.inSync(t, first, prod)
	prods := s.pids(t, "prod")
	s.on(t, "etcd-1", "dpkg --purge etcd-server")
	s.inSync(t, first, prod)
	once(t, s, "prod", prods)

	s.ok(t, "destroy", "--purge", "--confirm=prod", first)
	install("etcd-2")
	s.inSync(t, second, apps)
	s.on(t, "etcd-2", "dpkg --purge etcd-server; ! getent passwd etcd; [ ! -e /var/lib/etcd ]")
	s.inSync(t, second, apps)
	once(t, s, "apps", appss)
	must(t, s.lab.PowerCut(t.Context(), "etcd-2"))
	must(t, s.lab.Boot(t.Context(), "etcd-2"))
	until(t, "the member to serve after a reboot", func() bool { return s.run(t, "check", second).code == 0 })
	s.inSync(t, second, apps)
}

// debianEtcd is the package as Debian has it, fetched once.
func debianEtcd(t *testing.T) string {
	t.Helper()
	const dir = "/var/cache/clusterup/etcd-server"
	found := func() []string {
		names, _ := filepath.Glob(dir + "/etcd-server_*.deb")
		return names
	}
	if len(found()) == 0 {
		must(t, os.MkdirAll(dir, 0o755))
		cmd := exec.CommandContext(t.Context(), "sh", "-c",
			"apt-get -q download etcd-server || { apt-get -q update && apt-get -q download etcd-server; }")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("fetch Debian's etcd-server: %v\n%s", err, out)
		}
	}
	names := found()
	if len(names) == 0 {
		t.Fatal("there is no package in " + dir)
	}
	return names[0]
}
