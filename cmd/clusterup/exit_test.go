package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/remote"
)

func TestExitCode(t *testing.T) {
	refused := func(kinds ...plan.RefusalKind) error {
		err := &plan.Refused{}
		for _, kind := range kinds {
			err.Refusals = append(err.Refusals, plan.Refusal{Kind: kind})
		}
		return err
	}
	tests := []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("anything else"), 1},
		{&apply.VerifyError{Findings: []string{"no leader"}}, 1},
		{usageError{errors.New("no such flag")}, 2},
		{errPending, 3},
		{errInventory, 10},
		{&apply.LockedError{Host: "etcd-1"}, 11},
		{&remote.Error{Kind: remote.ErrUnreachable}, 12},
		{&remote.Error{Kind: remote.ErrAuth}, 12},
		{&remote.Error{Kind: remote.ErrHostKey}, 12},
		{&remote.Error{Kind: remote.ErrSudo}, 12},
		{&remote.Error{Kind: remote.ErrSilent}, 12},
		{&remote.Error{Kind: remote.ErrShell}, 12},
		{refused(plan.Unreachable, plan.Unreachable), 12},
		{refused(plan.Unreachable, plan.PortTaken), 13},
		{refused(plan.ForeignData), 13},
		{&unfitError{refused(etcd.Unready)}, 13},
		{errMoved, 13},
		{&apply.StageError{Errs: []error{&remote.Error{Kind: remote.ErrLost}}}, 14},
		{&lockLostError{host: "etcd-2", err: &apply.StageError{}}, 14},
		{&apply.Stopped{}, 130},
		{context.Canceled, 130},
		{childError{42}, 42},
	}
	for _, test := range tests {
		for _, err := range []error{test.err, wrapped(test.err)} {
			if got := exitCode(err); got != test.want {
				t.Errorf("%T %v: exit code %d, want %d", test.err, err, got, test.want)
			}
		}
	}
}

func wrapped(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("around it: %w", err)
}

// Every error that ends a run names a way on.
func TestExplainSaysWhatNext(t *testing.T) {
	step := plan.Step{Kind: plan.StartMember, Host: "etcd-1"}
	tests := map[string]error{
		"refusal": &plan.Refused{Refusals: []plan.Refusal{{Kind: plan.PortTaken, Host: "etcd-1", Reason: "port 2379 is taken", Remedy: "stop it"}}},
		"stage":   &apply.StageError{Stage: plan.Stage{Name: "start"}, Errs: []error{&apply.StepError{Step: step, Err: errors.New("exit 1")}}},
		"verify":  &apply.VerifyError{Findings: []string{"etcd-1 does not answer"}},
		"lost":    &lockLostError{host: "etcd-1", err: &apply.StageError{}},
		"stopped": &apply.Stopped{Done: 3, Next: "start"},
		"locked":  &apply.LockedError{Host: "etcd-1"},
		"no CA":   fmt.Errorf("issue certificate: %w", pki.ErrNoCA),
		"sealed":  fmt.Errorf("open client-1.key.age: %w", pki.ErrSealed),
		"host":    &remote.Error{Host: "etcd-1", Op: "connect", Err: errors.New("refused"), Remedy: "start sshd"},
	}
	for name, err := range tests {
		lines := explain(err, true)
		hint := false
		for _, line := range lines {
			hint = hint || len(line) > 4 && containsArrow(line)
		}
		if !hint {
			t.Errorf("%s: nothing to do next in %q", name, lines)
		}
	}
}

// A lost lock names its host, and the steps that failed for another reason.
func TestExplainLost(t *testing.T) {
	failed := func(host string, err error) error {
		return &apply.StepError{Step: plan.Step{Kind: plan.WriteTrust, Host: host}, Err: err}
	}
	stage := &apply.StageError{Stage: plan.Stage{Name: "prepare hosts"}, Errs: []error{failed("etcd-3", errors.New("etcd-3: disk full"))}}
	want := []string{
		`Error: etcd-2: the lock was lost with the connection; "prepare hosts" was not finished:`,
		"  write-trust/etcd-3: etcd-3: disk full",
		"  → once the cause is mended, run the same command again: it looks, and goes on from there",
	}
	if got := explain(&lockLostError{"etcd-2", stage}, true); !slices.Equal(got, want) {
		t.Errorf("it says %q, want %q", got, want)
	}
}

