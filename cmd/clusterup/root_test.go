package main

import (
	"os"
	"regexp"
	"slices"
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

// deedsOf are what texts say that clusterup does, in words that look like a command.
var deedsOf = []string{"serves", "knows"}

// Whatever text says to run clusterup with something names a command that there is.
func TestCommandsInTextsExist(t *testing.T) {
	texts, err := os.ReadFile("../../view/testdata/messages.txt")
	if err != nil {
		t.Fatal(err)
	}
	root, found := newRoot(&console{Console: &view.Console{}, base: t.Context()}), 0
	named := regexp.MustCompile(`clusterup ([a-z]+(?: [a-z-]+)?) (?:--|[A-Z]{2,}|%s|%q|\{…\})`)
	for _, match := range named.FindAllStringSubmatch(string(texts), -1) {
		words := strings.Fields(match[1])
		if slices.Contains(deedsOf, words[0]) {
			continue
		}
		found++
		cmd, rest, err := root.Find(words)
		if err != nil || cmd == root || len(rest) > 0 && len(cmd.Commands()) > 0 {
			t.Errorf("%q: there is no such command", match[0])
		}
	}
	if found < 50 {
		t.Errorf("%d commands are named", found)
	}
}
