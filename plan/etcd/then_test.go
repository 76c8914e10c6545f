package etcd

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// siteRules have one step to do on a node, before or after what is done for the cluster, and refusals.
type siteRules struct {
	before  bool
	refused []plan.Refusal
}

func (r siteRules) stage(s facts.Snapshot) *plan.Stage {
	if len(s.Nodes) > 0 {
		return nil
	}
	return &plan.Stage{
		Name: "node", Gate: "none", Width: 1, Balancer: "front", Steps: []plan.Step{{Kind: plan.StartService, Host: "lb-1"}},
	}
}

func (r siteRules) First(s facts.Snapshot) *plan.Stage {
	if !r.before {
		return nil
	}
	return r.stage(s)
}

func (r siteRules) Next(s facts.Snapshot) (*plan.Stage, error) {
	if stage := r.stage(s); stage != nil {
		return stage, nil
	}
	if len(r.refused) > 0 {
		return nil, &plan.Refused{Refusals: r.refused}
	}
	return nil, nil
}

func (r siteRules) Simulate(s facts.Snapshot, _ plan.Stage) facts.Snapshot {
	s.Nodes = map[string]facts.Node{"lb-1": {}}
	return s
}

func (r siteRules) Unready(facts.Snapshot) []string { return nil }

// A plan has the stages of other rules after its own, or before where these ask for it, and their refusals at its end.
func TestBuildThen(t *testing.T) {
	w := wanted(t, 3)
	names := func(p plan.Plan) (names []string) {
		for _, stage := range p.Stages {
			names = append(names, stage.Name)
		}
		return names
	}
	alone, err := Build(w, bare(w))
	if err != nil {
		t.Fatal(err)
	}
	if p, err := BuildThen(w, bare(w), nil); err != nil || !reflect.DeepEqual(p, alone) {
		t.Errorf("without other rules it is another plan: %v, %v", names(p), err)
	}
	for _, before := range []bool{false, true} {
		want := append(names(alone), "node")
		if before {
			want = append([]string{"node"}, names(alone)...)
		}
		if p, err := BuildThen(w, bare(w), siteRules{before: before}); err != nil || !slices.Equal(names(p), want) {
			t.Errorf("%v, %v; want %v", names(p), err, want)
		}
	}
	foreign := plan.Refuse(plan.ForeignConfig, "lb-1", "move it", "somebody else's")
	p, err := BuildThen(w, bare(w), siteRules{refused: []plan.Refusal{foreign}})
	var refused *plan.Refused
	if !errors.As(err, &refused) || !refused.Beside || len(p.Stages) != len(alone.Stages)+1 || !plan.GoesOn(err) {
		t.Errorf("%v, %v", names(p), err)
	}
	s := settled(t, w)
	s.Hosts["etcd-3"] = facts.Host{Machine: facts.Machine{Name: "etcd-3", Unreachable: "no route"}}
	p, err = BuildThen(w, s, siteRules{refused: []plan.Refusal{foreign}})
	if !errors.As(err, &refused) || len(refused.Refusals) != 2 || !slices.Equal(names(p), []string{"node"}) ||
		!slices.Equal(p.Dark, []string{"etcd-3"}) {
		t.Errorf("with a dark host: %v, %v, dark %v", names(p), err, p.Dark)
	}
}
