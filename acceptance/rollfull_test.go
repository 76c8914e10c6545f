package acceptance

import (
	"maps"
	"testing"
)

// TestRollFull changes a cluster with a host whose disks are full.
func TestRollFull(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	s := newSite(t, "roll-full", hosts(3)...)
	inv := s.inventory(t, "prod")
	const small = "quota_backend_bytes = \"64MiB\"\n    "
	etcdBlock(small)(&inv)
	must(t, s.lab.LimitedDisk(t.Context(), "etcd-2", "/opt", 256<<20))
	must(t, s.lab.LimitedDisk(t.Context(), "etcd-2", "/var/lib/etcd-prod", 320<<20))
	s.ok(t, "apply", "--yes", s.write(t, "prod.hcl", inv))
	fill := func(path string) {
		s.on(t, "etcd-2", "dd if=/dev/zero of="+path+"/ballast bs=1M 2>/dev/null; dd if=/dev/zero of="+path+
			"/ballast2 bs=1k 2>/dev/null; true")
	}

	t.Run("no room for a release", func(t *testing.T) {
		next := inv
		next.Version = releaseNext
		before := s.pids(t, inv.Cluster)
		fill("/opt")
		s.run(t, "apply", "--yes", s.write(t, "prod.hcl", next)).exits(t, 14).says(t, "etcd-2", "make room on /opt")
		if after := s.pids(t, inv.Cluster); !maps.Equal(before, after) {
			t.Errorf("processes were %v and are %v", before, after)
		}
		s.on(t, "etcd-2", "rm /opt/ballast*")
		s.ok(t, "apply", "--yes", s.write(t, "prod.hcl", inv))
		s.inSync(t, s.write(t, "prod.hcl", inv), inv)
		if !t.Failed() {
			guarantee(t, "a host has no room for the release", upgradeRoll,
				"exit 14, says how much is needed where; nothing is restarted")
		}
	})
	t.Run("no room for data", func(t *testing.T) {
		fill("/var/lib/etcd-prod")
		rolling{
			name:  "a flag is changed, and the disk with the data of a member is full",
			fault: "the disk with the data of a member is full", gone: true,
			change: etcdBlock(small + `flags = { "max-request-bytes" = "2097152" }`),
			code:   14, says: []string{"etcd-2", "file system is full"}, who: nobody,
			over: func(t *testing.T, s *site, _ string) { s.on(t, "etcd-2", "rm /var/lib/etcd-prod/ballast*") },
		}.undergo(t, s, &inv)
	})
}
