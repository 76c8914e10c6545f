package preflight

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/probe"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
)

const (
	// leastOpt is room, in bytes, for a release's archive and binaries side by side.
	leastOpt = 100 << 20
	// slowFsync is what etcd's FAQ wants the 99th percentile of its log's fdatasync to stay under.
	slowFsync = 10 * time.Millisecond
)

// placeOf is a place that was probed, or one of which nothing is known.
func placeOf(probed probe.Probe, what string) probe.Place {
	if place, ok := probed.Places[what]; ok {
		return place
	}
	return probe.Place{Free: -1, Dir: "/", Mount: "the file system for " + what}
}

// anew says that a member is to get its data where it was probed.
func anew(host facts.Host) bool { return !host.Data.WAL || host.Data.Dir != "" }

// largest is the size of the largest database of those that members tell; 0: nobody tells.
func (p about) largest() int64 {
	var size int64
	for _, host := range p.seen.Hosts {
		if host.Etcd != nil {
			size = max(size, host.Etcd.DBSize)
		}
	}
	return size
}

func (p about) space(host facts.Host, probed probe.Probe) {
	quota := p.want.Cluster.Etcd.QuotaBackendBytes
	data, wal, opt := placeOf(probed, "data"), placeOf(probed, "wal"), placeOf(probed, "opt")
	ok := true
	for _, place := range []probe.Place{data, wal} {
		if place.Free >= 0 && place.Free < etcd.LeastData {
			ok = false
			p.refuse(checkSpace, "make room: a member does not start with less than "+plan.Bytes(etcd.LeastData)+
				", and should have the quota twice",
				"%s free on %s, where %s lies", plan.Bytes(place.Free), place.Mount, place.Dir)
		}
		if place.Mount == data.Mount && wal.Mount == data.Mount {
			break
		}
	}
	if opt.Free >= 0 && opt.Free < leastOpt && len(host.Binaries) == 0 {
		ok = false
		p.refuse(checkSpace, "make room: a release takes about "+plan.Bytes(leastOpt), "%s free on %s, where %s lies",
			plan.Bytes(opt.Free), opt.Mount, facts.ReleaseDir)
	}
	ok = p.inodes(host, probed) && ok
	if size := p.largest(); anew(host) && size > 0 && data.Free >= etcd.LeastData && data.Free < size {
		ok = false
		p.refuse(checkSpace, "make room, or choose another data_dir", "%s free on %s, and the database that is to come has %s",
			plan.Bytes(data.Free), data.Mount, plan.Bytes(size))
	}
	switch {
	case !ok:
	case data.Free < 0:
		p.warn(checkSpace, "look yourself; on the host: df -Pk "+data.Dir, "its df tells of no free space on %s",
			data.Mount)
	case data.Free < quota && anew(host):
		p.warn(checkSpace,
			"make room, or lower quota_backend_bytes: snapshots and defragmenting need room beside the database",
			"%s free for data on %s, less than the quota of %s", plan.Bytes(data.Free), data.Mount, plan.Bytes(quota))
	default:
		p.fine(checkSpace, "%s free for data", plan.Bytes(data.Free))
	}
}

// inodes are looked at like bytes: without one no file is made, however much space there is.
func (p about) inodes(host facts.Host, probe probe.Probe) bool {
	told := map[string]bool{}
	for _, what := range []string{"data", "wal", "opt"} {
		place := probe.Places[what]
		if place.Inodes == 0 || place.Unused >= etcd.LeastInodes || told[place.Mount] ||
			what == "opt" && len(host.Binaries) > 0 {
			continue
		}
		told[place.Mount] = true
		p.refuse(checkSpace, "remove files there, or make the file system anew with more inodes (df -i, du --inodes)",
			"%s left on %s, where %s lies", plan.Count(int(place.Unused), "inode"), place.Mount, place.Dir)
	}
	return len(told) == 0
}

