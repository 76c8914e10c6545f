package quorum

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/clusterup/clusterup/facts"
)

// The parts of TestRealEtcd that an upgrade rests on.

// sameData shows that the members of a healthy cluster have the same hash at the same revision.
func sameData(t *testing.T, c *Cluster, members []*member) {
	t.Helper()
	ctx := t.Context()
	revision, err := c.Revision(ctx, members[0].endpoint)
	if err != nil || revision < 2 {
		t.Fatalf("revision %d, %v", revision, err)
	}
	var first Hash
	for i, m := range members {
		var hash Hash
		waitFor(t, m.name+" has the revision", func() bool {
			hash, err = c.HashKV(ctx, m.endpoint, revision)
			return !errors.Is(err, rpctypes.ErrFutureRev)
		})
		if i == 0 {
			first = hash
		}
		if err != nil || hash != first || hash.Revision != revision || hash.Sum == 0 {
			t.Errorf("%s: %+v, %v; the first is %+v", m.name, hash, err, first)
		}
	}
	if hash, err := c.HashKV(ctx, members[0].endpoint, 0); err != nil || hash.Revision != revision {
		t.Errorf("now: %+v, %v; want revision %d", hash, err, revision)
	}
	if hash, err := c.HashKV(ctx, members[0].endpoint, revision+1000); !errors.Is(err, rpctypes.ErrFutureRev) {
		t.Errorf("a revision to come: %+v, %v", hash, err)
	}
}

// copies shows that a snapshot is one to etcd's own tool, which lies beside the binary.
func copies(t *testing.T, c *Cluster, endpoint, version string) {
	t.Helper()
	dir := t.TempDir()
	file, err := os.Create(filepath.Join(dir, "snapshot.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	saved, err := c.Snapshot(t.Context(), endpoint, file, nil)
	if err != nil {
		t.Fatal(err)
	}
	info, err := file.Stat()
	if err != nil || info.Size() != saved.Size {
		t.Errorf("%+v, but the file is %+v, %v", saved, info, err)
	}
	etcdutl := filepath.Join(filepath.Dir(os.Getenv("CLUSTERUP_ETCD")), "etcdutl")
	if _, err := os.Stat(etcdutl); err != nil {
		t.Skipf("no etcdutl beside etcd: %v", err)
	}
	// Unlike "snapshot status", restore holds the file against the digest at its end.
	out, err := exec.CommandContext(t.Context(), etcdutl, "snapshot", "restore", file.Name(),
		"--data-dir="+filepath.Join(dir, "data")).CombinedOutput()
	if err != nil {
		t.Errorf("restore: %v\n%s", err, out)
	}
}

// downgrades goes through etcd's downgrade calls, and back.
func downgrades(t *testing.T, c *Cluster, endpoint, version string) {
	t.Helper()
	ctx := t.Context()
	target := map[string]string{"3.6": "3.5", "3.7": "3.6"}[version[:3]]
	if target == "" {
		return // 3.5 cannot go down
	}
	for _, bad := range []string{"3.2", "two", version[:3]} {
		if err := c.Downgrade(ctx, endpoint, ValidateDowngrade, bad); !errors.Is(err, facts.ErrDowngradeTarget) {
			t.Errorf("validate %q: %v", bad, err)
		}
	}
	if err := c.Downgrade(ctx, endpoint, CancelDowngrade, ""); err != nil {
		t.Errorf("cancel what is not: %v", err)
	}
	if err := c.Downgrade(ctx, endpoint, ValidateDowngrade, target); err != nil {
		t.Errorf("validate: %v", err)
	}
	if err := c.Downgrade(ctx, endpoint, EnableDowngrade, target); err != nil {
		t.Fatalf("enable: %v", err)
	}
	if err := c.Downgrade(ctx, endpoint, EnableDowngrade, target); !errors.Is(err, rpctypes.ErrDowngradeInProcess) {
		t.Errorf("enable once more: %v", err)
	}
	waitFor(t, "the member says so and its storage follows", func() bool {
		s, err := c.Status(ctx, endpoint)
		return err == nil && s.Downgrade == target+".0" && s.StorageVersion == target+".0"
	})
	if err := c.Downgrade(ctx, endpoint, CancelDowngrade, ""); err != nil {
		t.Errorf("cancel: %v", err)
	}
	waitFor(t, "the member says so and its storage is back", func() bool {
		s, err := c.Status(ctx, endpoint)
		return err == nil && s.Downgrade == "" && s.StorageVersion == version[:3]+".0"
	})
}
