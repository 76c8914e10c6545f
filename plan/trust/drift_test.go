package trust

import (
	"strings"
	"testing"

	"github.com/clusterup/clusterup/plan"
)

// The steps of a rotation that goes on by itself are no drift; all else is, and so is a rotation that waits.
func TestDrift(t *testing.T) {
	step := func(kind plan.Kind, role string) plan.Step {
		s := plan.Step{Kind: kind, CA: role}
		if kind == plan.IssueLeaf {
			s.CA, s.Leaf = "", &plan.Leaf{CA: role}
		}
		return s
	}
	create, retire := step(plan.CreateCA, "peer"), step(plan.RetireCA, "peer")
	leaf, other := step(plan.IssueLeaf, "peer"), step(plan.IssueLeaf, "client")
	write, start := step(plan.WriteTrust, ""), step(plan.StartMember, "")
	for _, test := range []struct {
		name, cas, members, hold string
		steps                    []plan.Step
		want                     string
	}{
		{"no rotation", "1", "1/1", "", []plan.Step{write, leaf, start}, "write-trust issue-leaf start-member"},
		{"under way", "1 2", "1/1", "", []plan.Step{write, leaf, retire, start}, "start-member"},
		{"of another role", "1 2", "1/1", "", []plan.Step{other, leaf}, "issue-leaf"},
		{"it begins", "1", "1/1", "", []plan.Step{leaf, create, write, leaf, retire}, "issue-leaf create-ca"},
		{"it waits", "1 2", "1+2/1", HoldTrust, []plan.Step{leaf}, "issue-leaf"},
	} {
		s := site(t, "peer", test.cas, test.members)
		s.Seen.Operator.Holds = map[string]string{"peer": test.hold}
		var got []string
		for _, step := range s.Drift(plan.Plan{Stages: []plan.Stage{{Steps: test.steps[:1]}, {Steps: test.steps[1:]}}}) {
			got = append(got, string(step.Kind))
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: drift is %q, want %q", test.name, got, test.want)
		}
	}
}
