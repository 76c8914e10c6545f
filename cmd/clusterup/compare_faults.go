//go:build faults && linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/units"
)

// known is the simulated snapshot, with facts from the look that no model can foresee, such as process IDs. All other
// facts have to be foreseen.
func known(w etcd.Want, simulated, look facts.Snapshot, stage plan.Stage) facts.Snapshot {
	simulated.Taken = look.Taken // a stage takes its time
	simulated.Hosts = maps.Clone(simulated.Hosts)
	downgrades, awaited := false, false // the stage itself is about these
	flushed, shrunk := map[string]bool{}, map[string]bool{}
	for _, step := range stage.Steps {
		switch step.Kind {
		case plan.EnableDowngrade, plan.CancelDowngrade:
			downgrades = true
		case plan.AwaitVersion:
			downgrades, awaited = true, true
		}
		flushed[step.Host] = flushed[step.Host] || step.Kind == plan.AwaitRaftSnapshot
		shrunk[step.Host] = shrunk[step.Host] || step.Kind == plan.Defragment
	}
	for name, host := range simulated.Hosts {
		seen := look.Hosts[name]
		if host.Dark() || seen.Dark() { // it has gone dark, or is back
			simulated.Hosts[name] = seen
			continue
		}
		if host.Process != nil && seen.Process != nil {
			process := *host.Process
			process.PID = seen.Process.PID // the kernel draws it
			host.Process = &process
		}
		if host.Etcd != nil && seen.Etcd != nil {
			status := *host.Etcd
			status.Leader = seen.Etcd.Leader   // the members elect it
			status.Applied = seen.Etcd.Applied // clients write meanwhile
			if !awaited {                      // the leader gets to it within some seconds
				status.StorageVersion = seen.Etcd.StorageVersion
			}
			if !downgrades { // here too
				status.Downgrade = seen.Etcd.Downgrade
			}
			status.DBInUse = seen.Etcd.DBInUse // a store counts what it has freed when it writes next
			if shrunk[name] {                  // by that
				status.DBSize = seen.Etcd.DBSize
			}
			host.Etcd = &status
		}
		if host.V2Store != nil && seen.V2Store != nil && !flushed[name] {
			host.V2Store = seen.V2Store // a member takes a raft snapshot when clients have written enough
		}
		host.Files = bornWhen(host.Files, seen.Files, etcd.ConfigDir(w.Cluster)) // it holds the time
		simulated.Hosts[name] = host
	}
	return simulated
}

// bornWhen gives the birth marker among files the date that it was written with.
func bornWhen(files, seen map[string]facts.File, configDir string) map[string]facts.File {
	name := units.Birth(configDir, units.Born{}).Path
	file := files[name]
	born, err := units.ParseBirth(file.Content)
	is, errSeen := units.ParseBirth(seen[name].Content)
	if err != nil || errSeen != nil {
		return files
	}
	files, born.Created = maps.Clone(files), is.Created
	file.Content = units.Birth(configDir, born).Data
	files[name] = file
	return files
}

// compare holds the model to the world: after each stage of a run that went well, the rest of the plan is the same
// whether it is made from the look or from what Simulate expected. CLUSTERUP_COMPARE names a file to which each
// comparison is appended, a line of JSON each.
func compare(run *apply.Run) {
	file := os.Getenv("CLUSTERUP_COMPARE")
	if file == "" {
		return
	}
	c := &comparing{file: file, run: run, want: run.Want, next: run.Next}
	if c.next == nil {
		c.next = func(w etcd.Want, s facts.Snapshot) (*plan.Stage, error) {
			if first := plan.Before(s, run.Then); first != nil {
				return first, nil
			}
			stage, err := etcd.Next(w, s)
			return plan.Then(stage, err, s, run.Then)
		}
	}
	gather, emit := run.Gather, run.Emit
	run.Gather = func(ctx context.Context, last *apply.Last) (facts.Snapshot, error) {
		seen, err := gather(ctx, last)
		if err == nil {
			err = c.looked(seen)
		}
		return seen, err
	}
	run.Emit = func(e apply.Event) {
		if e.Type == apply.StageDone { // by the run itself, like looks; those of steps come from many goroutines
			c.done = e.Stage
		}
		emit(e)
	}
}

