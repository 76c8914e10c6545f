package plan

import (
	"strconv"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
)

// timing is the heartbeat interval and election timeout that members are to run with now. While members differ in them, a follower must
// not time out between two heartbeats of a leader: so a longer election timeout comes to all members before a longer heartbeat interval,
// and a shorter heartbeat interval before a shorter election timeout (etcd: Documentation/tuning).
func (v view) timing() (heartbeat, election time.Duration) {
	heartbeat, election = v.want.Cluster.Etcd.HeartbeatInterval, v.want.Cluster.Etcd.ElectionTimeout
	var lowH, highH, lowE, highE time.Duration
	v.hosts(func(_ inventory.Member, host facts.Host) {
		if host.Process == nil {
			return
		}
		h, e := millisecondsOf(host.Process.Args, "heartbeat-interval", 100), millisecondsOf(host.Process.Args, "election-timeout", 1000)
		if lowE == 0 {
			lowH, lowE = h, e
		}
		lowH, highH = min(lowH, h), max(highH, h)
		lowE, highE = min(lowE, e), max(highE, e)
	})
	switch {
	case lowE == 0 || heartbeat == 0 || election == 0: // nothing runs, or it is left to etcd
	case heartbeat > lowH && election > lowE && len(v.want.Cluster.Members) > 1:
		return lowH, election
	case heartbeat < highH && election < highE && len(v.want.Cluster.Members) > 1:
		return heartbeat, highE
	}
	return heartbeat, election
}

// millisecondsOf is the value of a flag of a command line; etcd's default where it is not set.
func millisecondsOf(args []string, name string, unset int) time.Duration {
	n, err := strconv.Atoi(flagOf(args, name))
	if err != nil {
		n = unset
	}
	return time.Duration(n) * time.Millisecond
}
