package main

import (
	"context"
	"slices"

	"github.com/clusterup/clusterup/inventory"
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
	at := all[0] // etcdctl says what is wrong
	sources, err := s.Sources(ctx)
	if err != nil {
		return nil, err
	}
	if len(sources) > 0 {
		at = *s.member(sources[0])
	}
	s.console.Say("note: %s is asked; --member names another", at.Name)
	return []inventory.Member{at}, nil
}

// forOne says whether etcdctl takes one endpoint only for a command (etcdctl/ctlv3/command/snapshot_command.go).
func forOne(args []string) bool {
	at := slices.Index(args, "snapshot")
	return at >= 0 && slices.Contains(args[at:], "save")
}

func memberNames(members []inventory.Member) []string {
	names := make([]string, 0, len(members))
	for _, m := range members {
		names = append(names, m.Name)
	}
	return names
}
