package acceptance

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/clusterup/clusterup/facts"
)

// TestSnapshot saves, lists, verifies and drills snapshots of a cluster that clients write to, and ends each of these
// where it hurts.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	s := newSite(t, "snapshot", hosts(3)...)
	inv := s.inventory(t, "prod")
	file := s.write(t, "prod.hcl", inv)
	s.run(t, "snapshot", "save", file).exits(t, 1).says(t, "no CA", "put ca/ back")
	s.ok(t, "apply", "--yes", file)
	creds := filepath.Join(t.TempDir(), "creds")
	s.ok(t, "cert", "issue", "app", file, "--out", creds)
	pair, err := tls.LoadX509KeyPair(filepath.Join(creds, "app.pem"), filepath.Join(creds, "app-key.pem"))
	must(t, err)
	config := trusting(t, filepath.Join(creds, "ca.pem"))
	config.Certificates = []tls.Certificate{pair}
	c := s.client(t, config, endpoint(inv.Members[0], 2379))
	ballast(t, c)
	t.Run("under load", func(t *testing.T) { snapshotUnderLoad(t, s, file, c) })
	t.Run("killed", func(t *testing.T) { snapshotKilled(t, s, file) })
	t.Run("a full disk", func(t *testing.T) { snapshotFullDisk(t, s, file) })
	t.Run("sealed", func(t *testing.T) { snapshotSealed(t, s, inv) })
	t.Run("fetched", func(t *testing.T) { snapshotFetched(t, s, file) })
	t.Run("damaged", func(t *testing.T) { snapshotDamaged(t, s, inv) })
	if !inv.Auth {
		t.Run("permissions", func(t *testing.T) { snapshotPermissions(t, s, file) })
	}
	t.Run("age", func(t *testing.T) { snapshotAge(t, s, inv) })
}

// mark is in every value of ballast.
const mark = "a value that nobody else is to read"

// ballast makes a database large enough to be stopped in the middle of.
func ballast(t *testing.T, c *clientv3.Client) {
	t.Helper()
	value := mark + strings.Repeat("x", 1_000_000)
	for i := range 25 {
		_, err := c.Put(t.Context(), fmt.Sprintf("/ballast/%d", i), value)
		must(t, err)
	}
}

func (s *site) snapshotDir() string { return filepath.Join(s.dir, ".clusterup", "prod", "snapshots") }

// saved is the snapshot that a save --json tells of.
func saved(t *testing.T, r result) facts.SavedSnapshot {
	t.Helper()
	var d facts.SavedSnapshot
	must(t, json.Unmarshal([]byte(r.stdout), &d))
	return d
}

// snapshotUnderLoad holds what a snapshot says of itself, and what its restored copy says, against what was written.
func snapshotUnderLoad(t *testing.T, s *site, file string, c *clientv3.Client) {
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	revisions := map[int64]bool{} // at which a key was made
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			r, err := c.Put(t.Context(), fmt.Sprintf("/load/%d", i), "v")
			if err != nil {
				t.Error(err)
				return
			}
			revisions[r.Header.Revision] = true
		}
	})
	before, err := c.Get(t.Context(), "", clientv3.WithPrefix(), clientv3.WithCountOnly())
	must(t, err)
	d := saved(t, s.ok(t, "snapshot", "save", "--json", file).says(t, "── save a snapshot of", "MiB of "))
	stop()
	wg.Wait()
	want := before.Count
	for revision := range revisions {
		if before.Header.Revision < revision && revision <= d.Revision {
			want++
		}
	}
	if d.Keys == nil || *d.Keys != want || d.Hash == nil || d.Revision <= before.Header.Revision || len(d.Members) != 3 {
		t.Errorf("%+v; %d keys were there at that revision", d, want)
	}
	if end := fmt.Sprintf("-etcd-%s-revision-%d.db", release, d.Revision); !strings.HasSuffix(d.Path, end) {
		t.Errorf("it is called %s", d.Path)
	}
	s.private(t, d.Path, d.Path+".json")
	s.ok(t, "snapshot", "verify", d.Path).says(t, "is whole", "of cluster prod")
	s.ok(t, "snapshot", "verify", "--drill", "latest", file).says(t, "revision, keys and hash are as described")
	s.ok(t, "snapshot", "list", file).says(t, "drilled", filepath.Base(d.Path))
	s.ok(t, "status", file).says(t, "The newest snapshot is …restored on trial")
	s.noDrills(t)
}

// private checks that only their owner can read files.
func (s *site) private(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
}

// drills are the scratch directories of drills, also those of other tests.
func drills(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(cache, "clusterup", "drills", "drill-*"))
	must(t, err)
	return all
}

// noDrills checks that no drill has left anything. Other tests may drill at the same time.
func (s *site) noDrills(t *testing.T) {
	t.Helper()
	until(t, "all drills to be gone", func() bool { return len(drills(t)) == 0 })
}

