package trust

import "github.com/clusterup/clusterup/plan"

// Drift are the steps of a plan that are not part of a rotation. A rotation that is under way, or begins within the
// plan, is not drift, and the reasons of its later steps do not hold yet.
func (s State) Drift(p plan.Plan) []plan.Step {
	moving := map[string]bool{} // by role
	for _, r := range s.Rotations() {
		if r.Waits == "" {
			moving[r.Role] = true
		}
	}
	var steps []plan.Step
	for _, stage := range p.Stages {
		for _, step := range stage.Steps {
			if !ofRotation(step, moving) {
				steps = append(steps, step)
			}
			if step.Kind == plan.CreateCA {
				moving[step.CA] = true
			}
		}
	}
	return steps
}

func ofRotation(step plan.Step, moving map[string]bool) bool {
	switch {
	case !step.Kind.Traits().Rotates:
		return false
	case step.Leaf != nil:
		return moving[step.Leaf.CA]
	case step.CA != "":
		return moving[step.CA]
	}
	return len(moving) > 0 // for whichever role
}
