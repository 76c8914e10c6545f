package acceptance

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWayOut proves that what people alone can resolve comes with the next thing to type, and that typing it leads out:
// permissions that shut clusterup out of a cluster without TLS, and a database that is full.
func TestWayOut(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	s := newSite(t, "wayout", hosts(3)...)
	inv := s.inventory(t, "prod")
	inv.Settings, inv.HTTP = tlsBlock(2379, "clients = false"), 2379
	s.ok(t, "apply", "--yes", s.write(t, "prod.hcl", inv))
	t.Run("permissions without TLS", func(t *testing.T) { permissions(t, s, &inv) })
	t.Run("a snapshot", func(t *testing.T) { oneMember(t, s, inv) })
	t.Run("a full database", func(t *testing.T) { fullDatabase(t, s, inv) })
}

// permissions are switched on where clients speak http: clusterup has no certificate there to be root with.
func permissions(t *testing.T, s *site, inv *inventory) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	file := s.write(t, "prod.hcl", *inv)
	admin := s.client(t, nil, inv.url(inv.Members[0]))
	_, err := admin.UserAdd(ctx, "root", "secret")
	must(t, err)
	_, err = admin.UserGrantRole(ctx, "root", "root")
	must(t, err)
	_, err = admin.AuthEnable(ctx)
	must(t, err)
	const reason = "permissions…etcd-1, etcd-2 and etcd-3"
	refused(t, s, file, 13, reason+"…[no-user]", "http_client_port = 2379…auth {}")
	s.run(t, "status", file).exits(t, 0).says(t, reason).saysNot(t, "unhealthy")
	s.ok(t, "status", "--json", file).counts(t, 0, true).state(t, "unknown", s.names()...)
	s.run(t, "check", file).exits(t, 3).says(t, reason+"…[refused]").saysNot(t, "[unhealthy]",
		"→ clusterup apply")

	inv.Settings = tlsBlock(newClientPort, "http_client_port = 2379")
	s.run(t, "plan", s.write(t, "prod.hcl", *inv)).exits(t, 13).says(t, "no block auth…[permissions]")
	inv.Settings += "\n  auth {}\n"
	file = s.write(t, "prod.hcl", *inv)
	s.ok(t, "apply", "--yes", file).says(t, "note: …permissions")
	s.ok(t, "check", file)
	s.ok(t, "etcdctl", file, "--", "auth", "disable")
	inv.Settings = tlsBlock(newClientPort, "http_client_port = 2379")
}

// oneMember saves a snapshot, which etcd gives through one member at a time.
func oneMember(t *testing.T, s *site, inv inventory) {
	file, to := s.write(t, "prod.hcl", inv), filepath.Join(s.dir, "prod.db")
	s.ok(t, "etcdctl", file, "--", "snapshot", "save", to).says(t, "note: etcd-…--member")
	if info, err := os.Stat(to); err != nil || info.Size() == 0 {
		t.Errorf("no snapshot: %v, %v", info, err)
	}
	s.ok(t, "etcdctl", "--member=etcd-2", file, "--", "endpoint", "health").says(t, "etcd-2 https://127.0.0.1:").saysNot(t,
		"etcd-1", "etcd-3")
	s.run(t, "etcdctl", "--member=etcd-9", file, "--", "endpoint", "health").exits(t, 2).says(t, `no member "etcd-9"`,
		"etcd-1, etcd-2, etcd-3")
}

// fullDatabase fills a small quota and goes the way out that clusterup shows: a larger quota, after which the alarm
// is disarmed, with nothing else to do.
func fullDatabase(t *testing.T, s *site, inv inventory) {
	quota := func(size string) string {
		inv := inv
		inv.Settings += "\n  etcd { quota_backend_bytes = \"" + size + "\" }\n"
		return s.write(t, "prod.hcl", inv)
	}
	file := quota("16MiB")
	s.ok(t, "apply", "--yes", file)
	s.on(t, "etcd-1", fillUp)
	const raised, disarm = " raised the alarm NOSPACE", "clusterup disarm INVENTORY"
	times := func(want int, r result) {
		t.Helper()
		r.says(t, disarm).saysNot(t, "memberID:", "journalctl")
		if n := strings.Count(r.stdout+r.stderr, raised); n != want {
			t.Errorf("%s: says %d times that %s, want %d", r.command, n, raised, want)
		}
	}
	once := func(r result) { t.Helper(); times(1, r) }
	once(s.run(t, "status", file).exits(t, 0).says(t, disarm))
	once(s.run(t, "check", file).exits(t, 3).says(t, "[alarm]", disarm).saysNot(t, "[unhealthy]"))
	once(s.ok(t, "plan", "--exit-code", file).says(t, disarm))

	file = quota("64MiB")
	// In the plan, and when it is done.
	times(2, s.run(t, "apply", "--yes", file).exits(t, 1).says(t, "restart etcd-", "→ …disarm"))
	s.ok(t, "disarm", "--yes", file).says(t, "disarm-alarm/NOSPACE").saysNot(t, "compact/", "defragment/")
	s.ok(t, "check", file)
}

// fillUp writes until the database takes no more.
const fillUp = `for i in $(seq 40); do
  head -c 1000000 /dev/zero | tr '\0' x | ` +
	binDir + `etcdctl --endpoints=http://127.0.0.1:2379 put "key-$i" >/dev/null 2>/tmp/said && continue
  grep -q 'database space exceeded' /tmp/said && exit
  cat /tmp/said
  exit 1
done
exit 1`