// halves are the snapshots in a directory that are not whole.
func halves(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, ".*.snapshot-part"))
	must(t, err)
	return all
}

// snapshotKilled kills a save and a drill in the middle.
func snapshotKilled(t *testing.T, s *site, file string) {
	whole, err := os.ReadDir(s.snapshotDir())
	must(t, err)
	p := s.start(t, "snapshot", "save", file)
	until(t, "half a snapshot", func() bool {
		found := halves(t, s.snapshotDir())
		if len(found) == 0 {
			return false
		}
		info, err := os.Stat(found[0])
		return err == nil && info.Size() > 0
	})
	must(t, p.cmd.Process.Signal(syscall.SIGKILL))
	<-p.ended
	found := halves(t, s.snapshotDir())
	if len(found) != 1 {
		t.Fatalf("it left %v", found)
	}
	s.private(t, found...)
	if now, err := os.ReadDir(s.snapshotDir()); err != nil || len(now) != len(whole)+1 {
		t.Errorf("it left %v, %v", now, err)
	}
	s.ok(t, "snapshot", "save", file)
	if found := halves(t, s.snapshotDir()); len(found) != 0 {
		t.Errorf("the next one left %v", found)
	}

	p = s.start(t, "snapshot", "verify", "--drill", "latest", file)
	etcd := 0
	until(t, "etcd of the drill", func() bool {
		etcd = childOf(p.cmd.Process.Pid, "etcd")
		return etcd != 0
	})
	must(t, p.cmd.Process.Signal(syscall.SIGKILL))
	<-p.ended
	until(t, "etcd of the drill to end", func() bool { return syscall.Kill(etcd, 0) != nil })
	s.noDrills(t)

	// as when a control group ends: the guard goes, too
	p = s.start(t, "snapshot", "verify", "--drill", "latest", file)
	until(t, "etcd of the drill", func() bool { return childOf(p.cmd.Process.Pid, "etcd") != 0 })
	must(t, syscall.Kill(childOf(p.cmd.Process.Pid, "sh"), syscall.SIGKILL))
	must(t, p.cmd.Process.Signal(syscall.SIGKILL))
	<-p.ended
	s.ok(t, "snapshot", "list", file)
	s.noDrills(t)
}

// nameless drills a sealed snapshot until it was seen that its plain bytes have no name while etcd serves them. A copy
// of them never has one.
func (s *site) nameless(t *testing.T, args ...string) {
	t.Helper()
	until(t, "a drill to serve bytes without a name", func() bool {
		p := s.start(t, args...)
		seen, served := false, false
		for over := false; !over; {
			select {
			case <-p.ended:
				over = true
			default:
			}
			etcd := childOf(p.cmd.Process.Pid, "etcd")
			for _, dir := range drills(t) {
				_, err := os.Stat(filepath.Join(dir, "data/member/snap/db"))
				served = served || err == nil
				seen = seen || served && errors.Is(err, fs.ErrNotExist) && etcd != 0 && syscall.Kill(etcd, 0) == nil
				if left, _ := filepath.Glob(filepath.Join(dir, "*.db")); len(left) > 0 {
					t.Fatalf("there is %v", left)
				}
			}
		}
		p.wait(t).exits(t, 0).says(t, "sealed", "revision, keys and hash are as described")
		return seen
	})
}

// childOf is a process that another one has started; 0: there is none.
func childOf(pid int, program string) int {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		raw, _ := os.ReadFile(list)
		for _, child := range strings.Fields(string(raw)) {
			if name, _ := os.ReadFile("/proc/" + child + "/comm"); strings.TrimSpace(string(name)) == program {
				id, _ := strconv.Atoi(child)
				return id
			}
		}
	}
	return 0
}

