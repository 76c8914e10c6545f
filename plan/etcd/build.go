package etcd

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/pool"
)

// Build asks Next and Simulate in turn until there is nothing left to do. A refusal on the way comes back as
// *plan.Refused, together with a plan of the stages before it. The error [plan.ErrEndless] is a defect of the rules.
func Build(w Want, s facts.Snapshot) (plan.Plan, error) { return BuildWith(Next, w, s) }

// BuildThen is Build, with other rules that decide where nothing is left to do for the cluster; nil: none.
func BuildThen(w Want, s facts.Snapshot, then plan.Rules) (plan.Plan, error) {
	return buildWith(Next, w, s, then)
}

// unsaid are the notes without those of alarms, where err is a refusal that tells them already.
func unsaid(notes []string, w Want, s facts.Snapshot, err error) []string {
	var refused *plan.Refused
	if !errors.As(err, &refused) || !slices.ContainsFunc(refused.Refusals,
		func(r plan.Refusal) bool { return r.Kind == plan.Alarmed }) {
		return notes
	}
	for _, alarm := range Alarms(w, s) {
		notes = slices.DeleteFunc(notes, func(note string) bool { return strings.HasPrefix(note, alarm.Text) })
	}
	return notes
}

// voteNotes say what the cluster lives by while votes are missing: those of members that are removed, and added anew.
func (v view) voteNotes(stages []plan.Stage) []string {
	var names []string
	missing, most := map[string]bool{}, 0
	for _, stage := range stages {
		for _, step := range stage.Steps {
			m, _ := v.named(step.Host)
			switch {
			case step.Kind == plan.RemoveMember && m.Name != "" && !m.Absent && v.votes(m):
				names, missing[m.Name] = append(names, m.Name), true
			case step.Kind == plan.PromoteMember:
				delete(missing, step.Host)
			}
			most = max(most, len(missing))
		}
	}
	if len(names) == 0 {
		return nil
	}
	left := len(v.voters()) - most
	if most < len(names) {
		return []string{fmt.Sprintf("while %s are made anew, one after the other, the cluster has %s, and goes on while %d of "+
			"them serve", plan.Enumerate(names), plan.Count(left, "voter"), left/2+1)}
	}
	return []string{fmt.Sprintf("until %s votes again, the cluster has %s, and goes on while %d of them serve",
		strings.Join(names, ", then "), plan.Count(left, "voter"), left/2+1)}
}

// BuildWith is Build for another way to decide, such as NextDestroy.
func BuildWith(next func(Want, facts.Snapshot) (*plan.Stage, error), w Want, s facts.Snapshot) (plan.Plan, error) {
	return buildWith(next, w, s, nil)
}

func buildWith(
	next func(Want, facts.Snapshot) (*plan.Stage, error), w Want, s facts.Snapshot, then plan.Rules,
) (plan.Plan, error) {
	v := newView(w, s)
	p := plan.Plan{
		Cluster: w.Cluster.Name, Version: w.Cluster.Version, Route: v.shownRoute(), Notes: notes(w, s),
		Dark: v.Dark(),
	}
	if then != nil {
		p.Dark = append(p.Dark, darkNodes(w, s, p.Dark)...)
	}
	s = v.seen
	var err error
	p.Stages, s, err = plan.Build(
		func(s facts.Snapshot) (*plan.Stage, error) {
			if first := plan.Before(s, then); first != nil {
				return first, nil
			}
			stage, err := next(w, s)
			return plan.Then(stage, err, s, then)
		},
		func(s facts.Snapshot, stage plan.Stage) facts.Snapshot {
			if stage.Balancer != "" {
				return then.Simulate(s, stage)
			}
			return Simulate(w, s, stage)
		},
		s, MostStages(w))
	if err == nil {
		p.Notes = append(p.Notes, Waiting(w, s)...)
	}
	p.Notes = append(p.Notes, v.voteNotes(p.Stages)...)
	if refused := new(plan.Refused); errors.As(err, &refused) {
		p.Waits = refused.Waits
	}
	p.Notes = unsaid(p.Notes, w, s, err)
	return p, err
}

// darkNodes are the nodes of balancers whose hosts could not be looked at, but for those that are named already.
func darkNodes(w Want, s facts.Snapshot, named []string) []string {
	var dark []string
	for _, n := range w.Cluster.Nodes() {
		if s.Nodes[n.Name].Dark() && !slices.Contains(named, n.Name) {
			dark = append(dark, n.Name)
		}
	}
	return dark
}

// MostStages is how many stages a plan may have before it counts as one without an end.
func MostStages(w Want) int {
	most := 20 + 10*len(w.Cluster.Members)
	for _, b := range w.Cluster.Balancers {
		most += 1 + len(b.Servers)/pool.MaxChange
		if len(b.Nodes) > 0 {
			most += 10 + 5*len(b.Nodes)
		}
	}
	return most
}
