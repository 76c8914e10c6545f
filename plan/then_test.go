package plan

import (
	"errors"
	"reflect"
	"testing"

	"github.com/clusterup/clusterup/facts"
)

// fakeRules say what they are told to.
type fakeRules struct {
	first, stage *Stage
	err          error
}

func (r fakeRules) First(facts.Snapshot) *Stage                       { return r.first }
func (r fakeRules) Next(facts.Snapshot) (*Stage, error)               { return r.stage, r.err }
func (r fakeRules) Simulate(s facts.Snapshot, _ Stage) facts.Snapshot { return s }
func (r fakeRules) Unready(facts.Snapshot) []string                   { return nil }

// More rules decide where those before them have nothing left to do but for what waits for dark hosts.
func TestThen(t *testing.T) {
	cluster, nodes, broken := &Stage{Name: "cluster"}, &Stage{Name: "nodes"}, errors.New("broken")
	refuse := func(kind RefusalKind, host string) Refusal { return Refuse(kind, host, "", "reason") }
	dark := &Refused{Refusals: []Refusal{refuse(Unreachable, "etcd-1")}, Waits: []Wait{{What: "the upgrade"}}}
	unfit := &Refused{Refusals: []Refusal{refuse(Unsuitable, "etcd-1")}}
	foreign := &Refused{Refusals: []Refusal{refuse(ForeignConfig, "lb-1"), refuse(Unreachable, "lb-2")}}
	away := &Refused{Refusals: []Refusal{refuse(Unreachable, "lb-2")}}
	for name, test := range map[string]struct {
		stage *Stage
		err   error
		rules Rules
		want  *Stage
		ends  error
		on    bool // whether a plan goes on with that error
	}{
		"nobody else decides":              {nil, dark, nil, nil, dark, true},
		"the cluster comes first":          {cluster, nil, fakeRules{stage: nodes}, cluster, nil, false},
		"a refusal holds all up":           {nil, unfit, fakeRules{stage: nodes}, nil, unfit, false},
		"another error too":                {nil, broken, fakeRules{stage: nodes}, nil, broken, false},
		"no majority is seen":              {nil, &NoMajority{}, fakeRules{stage: nodes}, nil, &NoMajority{}, false},
		"nothing left for the cluster":     {nil, nil, fakeRules{stage: nodes}, nodes, nil, false},
		"dark hosts hold up no nodes":      {nil, dark, fakeRules{stage: nodes}, nodes, nil, false},
		"nothing is left at all":           {nil, nil, fakeRules{}, nil, nil, false},
		"nothing is left but what is dark": {nil, dark, fakeRules{}, nil, dark, true},
		"an error of theirs":               {nil, dark, fakeRules{err: broken}, nil, broken, false},
		"a refusal of theirs": {
			nil, nil,
			fakeRules{err: foreign},
			nil,
			&Refused{Refusals: foreign.Refusals, Beside: true}, true,
		},
		"a dark node": {nil, nil, fakeRules{err: away}, nil, &Refused{Refusals: away.Refusals, Beside: true}, true},
		"both": {nil, dark, fakeRules{err: foreign}, nil, &Refused{
			Refusals: []Refusal{dark.Refusals[0], foreign.Refusals[0], foreign.Refusals[1]}, Waits: dark.Waits, Beside: true,
		}, true},
	} {
		stage, err := Then(test.stage, test.err, facts.Snapshot{}, test.rules)
		if stage != test.want || !reflect.DeepEqual(err, test.ends) || GoesOn(err) != test.on {
			t.Errorf("%s: %v, %v; goes on: %t", name, stage, err, GoesOn(err))
		}
	}
	if len(dark.Refusals) != 1 || len(foreign.Refusals) != 2 {
		t.Error("an error that was given has been changed")
	}
	if Before(facts.Snapshot{}, nil) != nil || Before(facts.Snapshot{}, fakeRules{first: nodes}) != nodes {
		t.Error("what comes before is not what the rules say")
	}
}
