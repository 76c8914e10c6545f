package acceptance

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/clusterup/clusterup/facts"
)

// otherHosts: a snapshot at a URL makes the cluster on hosts that never had a member of it, by an operator who has an
// inventory and nothing else. The disk of one is full in the middle of it.
func otherHosts(t *testing.T, s *site, inv, other inventory) {
	keys := s.put(t, inv, "offsite", 20)
	there := t.TempDir()
	s.ok(t, "snapshot", "save", "--out", filepath.Join(there, "offsite.db"), s.write(t, "prod.hcl", inv))
	server := s.fileServer(t, there)
	elsewhere := *s
	elsewhere.dir = t.TempDir()
	file := elsewhere.write(t, "prod.hcl", other)
	restore := []string{"snapshot", "restore", server.URL + "/offsite.db", file, "--confirm=prod"}
	const data = "/var/lib/etcd-prod"
	must(t, s.lab.LimitedDisk(t.Context(), "etcd-5", data, 400<<20))
	elsewhere.holdWith(t, []string{server.trusted()}, "before restore-data/etcd-5", func() {
		s.on(t, "etcd-5", "dd if=/dev/zero of="+data+"/lost+found/ballast bs=1M 2>/dev/null || true")
	}, restore...).exits(t, 14).says(t, "restore-data/etcd-5: etcd-5: …no room for the data on "+data, "make room on "+data)
	if left := s.on(t, "etcd-5", "ls -A "+data); left != "lost+found" {
		t.Errorf("on the full disk is %q", left)
	}
	elsewhere.run(t, "apply", "--yes", file).exits(t, 13).says(t, "[restoring]")
	s.on(t, "etcd-5", "rm "+data+"/lost+found/ballast")
	elsewhere.trusting(t, server, restore...).wait(t).exits(t, 0)
	if asked := server.fetched(); len(asked) != 1 {
		t.Errorf("it was fetched as %q", asked)
	}
	elsewhere.holds(t, other, keys)
	elsewhere.ok(t, "plan", "--exit-code", file)
	s.holds(t, inv, keys) // which goes on meanwhile
	if !t.Failed() {
		guarantee(t, "the cluster is to be made on other hosts", "restore from a snapshot, 3 members",
			"every key as at the revision, from the snapshot's URL and an inventory alone")
		guarantee(t, "the disk of a host is full in the middle of it", "restore from a snapshot, 3 members",
			"exit 14, which says so, and nothing is left there; with room made, the same command goes on")
	}
}

// anotherMinor: data is restored with the minor version that wrote it.
func anotherMinor(t *testing.T, s *site, inv inventory) {
	file := s.write(t, "prod.hcl", inv)
	for version, says := range map[string][]string{
		releaseBefore: {
			"of etcd " + releaseBefore + "…the newer 3.6…",
			"version in the inventory to " + releaseBefore + " or a newer patch, restore, and upgrade",
		},
		releaseNext: {
			"of etcd " + releaseNext + "…the older 3.6…does not start",
			"version in the inventory to " + releaseNext + " or a newer patch",
		},
	} {
		path := filepath.Join(t.TempDir(), "taken.db")
		written(t, path, version)
		before := s.pids(t, "prod")
		s.run(t, "snapshot", "restore", path, file, "--confirm=prod").exits(t, 13).says(t, "[snapshot-unfit]").
			says(t, says...)
		if after := s.pids(t, "prod"); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("processes were %v and are %v", before, after)
		}
	}
	if !t.Failed() {
		guarantee(t, "the snapshot is of an older minor version, or of a newer one", "restore from a snapshot, 3 members",
			"exit 13, which version to set is said; nothing is touched")
	}
}

// written is a snapshot of prod that a member of some version once wrote.
func written(t *testing.T, path, version string) {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join("..", "snapshot", "testdata", "etcd-"+version+".db.gz"))
	must(t, err)
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	must(t, err)
	data, err := io.ReadAll(unpacked)
	must(t, err)
	sum := sha256.Sum256(data)
	description, err := json.Marshal(facts.SavedSnapshot{
		Path: filepath.Base(path), Cluster: "prod", Version: version, SHA256: fmt.Sprintf("%x", sum), Size: int64(len(data)),
	})
	must(t, err)
	must(t, os.WriteFile(path, data, 0o600))
	must(t, os.WriteFile(path+".json", description, 0o600))
}

// restoreLarge says how long a restore of 300 MiB takes.
func restoreLarge(t *testing.T, s *site, inv inventory) {
	const keys, size = 300, 1 << 20
	file := s.write(t, "prod.hcl", inv)
	client := s.client(t, s.appTLS(t, inv), inv.url(inv.Members[0]))
	value := func(i int) string { return string(bytes.Repeat([]byte(strconv.Itoa(100+i)), size/3)) }
	var writers errgroup.Group
	writers.SetLimit(4)
	for i := range keys {
		writers.Go(func() error {
			_, err := client.Put(t.Context(), fmt.Sprintf("large/%d", i), value(i))
			return err
		})
	}
	must(t, writers.Wait())
	s.ok(t, "snapshot", "save", file)
	_, err := client.Delete(t.Context(), "large/0")
	must(t, err)
	began := time.Now()
	s.ok(t, "snapshot", "restore", "latest", file, "--confirm=prod")
	took := time.Since(began)
	for i := range keys {
		got, err := client.Get(t.Context(), fmt.Sprintf("large/%d", i))
		must(t, err)
		if len(got.Kvs) != 1 || string(got.Kvs[0].Value) != value(i) {
			t.Fatalf("large/%d is another value, or none", i)
		}
	}
	s.inSync(t, file, inv)
	guarantee(t, "the database holds 300 MiB of values", "restore from a snapshot, 3 members",
		fmt.Sprintf("%.0f s from the command to the end of the verification; every key as at the revision", took.Seconds()))
}
