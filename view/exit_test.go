package view

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/preflight"
)

// A lost lock names its host, and the steps that failed for another reason.
func TestExplainLost(t *testing.T) {
	failed := func(host string, err error) error {
		return &apply.StepError{Step: plan.Step{Kind: plan.WriteTrust, Host: host}, Err: err}
	}
	stage := &apply.StageError{
		Stage: plan.Stage{Name: "prepare hosts"},
		Errs:  []error{failed("etcd-3", errors.New("etcd-3: disk full"))},
	}
	want := []string{
		`Error: etcd-2: the lock was lost with the connection; "prepare hosts" was not finished:`,
		"  write-trust/etcd-3: etcd-3: disk full",
		"  → once the cause is mended, run the same command again: it looks, and goes on from there",
	}
	if got := Advice(nil).explain(&apply.LockLostError{Host: "etcd-2", Stage: stage}, true); !slices.Equal(got, want) {
		t.Errorf("it says %q, want %q", got, want)
	}
}

// One step is one step.
func TestExplainStopped(t *testing.T) {
	for done, want := range map[int]string{0: "0 steps done", 1: "1 step done", 2: "2 steps done"} {
		if got := Advice(nil).explain(&apply.Stopped{Done: done, Next: "start"}, false)[0]; got != "Stopped: "+want+
			`; "start" was not finished.` {
			t.Errorf("it says %q", got)
		}
	}
}

// A refusal says what was changed, and does not contradict what stands above it.
func TestExplainRefused(t *testing.T) {
	refused := &plan.Refused{Refusals: []plan.Refusal{{
		Kind: preflight.Unready, Host: "etcd-1",
		Reason: "port 2380 is shut", Remedy: "open it",
	}}}
	gone := &plan.Refused{Refusals: []plan.Refusal{{Kind: plan.Unreachable, Host: "etcd-1", Reason: "no answer"}}}
	for _, test := range []struct {
		err  error
		want string
	}{
		{refused, "Refused: nothing was changed, because this would not be safe:"},
		{Unfit(refused), "Refused: nothing was changed, because the hosts are not fit for this plan:"},
		{Unfit(gone), "Error: not every host could be looked at, and nothing is changed without that:"},
		{Late(refused, 2), "Refused: 2 steps done so far, and going on would not be safe:"},
		{gone, "Error: not every host could be looked at:"},
	} {
		if got := Advice(nil).explain(test.err, true)[0]; got != test.want {
			t.Errorf("it says %q, want %q", got, test.want)
		}
	}
}

// A failed step without a journal gets no heading for one.
func TestExplainStageWithoutJournal(t *testing.T) {
	failed := func(log ...string) error {
		step := plan.Step{Kind: plan.AwaitMember, Host: "etcd-1"}
		return &apply.StageError{
			Stage: plan.Stage{Name: "start"},
			Errs:  []error{&apply.StepError{Step: step, Err: errors.New("no leader"), Log: log}},
		}
	}
	for _, test := range []struct {
		err  error
		want bool
	}{{failed(), false}, {failed("a line"), true}} {
		if got := slices.Contains(Advice(nil).explain(test.err, true),
			"    the last lines of its journal:"); got != test.want {
			t.Errorf("a heading: %v, want %v, in %q", got, test.want, Advice(nil).explain(test.err, true))
		}
	}
}

// In short, a journal is level, message and error; whole, it is as it was written.
func TestExplainStageInShort(t *testing.T) {
	const raw = `{"level":"fatal","caller":"etcdmain/etcd.go:183","msg":"discovery failed","error":"auth: invalid auth options","stacktrace":"main.main"}`
	err := &apply.StageError{Stage: plan.Stage{Name: "start"}, Errs: []error{
		&apply.StepError{
			Step: plan.Step{Kind: plan.AwaitMember, Host: "etcd-1"}, Err: errors.New("no leader"),
			Log: []string{raw},
		},
	}}
	for full, want := range map[bool]string{
		false: "      fatal: discovery failed: auth: invalid auth options",
		true:  "      " + raw,
	} {
		if got := Advice(nil).explain(err, full); !slices.Contains(got, want) {
			t.Errorf("full %v: %q has no %q", full, got, want)
		}
	}
}

// A run that was stopped before it changed anything says so; one that had begun, or had no session, does not.
func TestReportStopped(t *testing.T) {
	for intact, want := range map[bool]string{
		true:  "Stopped: nothing was changed.\n",
		false: "Error: look: context canceled\n",
	} {
		var said bytes.Buffer
		c := &Console{Out: &said, Err: &said, Intact: intact}
		if code := c.Report(fmt.Errorf("look: %w", context.Canceled)); code != ExitInterrupted || said.String() != want {
			t.Errorf("exit code %d, %q, want %q", code, said.String(), want)
		}
	}
}