func snapshotFullDisk(t *testing.T, s *site, file string) {
	small := filepath.Join(t.TempDir(), "small")
	must(t, os.Mkdir(small, 0o700))
	must(t, exec.Command("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", small).Run())
	t.Cleanup(func() { must(t, exec.Command("umount", small).Run()) })
	s.run(t, "snapshot", "save", "--out", filepath.Join(small, "prod.db"), file).exits(t, 1).says(t,
		"no space left", "--out")
	if left, err := os.ReadDir(small); err != nil || len(left) != 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

// snapshotSealed seals to the key that the lab's hosts are entered with, and to a recipient that has no key here.
func snapshotSealed(t *testing.T, s *site, inv inventory) {
	public, err := os.ReadFile(inv.Identity + ".pub")
	must(t, err)
	file, to := s.write(t, "prod.hcl", inv), filepath.Join(s.dir, "sealed.db")
	s.ok(t, "snapshot", "save", file, "--out", to, "--seal-to", strings.TrimSpace(string(public))).says(t,
		"sealed to 1 recipient")
	raw, err := os.ReadFile(to)
	must(t, err)
	if bytes.Contains(raw, []byte(mark)) || !bytes.HasPrefix(raw, []byte("age-encryption.org/v1\n")) {
		t.Error("it is not sealed")
	}
	s.private(t, to)
	s.nameless(t, "snapshot", "verify", "--drill", to, file)
	s.noDrills(t)
	s.run(t, "snapshot", "verify", to).exits(t, 1).says(t, "sealed, and no key file here opens it", "CLUSTERUP_IDENTITY")
	s.run(t, "snapshot", "save", file, "--seal-to", "nobody").exits(t, 2).says(t, "--seal-to: ")
	raw[len(raw)/2] ^= 1
	must(t, os.WriteFile(to, raw, 0o600))
	s.run(t, "snapshot", "verify", to, file).exits(t, 1).says(t, "altered")

	inv.Settings += fmt.Sprintf("\n  snapshot { seal_to = [%q] }\n", strings.TrimSpace(string(public)))
	d := saved(t, s.ok(t, "snapshot", "save", "--json", s.write(t, "sealed.hcl", inv)))
	if !d.Sealed() || !strings.HasSuffix(d.Path, ".db.age") {
		t.Errorf("the inventory wants it sealed: %+v", d)
	}
}

// snapshotDamaged shows that each way to be no snapshot is told by its own words.
func snapshotDamaged(t *testing.T, s *site, inv inventory) {
	file, whole := s.write(t, "prod.hcl", inv), filepath.Join(s.dir, "whole.db")
	s.ok(t, "snapshot", "save", "--out", whole, file)
	data, err := os.ReadFile(whole)
	must(t, err)
	flipped := bytes.Clone(data)
	flipped[len(data)/2] ^= 1
	for name, test := range map[string]struct {
		data []byte
		says string
	}{
		"truncated": {data[:len(data)/2+100], "cut short"},
		"flipped":   {flipped, "altered"},
		"foreign":   {bytes.Repeat([]byte("hello "), 1000), "not a snapshot of etcd"},
	} {
		copied := s.file(t, name+".db", string(test.data))
		s.run(t, "snapshot", "verify", copied).exits(t, 1).says(t, copied+": "+test.says)
	}
	s.run(t, "snapshot", "save", "--out", whole, file).exits(t, 1).says(t, "is there already")
	inv.Cluster = "staging"
	s.run(t, "snapshot", "verify", whole, s.write(t, "staging.hcl", inv)).exits(t, 1).says(t, "of another cluster",
		"→ check which snapshot")

	// A snapshot of etcdctl has no description, and is no less of one.
	bare := filepath.Join(s.dir, "bare.db")
	s.ok(t, "etcdctl", file, "--", "snapshot", "save", bare)
	s.ok(t, "snapshot", "verify", bare, file).says(t, "Nothing beside it says", "etcd-1, etcd-2, etcd-3")
	s.run(t, "snapshot", "verify", "--drill", bare).exits(t, 1).says(t, "name an inventory")
}

// snapshotPermissions drills a snapshot that asks everybody for a user.
func snapshotPermissions(t *testing.T, s *site, file string) {
	for _, args := range []string{"user add root --no-password", "user grant-role root root", "auth enable"} {
		s.ok(t, append([]string{"etcdctl", file, "--"}, strings.Fields(args)...)...)
	}
	s.ok(t, "snapshot", "save", "--member=etcd-3", file).says(t, "of etcd-3")
	s.ok(t, "snapshot", "verify", "--drill", "latest", file).says(t, "revision, keys and hash are as described")
	s.ok(t, "etcdctl", file, "--", "auth", "disable")
	s.run(t, "snapshot", "save", "--member=etcd-9", file).exits(t, 2).says(t, `no member "etcd-9"`)
}

// snapshotAge asks for a snapshot that is younger than any.
func snapshotAge(t *testing.T, s *site, inv inventory) {
	file := s.write(t, "prod.hcl", inv)
	metrics := filepath.Join(s.dir, "metrics")
	s.ok(t, "check", "--prometheus", metrics, file)
	text, err := os.ReadFile(metrics)
	must(t, err)
	if !strings.Contains(string(text), "\nclusterup_snapshot_taken_seconds{cluster=\"prod\"} 1") {
		t.Errorf("no age of the snapshot in\n%s", text)
	}
	must(t, os.Rename(s.snapshotDir(), s.snapshotDir()+".away"))
	s.ok(t, "check", file)
	inv.Settings += "\n  snapshot { max_age = \"1d\" }\n"
	file = s.write(t, "prod.hcl", inv)
	s.run(t, "check", file).exits(t, 3).says(t, "[snapshot]", "→ clusterup snapshot save "+file)
	s.ok(t, "snapshot", "save", file)
	s.ok(t, "check", file)
}
