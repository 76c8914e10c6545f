package view

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pmezard/go-difflib/difflib"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/pool"
)

// ShowPlan writes the plan to stdout: for people, or as one JSON object. If building the plan ended in err, it holds
// the stages before that. Without such stages nothing is shown, so that a refusal does not look like a plan with
// nothing to do; only where dark hosts are the one reason are people shown what waits for them.
func (c *Console) ShowPlan(p plan.Plan, full bool, err error) {
	if p.Cluster == "" || err != nil && p.Empty() && (c.JSON || c.Destroying || !plan.GoesOn(err)) {
		return
	}
	if c.JSON {
		c.Object(planObject{Type: "plan", Plan: p})
		return
	}
	v := planView{
		out: c.Out, shown: map[string]string{}, now: map[string]string{}, added: map[string]bool{}, full: full,
		paint: painter{color(c.Out)},
	}
	for _, note := range p.Notes {
		v.line("%s %s", v.paint.yellow("note:"), note)
	}
	if p.Empty() {
		v.line("Cluster %s: %s", p.Cluster, cmp.Or(c.Idle, nothing(p, c.Destroying)))
	} else {
		v.plan(p)
	}
	for _, wait := range p.Waits { // what is not done before dark hosts are seen
		v.line("%s %s", v.paint.yellow("waits:"), wait)
	}
}

// nothing says of an empty plan why there is nothing to do.
func nothing(p plan.Plan, destroying bool) string {
	switch dark := len(p.Dark) > 0; {
	case dark && destroying:
		return "nothing of it is left on the hosts that could be looked at."
	case dark && len(p.Waits) > 0:
		return "nothing is done before hosts that are dark can be looked at."
	case dark:
		return "the hosts that could be looked at are as the inventory says."
	case destroying:
		return "nothing of it is left on its hosts."
	case len(p.Notes) > 0: // such as of what waits
		return "nothing to do now."
	}
	return "nothing to do, all is as the inventory says."
}

// planObject is a plan with --json.
type planObject struct {
	Type string `json:"type"`
	plan.Plan
}

type planView struct {
	out   io.Writer
	shown map[string]string // diffs of earlier stages → the host they were shown for
	now   map[string]string // those of this stage
	added map[string]bool   // hosts whose members are added by an earlier stage: etcd gives them their IDs then
	full  bool
	paint painter
}

func (v planView) line(format string, args ...any) {
	fprintf(v.out, "%s\n", sprintf(format, args...))
}

func (v planView) plan(p plan.Plan) {
	version := p.Version
	if len(p.Route) > 0 {
		version = strings.Join(p.Route, " → ")
	}
	v.line("Cluster %s, etcd %s:", p.Cluster, version)
	steps := 0
	for i, stage := range p.Stages {
		steps += len(stage.Steps)
		v.line("\n%s", v.paint.bold(fmt.Sprintf("%d. %s", i+1, stage.Name)))
		v.line("   %s; %s", where(stage), stage.Gate)
		for _, group := range v.groups(stage) {
			v.line("   %s\n%s", strings.Join(group.hosts, ", "), group.text)
		}
		maps.Copy(v.shown, v.now)
		for _, step := range stage.Steps {
			v.added[step.Host] = v.added[step.Host] || step.Kind == plan.AddLearner
		}
	}
	v.line("\nPlan: %s in %s.", Plural(steps, "step"), Plural(len(p.Stages), "stage"))
}

// where says where a stage works, and on how many hosts at once.
func where(stage plan.Stage) string {
	switch {
	case stage.Steps[0].Host == "":
		return "on this machine"
	case stage.Width == 1 && stage.Steps[0].Host != stage.Steps[len(stage.Steps)-1].Host:
		return "one host at a time"
	case stage.Width == 1:
		return "one host"
	}
	return fmt.Sprintf("%d hosts side by side", stage.Width)
}

// group is a set of hosts on which the same is done, so that it is shown once.
type group struct {
	hosts []string
	text  safe // as it is done on the first of them
	same  string
}

func (v planView) groups(stage plan.Stage) []group {
	var hosts []string
	texts := map[string]safe{}
	for _, step := range stage.Steps {
		host := cmp.Or(step.Host, "(this machine)")
		if _, known := texts[host]; !known {
			hosts = append(hosts, host)
		} else {
			texts[host] += "\n"
		}
		texts[host] += v.step(step)
	}
	var groups []group
	for _, host := range hosts {
		same := unframed(texts[host])
		i := slices.IndexFunc(groups, func(g group) bool { return g.same == same })
		if i < 0 {
			groups = append(groups, group{text: texts[host], same: same})
			i = len(groups) - 1
		}
		groups[i].hosts = append(groups[i].hosts, host)
	}
	return groups
}

// unframed is the text of steps without the lines of diffs that stay as they are: a change may be the same on all
// hosts, and stand beside what each has for itself.
func unframed(text safe) string {
	lines := strings.Split(string(text), "\n")
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool {
		return strings.HasPrefix(line, detail+" ") || strings.HasPrefix(line, detail+"@@ ")
	}), "\n")
}

// detail is what the lines below a step begin with.
const detail = "         "