// comparing is one run.
type comparing struct {
	file   string
	run    *apply.Run
	want   etcd.Want
	next   func(etcd.Want, facts.Snapshot) (*plan.Stage, error)
	before facts.Snapshot // the last look
	done   string         // the stage since then, if it went well
}

// comparison is what was expected and what was seen after one stage. The snapshots are there only where these differ.
type comparison struct {
	Stage     string          `json:"stage"`
	Elected   bool            `json:"elected,omitempty"` // nothing was compared: there was an election
	Kinds     []plan.Kind     `json:"kinds"`
	Expected  []string        `json:"expected"`
	Seen      []string        `json:"seen"`
	Simulated *facts.Snapshot `json:"simulated,omitempty"`
	Looked    *facts.Snapshot `json:"looked,omitempty"`
}

func (c *comparing) looked(seen facts.Snapshot) error {
	before, done := c.before, c.done
	c.before, c.done = seen, ""
	if done == "" {
		return nil
	}
	stage, err := c.next(c.want, before)
	if err != nil || stage == nil {
		return fmt.Errorf("compare: there is no stage any more where %q was: %w", done, err)
	}
	if elected(before, seen, *stage) { // no model foresees it, and the plan depends on the leader
		return c.write(comparison{Stage: done, Elected: true})
	}
	c.want.Defragmented, c.want.Compacted = c.run.Want.Defragmented, c.run.Want.Compacted // what a run has done, it knows
	simulated := before
	if stage.Balancer != "" {
		simulated = c.run.Then.Simulate(before, *stage)
	} else {
		simulated = known(c.want, etcd.Simulate(c.want, before, *stage), seen, *stage)
	}
	result := comparison{Stage: done, Kinds: kinds(*stage), Expected: c.rest(simulated), Seen: c.rest(seen)}
	if stage.Name != done || !slices.Equal(result.Expected, result.Seen) {
		result.Simulated, result.Looked = &simulated, &seen
	}
	return c.write(result)
}

func (c *comparing) write(result comparison) error {
	line, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	return appendLine(c.file, string(line))
}

// elected says whether the members have had an election that the stage did not cause.
func elected(before, seen facts.Snapshot, stage plan.Stage) bool {
	was, is := latestTerm(before), latestTerm(seen)
	disturbs := slices.ContainsFunc(stage.Steps,
		func(s plan.Step) bool { return s.Kind == plan.MoveLeader || s.Kind.Traits().Serves })
	return was > 0 && is > was && (!disturbs || is > was+1)
}

// latestTerm is the highest raft term that a member tells; 0: none tells one.
func latestTerm(s facts.Snapshot) uint64 {
	var latest uint64
	for _, host := range s.Hosts {
		if host.Etcd != nil {
			latest = max(latest, host.Etcd.Term)
		}
	}
	return latest
}

func kinds(stage plan.Stage) []plan.Kind {
	var all []plan.Kind
	for _, step := range stage.Steps {
		all = append(all, step.Kind)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// rest is what is left to do, a line for each stage and for each refusal at the end. Whether a leader has to be waited
// for is chance.
func (c *comparing) rest(s facts.Snapshot) []string {
	lines := []string{}
	build := func() (plan.Plan, error) { return etcd.BuildWith(c.next, c.want, s) }
	if c.run.Next == nil {
		build = func() (plan.Plan, error) { return etcd.BuildThen(c.want, s, c.run.Then) }
	}
	p, err := build()
	for _, stage := range p.Stages {
		if stage.Steps[0].Kind == plan.AwaitLeader {
			continue
		}
		line := stage.Name + ":"
		for _, step := range stage.Steps {
			line += " " + step.ID()
		}
		lines = append(lines, line)
	}
	refused := new(plan.Refused)
	switch {
	case errors.As(err, &refused):
		for _, r := range refused.Refusals {
			lines = append(lines, fmt.Sprintf("refused: %s %s", r.Kind, r.Host))
		}
	case err != nil:
		lines = append(lines, err.Error())
	}
	return lines
}
