package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
)

// Plan is the whole way from what was seen to what is wanted.
type Plan struct {
	Cluster string `json:"cluster"`
	Version string `json:"version"`
	// the versions that the cluster passes through, from the oldest that runs to the wanted one; empty: none changes
	Route  []string `json:"route,omitempty"`
	Stages []Stage  `json:"stages"`
	// hosts that could not be looked at, in the order of the inventory: what they need is not known
	Dark  []string `json:"dark,omitempty"`
	Waits []Wait   `json:"waits,omitempty"` // what is not done before they are seen
	Notes []string `json:"notes,omitempty"` // what is worth knowing, and stops nothing
}

// Wait is something wanted that is not done while hosts are dark.
type Wait struct {
	What string   `json:"what"` // "the change to etcd 3.7.3"
	For  []string `json:"for"`  // the hosts that have to be seen
	Why  string   `json:"why"`  // why it needs them
}

func (w Wait) String() string {
	hosts := Enumerate(w.For)
	if strings.HasSuffix(w.What, " "+hosts) { // no member waits for itself
		hosts = "its host"
	}
	return fmt.Sprintf("%s waits for %s: %s", w.What, hosts, w.Why)
}

// Empty says that there is nothing to do.
func (p Plan) Empty() bool { return len(p.Stages) == 0 }

// Digest is the SHA-256 of what the plan does, hexadecimal: plans that do the same have equal digests. Notes, gates and
// reasons are left out. They are for people, and may change from one look to the next.
func (p Plan) Digest() (string, error) {
	p.Notes, p.Waits = nil, nil
	p.Stages = slices.DeleteFunc(slices.Clone(p.Stages), func(s Stage) bool {
		// an election during the look changes nothing of what is done, nor does a learner that has caught up meanwhile
		return s.Steps[0].Kind == AwaitLeader || s.Steps[0].Kind == AwaitLearner
	})
	for i, stage := range p.Stages {
		stage.Gate, stage.Steps = "", slices.Clone(stage.Steps)
		for j := range stage.Steps {
			stage.Steps[j].Why = ""
			stage.Steps[j].To = ""      // of those that serve, whoever has applied most at that moment
			stage.Steps[j].Through = "" // the first that serves at that moment
			stage.Steps[j].Needs = nil
			if change := stage.Steps[j].Pool; change != nil { // the transaction holds what was read to what is there
				same := *change
				same.Generation, same.Read, same.Revisions = 0, 0, nil
				stage.Steps[j].Pool = &same
			}
		}
		p.Stages[i] = stage
	}
	raw, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("digest plan: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// ErrEndless means that stages do not lead to an end: a defect of the rules, never of the input.
var ErrEndless = errors.New("plan does not end")

// Build asks next and simulate in turn until there is nothing left to do. It returns the stages, and what is seen after
// them. An error of next comes with the stages before it; ErrEndless comes with limit stages.
func Build(next func(facts.Snapshot) (*Stage, error), simulate func(facts.Snapshot, Stage) facts.Snapshot,
	s facts.Snapshot, limit int,
) ([]Stage, facts.Snapshot, error) {
	var stages []Stage
	for range limit {
		stage, err := next(s)
		if err != nil || stage == nil {
			return stages, s, err
		}
		stages = append(stages, *stage)
		s = simulate(s, *stage)
	}
	return stages, s, ErrEndless
}