// step is one step in words: what, why, and the files it concerns.
func (v planView) step(step plan.Step) safe {
	what := string(step.Kind)
	switch {
	case step.Kind.Traits().Where == plan.Node:
		what += " " + cmp.Or(step.Unit, step.Client, step.Account, strings.Join(step.Packages, " "))
	case step.Leaf != nil:
		what += " " + step.Leaf.Role
	case step.Revoke != nil:
		what += " " + step.Revoke.Role
	case step.CA != "":
		what += " " + step.CA
	case step.Alarm != "":
		what += " " + step.Alarm
	case step.Client != "":
		what += " " + step.Client
	case step.Kind == plan.CreateTokenKey:
		what += " " + strconv.Itoa(step.Generation)
	case step.Role != nil:
		what += " " + facts.Shown(step.Role.Name)
	case step.User != nil:
		what += " " + facts.Shown(step.User.Name)
	case step.Pool != nil:
		what += " " + step.Pool.Balancer
	case step.Release != nil:
		what += " " + step.Release.Version
	case step.To != "":
		what += " to " + step.To
	case step.From != "" && step.From != step.Version:
		what += " " + step.Version
	case step.Version != "" && step.Kind.Traits().Where == plan.Cluster:
		what += " " + step.Version
	}
	said := sprintf("     %s %-24s %s", v.paint.mark(step), what, step.Why)
	if at := strings.Join(step.PeerURLs, " "); at != "" {
		said += sprintf("\n"+detail+"%s at %s, through %s", step.Host, at, step.Through)
	} else if step.Through != "" && v.added[step.Host] {
		said += sprintf("\n"+detail+"through %s", step.Through)
	} else if step.Through != "" {
		said += sprintf("\n"+detail+"member %s, through %s", step.Member, step.Through)
	}
	for _, line := range granted(step) {
		said += sprintf("\n"+detail+"%s", v.paint.diff(line))
	}
	if step.Program != nil {
		said += sprintf("\n"+detail+"%s", step.Program.Path)
	}
	for _, p := range step.Paths {
		text := p.Path
		if p.Owner != "" {
			text += fmt.Sprintf("  %s:%s %04o", p.Owner, p.Group, uint32(p.Mode))
		}
		said += sprintf("\n"+detail+"%s", text)
	}
	for _, change := range step.Changes {
		for _, line := range v.once(step.Host, v.change(change)) {
			said += sprintf("\n"+detail+"%s", v.paint.diff(line))
		}
	}
	return said
}

// granted are what a step adds to a role or user, and takes away, as lines of a diff.
func granted(step plan.Step) []string {
	var lines []string
	if step.Role != nil {
		for _, p := range step.Role.Grant {
			lines = append(lines, "+"+p.String())
		}
		for _, p := range step.Role.Revoke {
			lines = append(lines, "-"+p.String())
		}
	}
	if step.User != nil {
		for _, role := range step.User.Grant {
			lines = append(lines, "+role "+facts.Shown(role))
		}
		if step.User.Password && step.Kind == plan.PutUser {
			lines = append(lines, "+password")
		}
		for _, role := range step.User.Revoke {
			lines = append(lines, "-role "+facts.Shown(role))
		}
	}
	if step.Pool != nil {
		lines = append(lines, exchanged(*step.Pool)...)
	}
	return lines
}

// exchanged are the servers of a balancer that change, as lines of a diff.
func exchanged(change pool.Change) []string {
	var lines []string
	for _, name := range change.Names() {
		was, known := change.Was[name]
		switch server, put := change.Put[name]; {
		case known && put:
			lines = append(lines, fmt.Sprintf("-%s %s", name, was), fmt.Sprintf("+%s %s", name, server))
		case put:
			lines = append(lines, fmt.Sprintf("+%s %s", name, server))
		case known:
			lines = append(lines, fmt.Sprintf("-%s %s", name, was))
		default:
			lines = append(lines, "-"+facts.Shown(name))
		}
	}
	return lines
}

// once leaves out a diff that was shown for another host already.
func (v planView) once(host string, diff []string) []string {
	if len(diff) < 2 || v.full {
		return diff
	}
	var changed []string
	for _, line := range diff {
		if strings.HasPrefix(line, "+") || strings.HasPrefix(line, "-") {
			changed = append(changed, line)
		}
	}
	key := strings.Join(changed, "\n")
	if other := v.shown[key]; other != "" && other != host {
		return []string{strings.TrimPrefix(diff[0], "--- ") + "  (changed as on " + other + ")"}
	}
	v.now[key] = host
	return diff
}

// change shows a changed file as a diff; a new one by its name, and with --full as well.
func (v planView) change(change plan.Change) []string {
	if !change.Existed && !v.full {
		return []string{change.Path + "  (new)"}
	}
	if !utf8.Valid(change.Was) || !utf8.Valid(change.Data) {
		return []string{change.Path + "  (changed)"}
	}
	diff, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: difflib.SplitLines(string(change.Was)), B: difflib.SplitLines(string(change.Data)),
		FromFile: change.Path, ToFile: change.Path + " (wanted)", Context: 1,
	})
	if err != nil || diff == "" {
		return []string{change.Path}
	}
	return strings.Split(strings.TrimRight(diff, "\n"), "\n")
}

// Plural counts: 1 step, 2 steps.
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
