package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/pmezard/go-difflib/difflib"

	"github.com/clusterup/clusterup/plan"
)

// showPlan writes the plan to stdout: for people, or as one JSON object.
func (c *console) showPlan(p plan.Plan, full bool) {
	if p.Cluster == "" {
		return
	}
	if c.json {
		c.object(planObject{Type: "plan", Plan: p})
		return
	}
	v := planView{out: c.out, full: full, paint: painter{color(c.out)}}
	v.plan(p)
}

// planObject is a plan with --json.
type planObject struct {
	Type string `json:"type"`
	plan.Plan
}

type planView struct {
	out   io.Writer
	full  bool
	paint painter
}

func (v planView) line(format string, args ...any) {
	_, _ = fmt.Fprintf(v.out, format+"\n", args...) // a reader that went away is noticed by the shell
}

func (v planView) plan(p plan.Plan) {
	for _, note := range p.Notes {
		v.line("%s %s", v.paint.yellow("note:"), note)
	}
	if p.Empty() {
		v.line("Cluster %s: nothing to do, all is as the inventory says.", p.Cluster)
		return
	}
	v.line("Cluster %s, etcd %s:", p.Cluster, p.Version)
	steps := 0
	for i, stage := range p.Stages {
		v.line("\n%s", v.paint.bold(fmt.Sprintf("%d. %s", i+1, stage.Name)))
		v.line("   %s; %s", width1(stage), stage.Gate)
		host := "\x00"
		for _, step := range stage.Steps {
			steps++
			if step.Host != host {
				host = step.Host
				v.line("   %s", hostName(host))
			}
			v.step(step)
		}
	}
	v.line("\nPlan: %s in %s.", plural(steps, "step"), plural(len(p.Stages), "stage"))
}

// width1 says how many hosts a stage works on at once.
func width1(stage plan.Stage) string {
	switch {
	case stage.Steps[0].Host == "":
		return "on this machine"
	case stage.Width == 1:
		return "one host"
	}
	return fmt.Sprintf("%d hosts side by side", stage.Width)
}

func hostName(host string) string {
	if host == "" {
		return "(this machine)"
	}
	return host
}

func (v planView) step(step plan.Step) {
	what := string(step.Kind)
	switch {
	case step.Leaf != nil:
		what += " " + step.Leaf.Role
	case step.CA != "":
		what += " " + step.CA
	case step.Release != nil:
		what += " " + step.Release.Version
	}
	v.line("     %s %-24s %s", v.paint.mark(step.Kind), what, step.Why)
	for _, p := range step.Paths {
		v.line("         %s %s:%s %04o", p.Path, p.Owner, p.Group, uint32(p.Mode))
	}
	for _, change := range step.Changes {
		v.change(change)
	}
}

// change shows a changed file as a diff; a new one by its name, and with --full as well.
func (v planView) change(change plan.Change) {
	lines := strings.Count(string(change.Data), "\n")
	if !change.Existed && !v.full {
		v.line("         %s (new, %s)", change.Path, plural(lines, "line"))
		return
	}
	diff, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: difflib.SplitLines(string(change.Was)), B: difflib.SplitLines(string(change.Data)),
		FromFile: change.Path, ToFile: change.Path + " (wanted)", Context: 1,
	})
	if err != nil || diff == "" {
		v.line("         %s", change.Path)
		return
	}
	for _, line := range strings.Split(strings.TrimRight(diff, "\n"), "\n") {
		v.line("         %s", v.paint.diff(line))
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
