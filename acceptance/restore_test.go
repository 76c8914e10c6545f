package acceptance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// TestRestore is the life of one cluster that loses its quorum, is made anew from what is left, and is taken back to a
// snapshot.
func TestRestore(t *testing.T) {
	t.Parallel()
	s := newSite(t, "restore", hosts(5)...)
	all := s.inventory(t, "prod")
	inv := among(all, 1, 2, 3)
	s.converges(t, inv)
	t.Run("not lost", func(t *testing.T) { notLost(t, s, inv) })
	t.Run("two of three disks", func(t *testing.T) { twoDisks(t, s, inv) })
	t.Run("back to a snapshot", func(t *testing.T) { backToSnapshot(t, s, inv) })
	t.Run("another minor", func(t *testing.T) { anotherMinor(t, s, inv) })
	t.Run("other hosts", func(t *testing.T) { otherHosts(t, s, inv, among(all, 4, 5)) })
	t.Run("old disks", func(t *testing.T) { oldDisks(t, s, inv) })
	t.Run("three of three disks", func(t *testing.T) { threeDisks(t, s, inv) })
	later := inv
	later.Version, later.Mirror = laterPatch, patchMirror(t)
	t.Run("fewer and more", func(t *testing.T) { fewerAndMore(t, s, inv, later) })
	inv = later
	t.Run("killed", func(t *testing.T) { killedRestores(t, s, inv) })
	t.Run("beyond a partition", func(t *testing.T) { beyond(t, s, inv) })
	if whole() {
		t.Run("large", func(t *testing.T) { restoreLarge(t, s, inv) })
	}
}

// copied copies a folder, with owners and modes, to where nothing is.
func copied(t *testing.T, from, to string) {
	t.Helper()
	out, err := exec.Command("cp", "-a", from, to).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// put writes keys, and says what the cluster holds then.
func (s *site) put(t *testing.T, inv inventory, prefix string, n int) map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client := s.client(t, s.appTLS(t, inv), inv.url(inv.Members[0]))
	for i := range n {
		_, err := client.Put(ctx, fmt.Sprintf("%s/%03d", prefix, i), fmt.Sprint(prefix, i))
		must(t, err)
	}
	return s.held(t, inv)
}

// held are all keys of a cluster, but those that clusterup writes by itself.
func (s *site) held(t *testing.T, inv inventory) map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got, err := s.client(t, s.appTLS(t, inv), inv.url(inv.Members[0])).Get(ctx, "", clientv3.WithPrefix())
	must(t, err)
	keys := map[string]string{}
	for _, kv := range got.Kvs {
		keys[string(kv.Key)] = string(kv.Value)
	}
	return keys
}

// holds checks that a cluster holds these keys, and no others.
func (s *site) holds(t *testing.T, inv inventory, want map[string]string) {
	t.Helper()
	got := s.held(t, inv)
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s is %q, want %q", key, got[key], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d keys, want %d", len(got), len(want))
	}
}

// lose takes the data of hosts away, as a lost disk does.
func (s *site) lose(t *testing.T, hosts ...string) {
	t.Helper()
	for _, host := range hosts {
		s.on(t, host, "systemctl kill -s KILL etcd-prod; mv /var/lib/etcd-prod/member /var/lib/member.lost")
	}
}

// notLost: while a member serves reads, or could again, nothing is recovered.
func notLost(t *testing.T, s *site, inv inventory) {
	file := s.write(t, "prod.hcl", inv)
	s.run(t, "recover", "--confirm=prod", file).exits(t, 13).says(t, "the quorum is not lost", "[quorum]")
	for _, host := range []string{"etcd-2", "etcd-3"} {
		s.on(t, host, "systemctl stop etcd-prod")
	}
	s.run(t, "recover", "--confirm=prod", file).exits(t, 13).says(t, "3 of 3 voters have their data", "clusterup apply")
	s.converges(t, inv)
}

