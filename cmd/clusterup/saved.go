package main

import (
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/view"
)

// savePlan saves a plan together with the flags that it was made with.
func (s *session) savePlan(path string, p plan.Plan, seen facts.Snapshot) error {
	vars, err := s.flags.variables()
	if err != nil {
		return err
	}
	saved := operator.SavedPlan{
		Inventory: s.file, Cluster: s.Cluster.Name, VarFiles: s.flags.varFiles, Accept: s.flags.accept,
		HoldLast: s.flags.holdLast,
		Plan:     p,
	}
	if err := saved.Save(path, vars, seen); err != nil {
		return err
	}
	s.console.Say("The plan is saved; run it with: clusterup apply %s", path)
	return nil
}

// savedFlags are the flags that a saved plan was made with, and the values of --var of this run, which must be the
// same. Flags about waiting and output are this run's own. A saved plan has been agreed to, so it counts as --yes.
func savedFlags(p *operator.SavedPlan, now clusterFlags) (clusterFlags, error) {
	vars, err := now.variables()
	if err != nil {
		return now, err
	}
	if err := p.Given(vars); err != nil {
		return now, view.Misuse(err)
	}
	now.cluster, now.varFiles, now.accept = p.Cluster, p.VarFiles, append(now.accept, p.Accept...)
	now.holdLast, now.yes = now.holdLast || p.HoldLast, true
	return now, nil
}
