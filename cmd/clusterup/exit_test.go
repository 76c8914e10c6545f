package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/preflight"
	"github.com/clusterup/clusterup/remote"
	"github.com/clusterup/clusterup/view"
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
		{view.Misuse(errors.New("no such flag")), 2},
		{view.ErrPending, 3},
		{view.ErrInventory, 10},
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
		{view.Unfit(refused(preflight.Unready)), 13},
		{apply.ErrMoved, 13},
		{&apply.StageError{Errs: []error{&remote.Error{Kind: remote.ErrLost}}}, 14},
		{&apply.LockLostError{Host: "etcd-2", Stage: &apply.StageError{}}, 14},
		{&apply.Stopped{}, 130},
		{context.Canceled, 130},
		{view.Ended(42), 42},
	}
	for _, test := range tests {
		for _, err := range []error{test.err, wrapped(test.err)} {
			if got := view.Advice(operator.Advice).ExitCode(err); got != test.want {
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
		"refusal": &plan.Refused{Refusals: []plan.Refusal{{
			Kind: plan.PortTaken, Host: "etcd-1", Reason: "port 2379 is taken",
			Remedy: "stop it",
		}}},
		"stage": &apply.StageError{
			Stage: plan.Stage{Name: "start"},
			Errs:  []error{&apply.StepError{Step: step, Err: errors.New("exit 1")}},
		},
		"verify":  &apply.VerifyError{Findings: []string{"etcd-1 does not answer"}},
		"lost":    &apply.LockLostError{Host: "etcd-1", Stage: &apply.StageError{}},
		"stopped": &apply.Stopped{Done: 3, Next: "start"},
		"locked":  &apply.LockedError{Host: "etcd-1"},
		"no CA":   fmt.Errorf("issue certificate: %w", pki.ErrNoCA),
		"sealed":  fmt.Errorf("open client-1.key.age: %w", pki.ErrSealed),
		"host":    &remote.Error{Host: "etcd-1", Op: "connect", Err: errors.New("refused"), Remedy: "start sshd"},
	}
	for name, err := range tests {
		lines := explained(err, true)
		hint := false
		for _, line := range lines {
			hint = hint || len(line) > 4 && containsArrow(line)
		}
		if !hint {
			t.Errorf("%s: nothing to do next in %q", name, lines)
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

// explained is what the operator reads of an error.
func explained(err error, full bool) []string {
	var said bytes.Buffer
	(&view.Console{Out: &said, Err: &said, Full: full, Advice: operator.Advice}).Report(err)
	return strings.Split(strings.TrimSuffix(said.String(), "\n"), "\n")
}

// saysLines checks that what is said has as many lines as are wanted, and that each is as its expression says.
func saysLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	same := func(line, want string) bool { return regexp.MustCompile("^" + want + "$").MatchString(line) }
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("said\n%q\nwant\n%q", got, want)
	}
}