// twoDisks: what the one survivor has is what the cluster is made of.
func twoDisks(t *testing.T, s *site, inv inventory) {
	file := s.write(t, "prod.hcl", inv)
	keys := s.put(t, inv, "before", 100)
	s.lose(t, "etcd-2", "etcd-3")
	s.run(t, "apply", "--yes", file).exits(t, 13).says(t, "clusterup recover")
	if r := s.run(t, "status", file); !strings.Contains(r.stdout, "docs/disasters.md") {
		t.Errorf("status says nothing of a way out: %s", r.stdout)
	}
	s.run(t, "recover", file).exits(t, 2).says(t, "--confirm=prod")
	s.run(t, "recover", "--confirm=other", file).exits(t, 2)

	// Killed half-way, it keeps others off, and is gone on with from another machine.
	s.disturbed(t, "CLUSTERUP_FAULT=kill after restore-data/etcd-2", "recover", "--confirm=prod", file).exits(t, -1)
	for _, args := range [][]string{{"apply", "--yes"}, {"upgrade", "--to", "3.6.16", "--yes"}} {
		s.run(t, append(args, file)...).exits(t, 13).says(t, "[restoring]", "clusterup recover")
	}
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	copied(t, filepath.Dir(file), elsewhere)
	s.ok(t, "recover", "--confirm=prod", filepath.Join(elsewhere, filepath.Base(file)))
	must(t, os.RemoveAll(filepath.Join(filepath.Dir(file), ".clusterup")))
	copied(t, filepath.Join(elsewhere, ".clusterup"), filepath.Join(filepath.Dir(file), ".clusterup"))
	s.ok(t, "plan", "--exit-code", file)
	s.holds(t, inv, keys)
	s.inSync(t, file, inv)
	if left := s.on(t, "etcd-1", "ls -d /var/lib/etcd-prod.aside-*"); left == "" {
		t.Error("the data of the survivor was not kept")
	}
	if !t.Failed() {
		guarantee(t, "two of three disks are lost", "recovery, killed half-way and gone on with from another machine",
			"exit 13 for anything else meanwhile; all that was acknowledged is there, and the survivor's data was put aside")
	}
}

// backToSnapshot: the cluster is as it was at the snapshot, and watchers are told that what they saw is gone.
func backToSnapshot(t *testing.T, s *site, inv inventory) {
	file := s.write(t, "prod.hcl", inv)
	keys := s.put(t, inv, "kept", 50)
	s.ok(t, "snapshot", "save", file)
	s.put(t, inv, "lost", 50)
	client := s.client(t, s.appTLS(t, inv), inv.url(inv.Members[0]))
	got, err := client.Get(t.Context(), "lost/049")
	must(t, err)
	seen := got.Header.Revision
	s.run(t, "snapshot", "restore", "latest", file).exits(t, 2).says(t, "--confirm=prod", "will be lost")
	s.ok(t, "snapshot", "restore", "latest", file, "--confirm=prod").says(t, "verify")
	s.holds(t, inv, keys)
	s.ok(t, "plan", "--exit-code", file)
	s.inSync(t, file, inv)
	soon, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	again := <-client.Watch(soon, "lost/", clientv3.WithPrefix(), clientv3.WithRev(seen+1))
	if !errors.Is(again.Err(), rpctypes.ErrCompacted) {
		t.Errorf("a watcher that goes on at revision %d is told %v", seen+1, again.Err())
	}
	s.run(t, "snapshot", "restore", "latest", file, "--confirm=prod").exits(t, 13).
		says(t, "[needs-consent]", "--accept=again")
	if !t.Failed() {
		guarantee(t, "writes that are to be undone", "restore from a snapshot, 3 members",
			"every key as at its revision; a watcher that goes on from before is told that its revision is compacted")
	}
}

