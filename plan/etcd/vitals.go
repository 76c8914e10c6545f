package etcd

import (
	"fmt"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
)

const (
	// slowFsync is how many seconds 99 of 100 writes to the log may take (etcd's own alert, contrib/mixin), leastFsyncs
	// how many it takes to say so.
	slowFsync, leastFsyncs = 0.5, 1000
	// manyChanges is how often an hour the leader may change on average, and shortestLife the time over which that is
	// taken at least: rolls and upgrades change it a few times, one after the other.
	manyChanges, shortestLife = 4, 6 * time.Hour
)

// Behind are learners, by name, and how many entries of raft's log each has left to apply.
func Behind(w Want, s facts.Snapshot) map[string]uint64 {
	v, lags := newView(w, s), map[string]uint64{}
	v.Each(func(m inventory.Member, host facts.Host) {
		if v.learner(m) && host.Etcd != nil {
			lags[m.Name] = v.lag(host)
		}
	})
	return lags
}

// Ailing are concerns about members by what they count of themselves, in the order of the inventory.
func Ailing(w Want, s facts.Snapshot, vitals map[string]facts.Vitals) []Concern {
	var found []Concern
	glance(w, s).Each(func(m inventory.Member, _ facts.Host) {
		v, asked := vitals[m.Name]
		if !asked {
			return
		}
		if v.Fsyncs >= leastFsyncs && v.FsyncP99 > slowFsync {
			found = append(found, Concern{
				Host: m.Name, Kind: "slow-disk",
				Text: fmt.Sprintf("one of 100 writes to its log takes %g s or longer until it is on the disk; etcd wants 0.01 s",
					v.FsyncP99/2),
				Do: "give the log a disk of its own (wal_dir), or a faster one; see what else writes there",
			})
		}
		life := max(s.Taken.Sub(v.Started), shortestLife)
		if hours := life.Hours(); !v.Started.IsZero() && float64(v.LeaderChanges) > manyChanges*hours {
			found = append(found, Concern{
				Host: m.Name, Kind: "elections",
				Text: fmt.Sprintf("it has seen %d changes of the leader since it started at %s", v.LeaderChanges,
					v.Started.UTC().Format(time.RFC3339)),
				Do: "slow disks, busy processors or a lossy network make leaders step down: see to these, or raise " +
					"election_timeout and heartbeat_interval",
			})
		}
	})
	return found
}

// percent is how much of a whole, which is more than nothing, a part is. Both are what hosts tell, of any size.
func percent(part, whole int64) int64 { return int64(min(100*float64(part)/float64(whole), 1e6)) }

// filling says that a member's database nears its quota; "": it does not, or an alarm says so already.
func (v view) filling(host facts.Host) (text, do string) {
	if host.Etcd == nil || v.raised("NOSPACE") {
		return "", ""
	}
	quota, size := QuotaOf(host), host.Etcd.DBSize
	if size < quota/100*nearQuota {
		return "", ""
	}
	text = fmt.Sprintf("its database fills %d %% of the quota, and %d %% are in use", percent(size, quota),
		percent(host.Etcd.DBInUse, quota))
	if Wasteful(host) {
		return text, "clusterup defrag INVENTORY gives the free room back"
	}
	return text, "delete what is not needed, or raise quota_backend_bytes: at its quota the cluster takes no writes"
}
