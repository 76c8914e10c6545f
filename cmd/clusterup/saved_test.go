package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/view"
)

// A saved plan holds no value of --var, and is run with the same ones only.
func TestSavedVariables(t *testing.T) {
	file := filepath.Join(t.TempDir(), "plan")
	s := &session{
		Session: &operator.Session{Cluster: &inventory.Cluster{Name: "prod"}},
		console: &console{Console: &view.Console{Err: io.Discard}}, file: "prod.hcl",
		flags: clusterFlags{vars: []string{"password=hunter2", "size=3"}},
	}
	if err := s.savePlan(file, plan.Plan{}, facts.Snapshot{}); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(raw), "hunter2") || !strings.Contains(string(raw), `"password"`) {
		t.Errorf("%v, the file is\n%s", err, raw)
	}
	saved, err := operator.ReadPlan(file)
	if err != nil || saved == nil {
		t.Fatalf("%v, %v", saved, err)
	}
	for name, test := range map[string]struct {
		vars []string
		says string
	}{
		"the same":       {[]string{"size=3", "password=hunter2"}, ""},
		"none":           {nil, "--var password=… --var size=…"},
		"one is missing": {[]string{"size=3"}, "--var password=…"},
		"another value":  {[]string{"size=3", "password=hunter3"}, "other values of --var"},
		"one too many":   {[]string{"size=3", "password=hunter2", "x=1"}, "without --var x"},
		"not written so": {[]string{"size"}, "NAME=VALUE"},
	} {
		flags, err := savedFlags(saved, clusterFlags{vars: test.vars})
		if test.says == "" {
			if err != nil || len(flags.vars) != len(test.vars) {
				t.Errorf("%s: %v, %v", name, flags.vars, err)
			}
			continue
		}
		if view.Advice(operator.Advice).ExitCode(err) != view.ExitUsage || !strings.Contains(err.Error(), test.says) ||
			strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: %v, want %q", name, err, test.says)
		}
	}
	s.flags.vars = nil
	if err := s.savePlan(file, plan.Plan{}, facts.Snapshot{}); err != nil {
		t.Fatal(err)
	}
	without, err := operator.ReadPlan(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := savedFlags(without, clusterFlags{}); err != nil {
		t.Errorf("no variables: %v", err)
	}
	if _, err := savedFlags(without, clusterFlags{vars: []string{"x=1"}}); err == nil {
		t.Error("a variable that the plan was not made with is taken")
	}
	if err := os.WriteFile(file, []byte(`{"type":"clusterup-plan","vars":["password=hunter2"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	old, err := operator.ReadPlan(file)
	if err != nil || old == nil {
		t.Fatal(old, err)
	}
	if _, err := savedFlags(old, clusterFlags{}); err == nil || !strings.Contains(err.Error(), "delete it") {
		t.Errorf("a plan of an older version: %v", err)
	}
}
