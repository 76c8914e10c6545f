package look

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/clusterup/clusterup/facts"
)

// askAgain asks members again that were asked in the middle of an election, until it is over or has taken too long.
// Decisions rest on who serves and who leads, and a moment without a leader is no reason to refuse. If a quorum names
// one leader and others do not, all are asked only once more: those others may lie.
func askAgain(ctx context.Context, s *facts.Snapshot, src Source) {
	if !elects(s) && !disputed(s) {
		return
	}
	defer agree(s) // other members may be believed now
	ctx, cancel := context.WithTimeout(ctx, election(s))
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for askLeader(ctx, s, src.Etcd) && elects(s) {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// elects says that there was an election when members were asked: a quorum of the listed voters answers, and no quorum
// serves reads and names one leader. While a host is dark, one voter that answers and serves no reads is enough: the
// dark member may have led, and decisions without it rest on who else serves.
func elects(s *facts.Snapshot) bool {
	voters := voters(s)
	listed := 0
	for _, m := range s.Members {
		if !m.Learner {
			listed++
		}
	}
	quorum := listed/2 + 1
	if listed == 0 || len(voters) < quorum {
		return false
	}
	named, most, reading := map[facts.ID]int{}, 0, 0
	for _, h := range voters {
		if !h.Reads {
			continue
		}
		reading++
		if h.Etcd.Leader != 0 {
			named[h.Etcd.Leader]++
			most = max(most, named[h.Etcd.Leader])
		}
	}
	return most < quorum || dark(s) && reading < len(voters)
}

// disputed says that the voters that serve reads do not name the same leader.
func disputed(s *facts.Snapshot) bool {
	reading := slices.DeleteFunc(voters(s), func(h facts.Host) bool { return !h.Reads })
	return slices.ContainsFunc(reading, func(h facts.Host) bool { return h.Etcd.Leader != reading[0].Etcd.Leader })
}

// voters are the hosts that answered as voters of the cluster's member list.
func voters(s *facts.Snapshot) []facts.Host {
	return answered(s, func(h facts.Host) bool {
		return h.Etcd.ClusterID == s.Cluster && slices.ContainsFunc(s.Members, func(m facts.Listed) bool {
			return m.ID == h.Etcd.MemberID && !m.Learner
		})
	})
}

func dark(s *facts.Snapshot) bool {
	for _, host := range s.Hosts {
		if host.Dark() {
			return true
		}
	}
	return false
}

// election is how long an election may take: a second and three election timeouts, the median of those that members run
// with. A member that does not say counts with a second. It is never more than 15 seconds, since hosts may lie.
func election(s *facts.Snapshot) time.Duration {
	var timeouts []time.Duration
	for _, host := range voters(s) {
		timeout := time.Second
		if host.Process != nil {
			ms, err := strconv.ParseUint(argument(host.Process.Args, "--election-timeout="), 10, 16)
			if err == nil && ms > 0 {
				timeout = time.Duration(ms) * time.Millisecond
			}
		}
		timeouts = append(timeouts, timeout)
	}
	if len(timeouts) == 0 {
		return 4 * time.Second
	}
	slices.Sort(timeouts)
	return min(time.Second+3*timeouts[len(timeouts)/2], 15*time.Second)
}

// argument is the value of a flag that is written as NAME=VALUE; empty: it is not there.
func argument(args []string, name string) string {
	for _, arg := range args {
		if value, ok := strings.CutPrefix(arg, name); ok {
			return value
		}
	}
	return ""
}

// askLeader asks all members that answered whom they take for the leader, and those that served no read for one. A
// failed answer leaves what was told before. False: for one of them, waiting does not help.
func askLeader(ctx context.Context, s *facts.Snapshot, etcd Etcd) bool {
	hosts := voters(s)
	errs := make([]error, len(hosts))
	var wg sync.WaitGroup
	for i := range hosts {
		wg.Go(func() {
			host := &hosts[i]
			if !host.Reads {
				if errs[i] = etcd.ReadLinearizable(ctx, host.Endpoint); errs[i] != nil {
					return
				}
				host.Reads, host.ReadError = true, ""
			}
			if status, err := etcd.Status(ctx, host.Endpoint); err == nil {
				host.Etcd = &status
			}
		})
	}
	wg.Wait()
	for _, host := range hosts {
		s.Hosts[host.Name] = host
	}
	return !slices.ContainsFunc(errs, facts.Hopeless)
}
