package plan

import (
	"errors"
	"slices"

	"github.com/clusterup/clusterup/facts"
)

// Rules decide about something beside the etcd cluster, such as the nodes of balancers. They are pure, as those of the
// cluster are.
type Rules interface {
	// First is a stage that comes before anything is done for the cluster, since that rests on it; nil: there is none.
	First(s facts.Snapshot) *Stage
	// Next is the stage to run now, nil when there is nothing to do, or a *Refused error, which holds up nothing else.
	Next(s facts.Snapshot) (*Stage, error)
	// Simulate is what is to be seen after a stage of these rules.
	Simulate(s facts.Snapshot, stage Stage) facts.Snapshot
	// Unready says what is wrong where nothing is left to do.
	Unready(s facts.Snapshot) []string
}

// Before is what rules want done before anything is decided for the cluster; nil: nothing.
func Before(s facts.Snapshot, rules Rules) *Stage {
	if rules == nil {
		return nil
	}
	return rules.First(s)
}

// Then is the decision of more rules, where those before them have nothing left to do but what waits for dark hosts;
// stage and err are the decision so far. Their refusals are added to those for dark hosts.
func Then(stage *Stage, err error, s facts.Snapshot, rules Rules) (*Stage, error) {
	if rules == nil || stage != nil || err != nil && !DarkOnly(err) {
		return stage, err
	}
	stage, more := rules.Next(s)
	var dark, refused *Refused
	switch {
	case stage != nil || more == nil && err == nil:
		return stage, nil
	case more == nil:
		return nil, err
	case !errors.As(more, &refused):
		return nil, more
	}
	all := &Refused{Refusals: refused.Refusals, Beside: true}
	if errors.As(err, &dark) {
		all.Refusals, all.Waits = append([]Refusal{}, dark.Refusals...), dark.Waits
		for _, r := range refused.Refusals {
			twice := func(told Refusal) bool { return told.Kind == r.Kind && told.Host == r.Host }
			if r.Kind != Unreachable || !slices.ContainsFunc(dark.Refusals, twice) {
				all.Refusals = append(all.Refusals, r)
			}
		}
	}
	return nil, all
}
