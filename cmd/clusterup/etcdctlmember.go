package main

import (
	"context"
	"slices"
	"sync"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan/etcd"
)

// addressed are the members that etcdctl is given: all but those that are to leave, the one that was named, or one that
// serves where a command takes no more.
func (s *session) addressed(ctx context.Context, name string, args []string) ([]inventory.Member, error) {
	all := s.Cluster.Present()
	switch {
	case name != "":
		m := s.member(name)
		if m == nil {
			return nil, nobody(name, s.Cluster)
		}
		return []inventory.Member{*m}, nil
	case len(all) < 2 || !forOne(args):
		return all, nil
	}
	statuses := make([]*facts.Status, len(all))
	var wg sync.WaitGroup
	for i, m := range all {
		wg.Go(func() {
			status, err := s.Etcd.Status(ctx, etcd.ClientURL(s.Cluster, m))
			if err == nil { // else etcdctl says what is wrong
				statuses[i] = &status
			}
		})
	}
	wg.Wait()
	at := best(statuses)
	s.console.Say("note: %s is asked; --member names another", all[at].Name)
	return all[at : at+1], nil
}

// forOne says whether etcdctl takes one endpoint only for a command (etcdctl/ctlv3/command/snapshot_command.go).
func forOne(args []string) bool {
	at := slices.Index(args, "snapshot")
	return at >= 0 && slices.Contains(args[at:], "save")
}

// best is the index of the member to copy data from: one that has caught up, and rather a follower, since the leader
// has enough to do. It is 0 if none answers.
func best(statuses []*facts.Status) int {
	most := uint64(0)
	for _, status := range statuses {
		if status != nil {
			most = max(most, status.Applied)
		}
	}
	found, rank := 0, 0
	for i, status := range statuses {
		if status == nil {
			continue
		}
		is := 1
		if status.Leader != 0 && most-status.Applied < caughtUp {
			is = 2
			if status.Leader != status.MemberID && !status.Learner {
				is = 3
			}
		}
		if is > rank {
			found, rank = i, is
		}
	}
	return found
}

// caughtUp is how many raft entries a member may lack and still count as caught up, since members are asked at slightly
// different moments.
const caughtUp = 100

func memberNames(members []inventory.Member) []string {
	names := make([]string, 0, len(members))
	for _, m := range members {
		names = append(names, m.Name)
	}
	return names
}
