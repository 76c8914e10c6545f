package etcd

import (
	"fmt"
	"slices"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// lawLists: no member runs, or is told to run, with a list of revoked certificates that does not lie on its host: it
// would refuse everybody. And what a member of the cluster shows is on no list.
func lawLists(w Want, s facts.Snapshot) error {
	for name, host := range s.Hosts {
		commands := [][]string{commandOf(host.Files[UnitPath(w.Cluster)].Content)}
		if host.Process != nil {
			commands = append(commands, host.Process.Args)
		}
		for _, command := range commands {
			for _, flag := range []string{"peer-crl-file", "client-crl-file"} {
				if file := units.Flag(command, flag); file != "" && len(host.Files[file].Content) == 0 {
					return fmt.Errorf("lists: %s has --%s=%s, and there is none", name, flag, file)
				}
			}
		}
		listed := slices.ContainsFunc(s.Members, func(l facts.Listed) bool { return l.ID == host.Data.MemberID })
		if host.Process == nil || !listed {
			continue
		}
		for _, leaf := range host.Leaves {
			if slices.ContainsFunc(s.Operator.Leaves, func(r facts.Recorded) bool {
				return r.Revoked && r.Serial == leaf.Serial
			}) {
				return fmt.Errorf("lists: the %s certificate of %s is revoked, which is a member", leaf.Role, name)
			}
		}
	}
	return nil
}

// lawRevokes: a certificate is revoked when the cluster does not list whom it was issued to, and no member has it.
func lawRevokes(s facts.Snapshot, stage plan.Stage) error {
	for _, step := range stage.Steps {
		if step.Kind != plan.RevokeLeaf {
			continue
		}
		if len(s.Members) == 0 {
			return fmt.Errorf("lists: %s, and nobody tells who is a member", step.ID())
		}
		for _, entry := range s.Members {
			if entry.Name == step.Revoke.Member {
				return fmt.Errorf("lists: %s, and it is a member", step.ID())
			}
			for name, host := range s.Hosts {
				if host.Data.MemberID == entry.ID && host.Leaves[step.Revoke.Role].Serial == step.Revoke.Serial {
					return fmt.Errorf("lists: %s, which %s has", step.ID(), name)
				}
			}
		}
	}
	return nil
}

func TestLawListsNotices(t *testing.T) {
	w := wanted(t, 3)
	s := settled(t, w)
	if err := lawLists(w, s); err != nil {
		t.Fatal(err)
	}
	leaf := s.Hosts["etcd-1"].Leaves["peer"]
	revoked := s
	revoked.Operator.Leaves = []facts.Recorded{{Member: "etcd-1", Role: "peer", Serial: leaf.Serial, Revoked: true}}
	unlisted := change(s, "etcd-1", func(h *facts.Host) { delete(h.Files, units.CRL("/etc/etcd/prod", "peer", nil).Path) })
	for name, s := range map[string]facts.Snapshot{"revoked": revoked, "no list": unlisted} {
		if lawLists(w, s) == nil {
			t.Errorf("%s is not noticed", name)
		}
	}
	step := plan.Step{Kind: plan.RevokeLeaf, Revoke: &facts.Recorded{Member: "etcd-9", Role: "peer", Serial: leaf.Serial}}
	for _, member := range []string{"etcd-1", "etcd-9"} {
		step.Revoke.Member = member
		if lawRevokes(s, plan.Stage{Steps: []plan.Step{step}}) == nil {
			t.Errorf("the certificate of etcd-1, revoked as that of %s, is not noticed", member)
		}
	}
}
