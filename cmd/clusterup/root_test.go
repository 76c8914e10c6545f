package main

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/view"
)

// The reference of the JSON contract names each command that has --json, by its own name or its group's.
func TestCommandsWithJSONAreDocumented(t *testing.T) {
	raw, err := os.ReadFile("../../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(raw), " write one")
	first = strings.Join(strings.Fields(first), " ")
	found := 0
	var walk func(cmd *cobra.Command, path string)
	walk = func(cmd *cobra.Command, path string) {
		for _, sub := range cmd.Commands() {
			name := strings.TrimSpace(path + " " + sub.Name())
			group, _, _ := strings.Cut(name, " ")
			if sub.Flags().Lookup("json") != nil {
				found++
				if !strings.Contains(first, "`"+name+"`") && !strings.Contains(first, "`"+group+"`") {
					t.Errorf("docs/json.md does not say that %s writes JSON", name)
				}
			}
			walk(sub, name)
		}
	}
	walk(newRoot(&console{Console: &view.Console{}, base: t.Context()}), "")
	if found < 10 {
		t.Errorf("%d commands with --json", found)
	}
}
