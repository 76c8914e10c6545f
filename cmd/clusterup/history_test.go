package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/view"
)

// The journal tells what a verb was asked to do, and nothing that could be a secret; of a run without an end it shows
// no numbers.
func TestHistory(t *testing.T) {
	s, _ := withCAs(t, 0)
	c := s.console
	cmd := &cobra.Command{}
	var flags clusterFlags
	flags.changeFlags(cmd)
	cmd.Flags().Bool("peer", false, "")
	cmd.Flags().Bool("abort", false, "")
	if err := cmd.ParseFlags([]string{
		"--peer", "--abort", "--accept=downtime,hops", "--var=password=sesame",
		"--hold-last=false",
	}); err != nil {
		t.Fatal(err)
	}
	if err := c.given(cmd.Flags()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := s.Note(s.entry("aa", "rotate ca", began, nil, nil)); err != nil {
		t.Fatal(err)
	}
	if err := s.Note(s.entry("bb", "rotate ca", began, []string{"one"}, nil)); err != nil {
		t.Fatal(err)
	}
	entries, err := operator.ReadEntries(s.Cluster)
	if err != nil || len(entries) != 2 {
		t.Fatal(entries, err)
	}
	if err := c.ShowHistory(entries); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(c.Out.(*bytes.Buffer).String(), "\n")
	for i, want := range map[int][]string{1: {" ? ", "not finished"}, 2: {" 1 ", "s ", "done"}} {
		for _, word := range append(want, "clusterup rotate ca --abort --accept=downtime,hops --peer") {
			if !strings.Contains(lines[i], word) || strings.Contains(lines[i], "sesame") ||
				strings.Contains(lines[i], "hold-last") {
				t.Errorf("no %q in %s", word, lines[i])
			}
		}
	}
}

// A flag without a value is not taken for one that was not given.
func TestEmptyFlags(t *testing.T) {
	c := &console{Console: &view.Console{Out: new(bytes.Buffer), Err: new(bytes.Buffer)}}
	for _, args := range [][]string{
		{"check", "--prometheus=", "prod.hcl"},
		{"env", "app", "prod.hcl", "--dir", ""},
		{"plan", "--out=", "prod.hcl"},
		{"status", "--cluster", "", "prod.hcl"},
	} {
		root := newRoot(c)
		root.SetArgs(args)
		if err := root.ExecuteContext(t.Context()); view.Advice(operator.Advice).ExitCode(err) != view.ExitUsage ||
			!strings.Contains(err.Error(), "is empty") {
			t.Errorf("%q: %v", args, err)
		}
	}
}
