package plan

import (
	"errors"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
)

// Build asks Next and Simulate in turn until there is nothing left to do. A refusal on the way comes back as *Refused, with the
// stages before it in the plan.
func Build(w Want, s facts.Snapshot) (Plan, error) { return BuildWith(Next, w, s) }

// unsaid are the notes without those of alarms that a refusal speaks of.
func unsaid(notes []string, w Want, s facts.Snapshot, err error) []string {
	var refused *Refused
	if !errors.As(err, &refused) || !slices.ContainsFunc(refused.Refusals, func(r Refusal) bool { return r.Kind == Alarmed }) {
		return notes
	}
	for _, alarm := range Alarms(w, s) {
		notes = slices.DeleteFunc(notes, func(note string) bool { return strings.HasPrefix(note, alarm.Text) })
	}
	return notes
}

// BuildWith is Build for another way to decide, such as NextDestroy.
func BuildWith(next func(Want, facts.Snapshot) (*Stage, error), w Want, s facts.Snapshot) (Plan, error) {
	v := newView(w, s)
	p := Plan{Cluster: w.Cluster.Name, Version: w.Cluster.Version, Route: v.shownRoute(), Notes: notes(w, s), Dark: v.dark()}
	var err error
	p.Stages, s, err = converge(
		func(s facts.Snapshot) (*Stage, error) { return next(w, s) },
		func(s facts.Snapshot, stage Stage) facts.Snapshot { return Simulate(w, s, stage) },
		s, 20+10*len(w.Cluster.Members))
	if err == nil {
		p.Notes = append(p.Notes, Waiting(w, s)...)
	}
	if refused := new(Refused); errors.As(err, &refused) {
		p.Waits = refused.Waits
	}
	p.Notes = unsaid(p.Notes, w, s, err)
	return p, err
}
