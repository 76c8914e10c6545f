package units

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// line is a file as "ls -l" would show it.
func line(f File) string {
	return fmt.Sprintf("%04o %s:%s %s secret=%v", f.Mode, f.Owner, f.Group, f.Path, f.Secret)
}

func TestFiles(t *testing.T) {
	leaf := Leaf(LeafDir("/etc/etcd/prod", "peer", "4a0f"), "etcd-prod", []byte("cert"), []byte("key"))
	all := append(leaf, Unit(prod("3.6.16")), Trust("/etc/etcd/prod", "peer", []byte("pem")),
		Birth("/etc/etcd/prod", Born{}),
		CRL("/etc/etcd/prod", "client", []byte("der")), CRL("/etc/etcd/prod", "peer", []byte("der")))
	var got []string
	for _, f := range all {
		got = append(got, line(f))
	}
	want := []string{
		"0644 root:root /etc/etcd/prod/tls/peer-4a0f/cert.pem secret=false",
		"0600 etcd-prod:etcd-prod /etc/etcd/prod/tls/peer-4a0f/key.pem secret=true",
		"0600 root:root /etc/etcd/prod/tls/peer-4a0f/sums secret=false",
		"0644 root:root /etc/systemd/system/etcd-prod.service secret=false",
		"0644 root:root /etc/etcd/prod/trust-peer-f0aeace9.pem secret=false", // printf pem | sha256sum
		"0644 root:root /etc/etcd/prod/born.json secret=false",
		"0644 root:root /etc/etcd/prod/revoked-clients.crl secret=false",
		"0644 root:root /etc/etcd/prod/revoked-peers.crl secret=false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The sums are read by sha256sum on the host.
func TestSums(t *testing.T) {
	dir := t.TempDir()
	for _, f := range Leaf(dir, "etcd-prod", []byte("cert"), []byte("key")) {
		if err := os.WriteFile(f.Path, f.Data, f.Mode); err != nil {
			t.Fatal(err)
		}
	}
	check := func() error {
		cmd := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", "--status", "sums")
		cmd.Dir = dir
		return cmd.Run()
	}
	if err := check(); err != nil {
		t.Errorf("a whole pair: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if check() == nil {
		t.Error("another key is not noticed")
	}
}

func TestBirth(t *testing.T) {
	b := Born{
		Cluster: "prod", Member: "etcd-1", ClusterID: "cdf818194e3a8c32", MemberID: "8e9e05c52164694d", Token: "prod-7f3a",
		Created: time.Date(2026, 11, 21, 13, 30, 15, 987, time.FixedZone("CET", 3600)),
	}
	f := Birth("/etc/etcd/prod", b)
	golden(t, "testdata/born.json", f.Data)
	got, err := ParseBirth(f.Data)
	b.Created = time.Date(2026, 11, 21, 12, 30, 15, 0, time.UTC)
	if diff := cmp.Diff(b, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for name, data := range map[string]string{
		"empty":    "",
		"not JSON": "born",
		"no IDs":   `{"cluster": "prod"}`,
		"bad ID":   `{"cluster_id": "cdf818194e3a8c32", "member_id": "etcd-1"}`,
		"bad date": `{"cluster_id": "1", "member_id": "2", "created": "yesterday"}`,
	} {
		if b, err := ParseBirth([]byte(data)); err == nil {
			t.Errorf("%s is taken for %+v", name, b)
		}
	}
	if _, err := ParseBirth([]byte(`{"cluster_id": "1", "member_id": "2", "later": true}`)); err != nil {
		t.Errorf("a field of a later version: %v", err)
	}
	if f := Birth("/etc/etcd/prod", Born{Created: time.Unix(1<<40, 0)}); !strings.Contains(string(f.Data), `"member_id"`) {
		t.Errorf("a date that cannot be written: %q", f.Data)
	}
}