// oldDisks: the disks of the cluster before are refused by the units, at boot.
func oldDisks(t *testing.T, s *site, inv inventory) {
	file := s.write(t, "prod.hcl", inv)
	s.on(t, "etcd-2", `systemctl stop etcd-prod
mv /var/lib/etcd-prod/member /var/lib/member.new
set -- /var/lib/etcd-prod.aside-*/member
mv "$1" /var/lib/etcd-prod/member`)
	got := s.on(t, "etcd-2", `since=$(date +%s)
systemctl start etcd-prod || true
systemctl is-active etcd-prod || true
journalctl -u etcd-prod --since=@$since -o cat`)
	if strings.HasPrefix(got, "active") || !strings.Contains(got, "refusing to start") {
		t.Errorf("it says %q", got)
	}
	s.run(t, "apply", "--yes", file).exits(t, 13).says(t, "etcd-2: …in whose place this one was restored")
	s.on(t, "etcd-2", "rm -rf /var/lib/etcd-prod/member; mv /var/lib/member.new /var/lib/etcd-prod/member")
	s.converges(t, inv)
	if !t.Failed() {
		guarantee(t, "a disk of the cluster before comes back", "restore from a snapshot, 3 members",
			"the unit refuses to start on it")
	}
}

// threeDisks: only a snapshot is left.
func threeDisks(t *testing.T, s *site, inv inventory) {
	file := s.write(t, "prod.hcl", inv)
	keys := s.put(t, inv, "saved", 20)
	s.ok(t, "snapshot", "save", file)
	s.put(t, inv, "unsaved", 20)
	s.on(t, "etcd-1", "rm -rf /var/lib/member.lost")
	for _, host := range []string{"etcd-1", "etcd-2", "etcd-3"} {
		s.on(t, host, "systemctl kill -s KILL etcd-prod; rm -rf /var/lib/etcd-prod/member")
	}
	s.ok(t, "recover", "--confirm=prod", file).says(t, "will be lost")
	s.holds(t, inv, keys)
	s.ok(t, "plan", "--exit-code", file)
	if !t.Failed() {
		guarantee(t, "all disks are lost", "recovery from the newest snapshot", "every key as at the snapshot's revision")
	}
}

// fewerAndMore: the members of a restored cluster are those of the inventory, whoever the snapshot knew, and they may
// run a newer patch.
func fewerAndMore(t *testing.T, s *site, inv, later inventory) {
	file := s.write(t, "prod.hcl", inv)
	keys := s.put(t, inv, "three", 20)
	s.ok(t, "snapshot", "save", file)
	s.put(t, inv, "more", 20)
	one := among(inv, 1)
	s.write(t, "prod.hcl", one)
	s.run(t, "snapshot", "restore", "latest", file, "--confirm=prod").exits(t, 13).
		says(t, "etcd-2: ", "state = \"absent\"", "--accept=gone:etcd-3", "[membership]")
	s.write(t, "prod.hcl", among(inv, 1, -2, -3))
	s.ok(t, "snapshot", "restore", "latest", file, "--confirm=prod")
	s.holds(t, one, keys)
	for _, host := range []string{"etcd-2", "etcd-3"} {
		if got := s.on(t, host, "systemctl is-active etcd-prod || true"); got == "active" {
			t.Errorf("%s: the member of the cluster before runs", host)
		}
	}
	s.converges(t, among(inv, 1, -2, -3))

	s.write(t, "prod.hcl", one)
	keys = s.put(t, one, "one", 20)
	s.ok(t, "snapshot", "save", file)
	s.write(t, "prod.hcl", later)
	s.ok(t, "snapshot", "restore", "latest", file, "--confirm=prod").says(t, "etcd "+laterPatch)
	s.holds(t, later, keys)
	s.converges(t, later)
	s.inSync(t, file, later)
	if !t.Failed() {
		guarantee(t, "the members are to run a newer patch than the snapshot is of", "restore from a snapshot, 3 → 1 and 1 → 3",
			"they run it; every key as at the revision")
		guarantee(t, "the cluster is to have fewer members, or more", "restore from a snapshot, 3 → 1 and 1 → 3",
			"exit 13 for a member that would go on unseen; with state = \"absent\" it is stopped; every key as at the revision")
	}
}
