package plan

import (
	"errors"
	"slices"
	"testing"

	"github.com/clusterup/clusterup/facts"
)

// refuses are rules that have refusals, and nothing to do.
type refuses struct {
	Rules
	of []Refusal
}

func (r refuses) Next(facts.Snapshot) (*Stage, error) { return nil, &Refused{Refusals: r.of} }

// A host that is a member's and a node's is dark once. What else is refused stands beside it.
func TestThenTellsADarkHostOnce(t *testing.T) {
	dark := &Refused{Refusals: []Refusal{{Kind: Unreachable, Host: "etcd-1"}}, Waits: []Wait{{What: "all"}}}
	of := []Refusal{
		{Kind: Unreachable, Host: "etcd-1"}, {Kind: Unreachable, Host: "lb-1"}, {Kind: ForeignConfig, Host: "etcd-1"},
	}
	_, err := Then(nil, dark, facts.Snapshot{}, refuses{of: of})
	var refused *Refused
	if !errors.As(err, &refused) || !refused.Beside || len(refused.Waits) != 1 || len(dark.Refusals) != 1 {
		t.Fatalf("%+v", err)
	}
	var told []string
	for _, r := range refused.Refusals {
		told = append(told, r.Host+" "+string(r.Kind))
	}
	want := []string{"etcd-1 unreachable", "lb-1 unreachable", "etcd-1 foreign-config"}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
