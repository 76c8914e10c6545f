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

// askAgain asks members once more that were asked in the middle of an election, until it is over, for as long as one
// takes: what is decided rests on who serves and who leads, and a moment without a leader is no reason to refuse.
func askAgain(ctx context.Context, s *facts.Snapshot, src Source) {
	if !elects(s) {
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

// elects says that there was an election when members were asked: those that serve reads do not name the same leader,
// or a quorum answers and none serves reads. While a host is dark, whose member may have led, also if one of a quorum
// that answers serves none: what is decided without that host rests on who serves of the others.
func elects(s *facts.Snapshot) bool {
	voters := answered(s, func(h facts.Host) bool { return !h.Etcd.Learner })
	reading := answered(s, func(h facts.Host) bool { return h.Reads })
	if slices.ContainsFunc(reading, func(h facts.Host) bool { return h.Etcd.Leader != reading[0].Etcd.Leader }) {
		return true
	}
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
	return len(reading) < quorum || dark(s) && len(reading) < len(voters)
}

func dark(s *facts.Snapshot) bool {
	for _, host := range s.Hosts {
		if host.Dark() {
			return true
		}
	}
	return false
}

// election is how long one takes at most, by what members run with: a few election timeouts, of a second each where
// none says otherwise.
func election(s *facts.Snapshot) time.Duration {
	longest := time.Second
	for _, host := range answered(s, func(h facts.Host) bool { return h.Process != nil }) {
		for _, arg := range host.Process.Args {
			text, _ := strings.CutPrefix(arg, "--election-timeout=")
			if ms, err := strconv.ParseUint(text, 10, 16); err == nil { // etcd takes 50 s at most
				longest = max(longest, time.Duration(ms)*time.Millisecond)
			}
		}
	}
	return time.Second + 3*longest
}

// askLeader asks all members that answered whom they take for the leader, and those that served no read for one. What
// they do not tell now stays as it was told. False: for one of them, waiting does not help.
func askLeader(ctx context.Context, s *facts.Snapshot, etcd Etcd) bool {
	hosts := answered(s, func(h facts.Host) bool { return !h.Etcd.Learner })
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