// writable refuses directories in which a step will make something, and nothing could be made; true: there are none.
func (p about) writable(probe probe.Probe) bool {
	ok := true
	for _, dir := range slices.Sorted(maps.Keys(probe.Sealed)) {
		ok = false
		p.refuse(checkFileSystem,
			fmt.Sprintf("on the host, findmnt -T %s says what is mounted there: mount it writable, or make room", dir),
			"nothing can be made in %s: %s", dir, probe.Sealed[dir])
	}
	return ok
}

// Types of file systems, as in /proc/mounts.
var (
	lostAtBoot = []string{"tmpfs", "ramfs"}
	remoteFS   = []string{"nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "glusterfs", "lustre", "beegfs", "virtiofs", "afs"}
)

func (p about) fileSystems(host facts.Host, probe probe.Probe) {
	ok := p.writable(probe)
	for _, at := range probe.Unmounted {
		if anew(host) {
			ok = false
			p.refuse(checkFileSystem, "on the host: mount "+at+"; or take it out of /etc/fstab",
				"/etc/fstab has a file system for %s, where the data is to lie, and it is not mounted", at)
		}
	}
	seen := map[string]bool{}
	for _, what := range []string{"data", "wal"} {
		place := probe.Places[what]
		if seen[place.Mount] {
			continue
		}
		seen[place.Mount] = true
		ok = p.dataPlace(probe, place) && ok
	}
	if opt := probe.Places["opt"]; slices.Contains(opt.Options, "noexec") {
		ok = false
		p.refuse(checkFileSystem, "mount it without noexec", "%s is mounted noexec, so nothing in %s can run",
			opt.Mount, facts.ReleaseDir)
	}
	if ok && !p.has(checkFileSystem) {
		p.fine(checkFileSystem, "%s", probe.Places["data"].Type)
	}
}

// dataPlace checks a file system that data will lie on.
func (p about) dataPlace(probe probe.Probe, place probe.Place) bool {
	switch {
	case slices.Contains(lostAtBoot, place.Type):
		p.refuse(checkFileSystem, "choose a data_dir on a disk", "%s is in memory (%s): a reboot would lose all data",
			place.Mount, place.Type)
	case slices.Contains(place.Options, "ro") && len(probe.Sealed) == 0:
		p.refuse(checkFileSystem, "mount it writable, and find out why it is not: dmesg", "%s is mounted read-only",
			place.Mount)
	case slices.Contains(remoteFS, place.Type) || strings.HasPrefix(place.Type, "fuse."):
		p.warn(checkFileSystem, "choose a data_dir on a local disk",
			"%s is %s: etcd is not made for network file systems", place.Mount, place.Type)
	case place.Type == "overlay":
		p.warn(checkFileSystem, "make sure that it outlives a reboot, or choose a data_dir on a disk",
			"%s is an overlay, as containers and live systems have", place.Mount)
	default:
		return true
	}
	return false
}

func (p about) latency(host facts.Host, probe probe.Probe) {
	l := probe.Fsync
	switch {
	case l.Why != "":
		p.warn(checkLatency, "see why the host could not write there", "not measured: %s", l.Why)
	case l.Samples == 0 && host.Process != nil:
		p.fine(checkLatency,
			"not measured: the member runs, and has a metric for it (etcd_disk_wal_fsync_duration_seconds)")
	case l.Samples == 0: // nobody asked
	case l.P99 > slowFsync:
		p.warn(checkLatency,
			"etcd wants 99 of 100 under 10 ms: use a local SSD, or for wal_dir a disk that nothing else writes to",
			"%s", timesOf(l))
	default:
		p.fine(checkLatency, "%s", timesOf(l))
	}
}

func timesOf(l probe.Latency) string {
	high := fmt.Sprintf("p99 %s", milliseconds(l.P99))
	if l.Samples < 100 {
		high = fmt.Sprintf("slowest %s", milliseconds(l.Max))
	}
	return fmt.Sprintf("p50 %s, %s of %d synchronous writes (measured to ±%s)", milliseconds(l.P50), high, l.Samples,
		milliseconds(l.Floor))
}

// milliseconds keeps two digits that mean something.
func milliseconds(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms >= 10:
		return fmt.Sprintf("%.0f ms", ms)
	case ms >= 1:
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.2f ms", ms)
}
