package etcd

import (
	"slices"
	"strconv"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/units"
)

// timing is the heartbeat interval and election timeout that members are to run with now. While members differ in them,
// a follower must not time out between two heartbeats of a leader: so a longer election timeout comes to all members
// before a longer heartbeat interval, and a shorter heartbeat interval before a shorter election timeout (etcd:
// Documentation/tuning).
func (v view) timing() (heartbeat, election time.Duration) {
	heartbeat, election = v.want.Cluster.Etcd.HeartbeatInterval, v.want.Cluster.Etcd.ElectionTimeout
	var lowH, highH, lowE, highE time.Duration
	v.Each(func(_ inventory.Member, host facts.Host) {
		if host.Process == nil {
			return
		}
		h, e := millisecondsOf(host.Process.Args, "heartbeat-interval", 100),
			millisecondsOf(host.Process.Args, "election-timeout", 1000)
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

// beat is what a member is to run with now. While a host is dark no value changes, since the order of changes depends
// on what all members run with. If all that are seen run with the same values, every member gets those; if they differ,
// each keeps its own.
func (v view) beat(host facts.Host) (heartbeat, election time.Duration) {
	if len(v.Dark()) == 0 {
		return v.heartbeat, v.election
	}
	var common []string
	same := true
	v.Each(func(_ inventory.Member, other facts.Host) {
		if other.Process == nil {
			return
		}
		same = same && (common == nil || slices.Equal(common, beatOf(other.Process.Args)))
		common = beatOf(other.Process.Args)
	})
	switch command := v.command(host); {
	case same && common != nil:
	case len(command) > 0:
		common = beatOf(command)
	default:
		return v.heartbeat, v.election
	}
	parse := func(text string) time.Duration { return millisecondsOf([]string{"--t=" + text}, "t", 0) }
	return parse(common[0]), parse(common[1])
}

// beatOf are the two flags of a command line as they stand there.
func beatOf(args []string) []string {
	return []string{units.Flag(args, "heartbeat-interval"), units.Flag(args, "election-timeout")}
}

// beatWaits says that some member is not yet to run with the wanted values. Call it while a host is dark.
func (v view) beatWaits() bool {
	c := v.want.Cluster.Etcd
	return v.Known(func(_ inventory.Member, host facts.Host) bool {
		heartbeat, election := v.beat(host)
		return heartbeat != c.HeartbeatInterval || election != c.ElectionTimeout
	})
}

// millisecondsOf is the value of a flag of a command line; unset, in milliseconds, is etcd's default.
func millisecondsOf(args []string, name string, unset int) time.Duration {
	n, err := strconv.Atoi(units.Flag(args, name))
	if err != nil {
		n = unset
	}
	return time.Duration(n) * time.Millisecond
}