// One step is one step.
func TestExplainStopped(t *testing.T) {
	for done, want := range map[int]string{0: "0 steps done", 1: "1 step done", 2: "2 steps done"} {
		if got := explain(&apply.Stopped{Done: done, Next: "start"}, false)[0]; got != "Stopped: "+want+`; "start" was not finished.` {
			t.Errorf("it says %q", got)
		}
	}
}

// A refusal says what was changed, and does not contradict what stands above it.
func TestExplainRefused(t *testing.T) {
	refused := &plan.Refused{Refusals: []plan.Refusal{{Kind: etcd.Unready, Host: "etcd-1", Reason: "port 2380 is shut", Remedy: "open it"}}}
	gone := &plan.Refused{Refusals: []plan.Refusal{{Kind: plan.Unreachable, Host: "etcd-1", Reason: "no answer"}}}
	for _, test := range []struct {
		err  error
		want string
	}{
		{refused, "Refused: nothing was changed, because this would not be safe:"},
		{&unfitError{refused}, "Refused: nothing was changed, because the hosts are not fit for this plan:"},
		{&unfitError{gone}, "Error: not every host could be looked at, and nothing is changed without that:"},
		{late(refused, 2), "Refused: 2 steps done so far, and going on would not be safe:"},
		{gone, "Error: not every host could be looked at:"},
	} {
		if got := explain(test.err, true)[0]; got != test.want {
			t.Errorf("it says %q, want %q", got, test.want)
		}
	}
}

// What failed without a word has no heading over nothing.
func TestExplainStageWithoutJournal(t *testing.T) {
	failed := func(log ...string) error {
		step := plan.Step{Kind: plan.AwaitMember, Host: "etcd-1"}
		return &apply.StageError{Stage: plan.Stage{Name: "start"}, Errs: []error{&apply.StepError{Step: step, Err: errors.New("no leader"), Log: log}}}
	}
	for _, test := range []struct {
		err  error
		want bool
	}{{failed(), false}, {failed("a line"), true}} {
		if got := slices.Contains(explain(test.err, true), "    the last lines of its journal:"); got != test.want {
			t.Errorf("a heading: %v, want %v, in %q", got, test.want, explain(test.err, true))
		}
	}
}

// In short, a journal is level, message and error; whole, it is as it was written.
func TestExplainStageInShort(t *testing.T) {
	const raw = `{"level":"fatal","caller":"etcdmain/etcd.go:183","msg":"discovery failed","error":"auth: invalid auth options","stacktrace":"main.main"}`
	err := &apply.StageError{Stage: plan.Stage{Name: "start"}, Errs: []error{
		&apply.StepError{Step: plan.Step{Kind: plan.AwaitMember, Host: "etcd-1"}, Err: errors.New("no leader"), Log: []string{raw}},
	}}
	for full, want := range map[bool]string{false: "      fatal: discovery failed: auth: invalid auth options", true: "      " + raw} {
		if got := explain(err, full); !slices.Contains(got, want) {
			t.Errorf("full %v: %q has no %q", full, got, want)
		}
	}
}

func containsArrow(line string) bool {
	for _, r := range line {
		if r == '→' {
			return true
		}
	}
	return false
}

func TestDashes(t *testing.T) {
	got := dashes([]string{"plan", "-var", "version=3.6.16", "-var-file=x.hcl", "--var=a=b", "-h", "--", "-var"})
	want := []string{"plan", "--var", "version=3.6.16", "--var-file=x.hcl", "--var=a=b", "-h", "--", "-var"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// What was stopped before it did anything says so; of what had begun, and of what has no session, nobody can say it.
func TestReportStopped(t *testing.T) {
	for intact, want := range map[bool]string{true: "Stopped: nothing was changed.\n", false: "Error: look: context canceled\n"} {
		var said bytes.Buffer
		c := &console{out: &said, err: &said, intact: intact}
		if code := c.report(fmt.Errorf("look: %w", context.Canceled)); code != exitInterrupted || said.String() != want {
			t.Errorf("exit code %d, %q, want %q", code, said.String(), want)
		}
	}
}
