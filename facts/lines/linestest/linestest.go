// Package linestest holds what tests of scripts share: that a script and its reader know the same kinds of lines, and
// the shells in which it must run.
package linestest

import (
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Agree makes sure that a script writes no kind of line that its reader does not know, and that the reader knows none
// that is not written. Plain are those that commands of the script write themselves.
func Agree[K any](t *testing.T, script string, kinds map[string]K, plain ...string) {
	t.Helper()
	said := map[string]bool{}
	for _, kind := range plain {
		said[kind] = true
	}
	words := strings.Fields(strings.NewReplacer(";", " ", "\n", " \n ", "(", " ").Replace(script))
	for i, word := range words[:len(words)-1] {
		if word == "say" || word == "each" {
			said[words[i+1]] = true
		}
	}
	delete(said, "end")
	if diff := cmp.Diff(slices.Sorted(maps.Keys(kinds)), slices.Sorted(maps.Keys(said))); diff != "" {
		t.Errorf("(-known +written):\n%s", diff)
	}
}

// Shells are those of this machine that a host may have as sh; dash or another sh always is there.
func Shells() map[string][]string {
	found := map[string][]string{"sh": {"/bin/sh"}}
	for _, shell := range [][]string{{"dash"}, {"bash", "--posix"}, {"busybox", "sh"}, {"mksh"}} {
		if _, err := exec.LookPath(shell[0]); err == nil {
			found[shell[0]] = shell
		}
	}
	return found
}
