package view

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/plan"
)

// etcd3Dark is the refusal while etcd-3 cannot be looked at.
func etcd3Dark() *plan.Refused {
	return &plan.Refused{
		Refusals: []plan.Refusal{{
			Kind: plan.Unreachable, Host: "etcd-3", Reason: "connect: no route",
			Remedy: "check routes",
		}},
		Waits: []plan.Wait{{What: "the change to etcd 3.7.3", For: []string{"etcd-3"}, Why: "all take part"}},
	}
}

// An apply without a dark host says what was done, what waits and for whom, and that it may need more; it exits with
// 12, whatever it has done.
func TestExplainDark(t *testing.T) {
	rest := []string{
		"  etcd-3: connect: no route  [unreachable]", "    → check routes",
		"  the change to etcd 3.7.3 waits for etcd-3: all take part",
		"  → when etcd-3 can be looked at, run the same command again: what is needed there is not known before",
	}
	for steps, head := range map[int]string{
		0: "Error: not every host could be looked at, and nothing was done:",
		2: "Error: 2 steps done; not every host could be looked at:",
	} {
		err := Late(&apply.DarkError{Refused: etcd3Dark(), Steps: steps}, steps)
		says(t, Advice(nil).explain(err, false), append([]string{head}, rest...)...)
		if code := Advice(nil).ExitCode(err); code != ExitUnreachable {
			t.Errorf("exit %d", code)
		}
		o := errorOf(err, 12)
		if o.Steps != steps || len(o.Waits) != 1 || len(o.Refusals) != 1 {
			t.Errorf("as JSON %+v", o)
		}
	}
}

// Where nothing waits, the others are as they should be.
func TestExplainDarkAlone(t *testing.T) {
	refused := etcd3Dark()
	refused.Waits = nil
	head := Advice(nil).explain(&apply.DarkError{Refused: refused}, false)[0]
	if want := "Error: not every host could be looked at; the others are as the inventory says:"; head != want {
		t.Errorf("it says %q, want %q", head, want)
	}
}

// Steps on this machine alone are told beside the reason for which no host is changed.
func TestExplainOperatorPart(t *testing.T) {
	err := Late(&plan.NoMajority{Held: 1, Need: 2, Of: 3, Missing: etcd3Dark().Refusals}, 2)
	says(t, Advice(nil).explain(err, false), "2 steps done on this machine. What comes next is on hosts:",
		"Error: the cluster's lock is held on the hosts of at least 2 of its 3 members, and 1 can be locked; nothing on a host is changed without that:",
		"  etcd-3: connect: no route  [unreachable]", "    → check routes")
	if code := Advice(nil).ExitCode(err); code != ExitUnreachable {
		t.Errorf("exit %d", code)
	}
}

// A plan while a host is dark shows its stages, or that there are none, and what waits. With --json one without stages
// is an error alone.
func TestPlanViewDark(t *testing.T) {
	for name, c := range map[string]struct {
		p    plan.Plan
		json bool
		err  error
		says []string
	}{
		"stages": {
			samplePlan(), false, etcd3Dark(),
			[]string{"Plan: 6 steps in 3 stages.\nwaits: the change to etcd 3.7.3 waits for etcd-3: all take part\n"},
		},
		"no stages": {
			plan.Plan{Cluster: "prod"},
			false, etcd3Dark(),
			[]string{"nothing is done before hosts that are dark can be looked at.\nwaits: "},
		},
		"JSON": {
			samplePlan(), true, etcd3Dark(),
			[]string{`"dark":["etcd-3"]`, `"waits":[{"what":"the change to etcd 3.7.3"`},
		},
		"JSON, empty": {plan.Plan{Cluster: "prod"}, true, etcd3Dark(), nil},
		"refused": {plan.Plan{Cluster: "prod"}, false, &plan.Refused{Refusals: []plan.Refusal{
			etcd3Dark().Refusals[0], {Kind: plan.ClockOff, Host: "etcd-1"},
		}}, nil},
	} {
		var out bytes.Buffer
		c.p.Dark, c.p.Waits = []string{"etcd-3"}, etcd3Dark().Waits
		(&Console{Out: &out, Err: &bytes.Buffer{}, JSON: c.json}).ShowPlan(c.p, false, c.err)
		if len(c.says) == 0 && out.Len() > 0 {
			t.Errorf("%s: %s", name, out.String())
		}
		for _, text := range c.says {
			if !strings.Contains(out.String(), text) {
				t.Errorf("%s: %q is missing in\n%s", name, text, out.String())
			}
		}
	}
}

// Dark hosts alone are no refusal for status and check: an apply does what there is to do on the others.
func TestDarkBlocksNothing(t *testing.T) {
	total := clusterStatus{Refusals: etcd3Dark().Refusals}
	changed := memberStatus{State: "healthy", PendingChanges: []string{"enable-unit: not enabled at boot"}}
	if got := drift(changed, total); got != "1 change" {
		t.Errorf("drift %q", got)
	}
	if got := drift(memberStatus{State: "unreachable"}, total); got != "?" {
		t.Errorf("drift of the dark one %q", got)
	}
	if blocking(etcd3Dark()) != nil {
		t.Error("it blocks an apply")
	}
	total.Refusals = append(total.Refusals, plan.Refusal{Kind: plan.ClockOff})
	if got := drift(changed, total); got != "?" || blocking(&plan.Refused{Refusals: total.Refusals}) == nil {
		t.Errorf("beside another refusal: drift %q", got)
	}
}

func says(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("said\n%q\nwant\n%q", got, want)
	}
}
