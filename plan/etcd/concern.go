package etcd

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// Concern is a reason why a running member will fail later, though nothing is wrong with it now; or that one has no
// vote yet, though it is to have one.
type Concern struct {
	Host   string
	Kind   string // space, quota, source, learner; slow-disk and elections of Ailing
	Text   string
	Do     string
	Behind *uint64 // of a learner that answers: how many entries it has left to apply
}

// Concerns are those of all running members, and of learners, in the order of the inventory.
func Concerns(w Want, s facts.Snapshot) []Concern {
	v := newView(w, s)
	found := v.voteless()
	v.Each(func(m inventory.Member, host facts.Host) {
		if host.Process == nil {
			return
		}
		if text, do := v.filling(host); text != "" && v.tight(host) == "" {
			found = append(found, Concern{Host: m.Name, Kind: "quota", Text: text, Do: do})
		}
		if text := v.tight(host); text != "" {
			found = append(found, Concern{
				Host: m.Name, Kind: "space", Text: text,
				Do: "make room, or lower quota_backend_bytes: etcd exits when its disk is full, and only raises an alarm at its quota",
			})
		}
		if text := v.refusedByPeers(m, host); text != "" {
			found = append(found, Concern{Host: m.Name, Kind: "source", Text: text, Do: NamesRemedy(m)})
		}
	})
	return found
}

// voteless are the learners that are to get votes.
func (v view) voteless() []Concern {
	var found []Concern
	v.Everyone(func(m inventory.Member, host facts.Host) {
		if !v.learner(m) || m.Absent {
			return
		}
		c := Concern{
			Host: m.Name, Kind: "learner", Text: "it is a learner, which has no vote, and it is not known how far it has come",
			Do: "clusterup apply INVENTORY waits for it, and gives it its vote when it has caught up; clusterup member remove " +
				m.Name + " INVENTORY takes it out again",
		}
		if v.learns(m, host) {
			behind := v.lag(host)
			c.Behind = &behind
			c.Text = fmt.Sprintf("it is a learner, which has no vote, and is %d behind the others in raft's log", behind)
		}
		if v.learns(m, host) && v.caughtUp(host) {
			c.Text = "it is a learner that has caught up, and has no vote yet"
			c.Do = fmt.Sprintf("clusterup apply INVENTORY, or clusterup member promote %s INVENTORY, gives it its vote", m.Name)
		}
		found = append(found, c)
	})
	return found
}

// LeastData is room, in bytes, for the first segment of the write-ahead log (64 MB, allocated at once) and an empty
// database.
const LeastData = 100 << 20

// LeastInodes is more than the files of a release, a member's data and its certificates.
const LeastInodes = 100

// fullAt is how full a file system may be, in percent, before it counts as full.
const fullAt = 95

// tight says why a member's disk may be full before its database has reached its quota; "": it will not, or that is not
// known.
func (v view) tight(host facts.Host) string {
	room, known := host.Rooms["data"]
	if wal, ok := host.Rooms["wal"]; ok && wal.Free < LeastData && (!known || room.Free >= LeastData) {
		return fmt.Sprintf("its write-ahead log has %s left on the file system of %s", plan.Bytes(wal.Free), wal.Dir)
	}
	quota := v.want.Cluster.Etcd.QuotaBackendBytes
	grows := quota
	if host.Etcd != nil {
		grows = max(0, quota-host.Etcd.DBSize)
	}
	used := 0
	if room.Size > 0 {
		used = int(100 - 100*float64(room.Free)/float64(room.Size))
	}
	switch {
	case !known:
		return ""
	case room.Inodes > 0 && room.InodesFree < LeastInodes:
		return fmt.Sprintf("the file system of %s has %s left", room.Dir, plan.Count(int(room.InodesFree), "inode"))
	case room.Free < grows:
		return fmt.Sprintf("its database may grow by %s until its quota, and %s has %s left", plan.Bytes(grows), room.Dir,
			plan.Bytes(room.Free))
	case room.Free < LeastData, used >= fullAt && room.Free < quota:
		return fmt.Sprintf("the file system of %s is %d %% full, %s left", room.Dir, used, plan.Bytes(room.Free))
	}
	return ""
}

// refusedByPeers says which peers a host dials from an address that is not in its certificate; "": none. etcd compares
// the two (client/pkg/transport/listener_tls.go, checkCertSAN) and refuses the connection. A certificate with a DNS
// name besides localhost is not judged, since etcd asks DNS for the addresses of that name.
func (v view) refusedByPeers(m inventory.Member, host facts.Host) string {
	if !v.want.Cluster.TLS.Peers {
		return ""
	}
	names := v.names(m, host)
	for _, name := range names {
		if _, err := netip.ParseAddr(name); err != nil && name != "localhost" {
			return ""
		}
	}
	var from netip.Addr
	var to []string
	for _, other := range v.want.Cluster.Members {
		peer, err := netip.ParseAddr(other.PeerAddress)
		source, ok := host.Sources[peer]
		if err != nil || !ok || other.Name == m.Name || slices.Contains(names, source.Unmap().String()) {
			continue
		}
		from, to = source, append(to, other.Name)
	}
	if len(to) == 0 {
		return ""
	}
	return fmt.Sprintf(
		"it goes to %s from %s, which is not among the names of its certificate: peers refuse such connections",
		plan.Enumerate(to), from)
}

// NamesRemedy is what to do about a member whose peers refuse the address that it comes from.
func NamesRemedy(m inventory.Member) string {
	return fmt.Sprintf("add the address to names of member %q in the inventory, or have its routes use another source",
		m.Name)
}
