package hosttest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// scripts are run by a POSIX shell, each on its own, without input; what they print comes back as it is.
func scripts(t *testing.T, s Subject) {
	long := strings.Repeat("0123456789abcdef", 16<<10)
	for script, want := range map[string]string{
		"true": "", "echo one; echo two": "one\ntwo\n", "printf none": "none",
		`printf 'it'\''s "%s" $x \\ é\n' é`: "it's \"é\" $x \\ é\n",
		`printf 'a\000b'`:                   "a\x00b", "echo seen; echo unseen >&2": "seen\n",
		"cat; echo end": "end\n", "cat <<'E'\n$x\nE\n": "$x\n",
		"i=0; while [ $i -lt 16384 ]; do printf 0123456789abcdef; i=$((i + 1)); done": long,
	} {
		s.runs(t.Context(), t, script, want)
	}
	s.runs(t.Context(), t, "x=1; export x; cd /; set -u", "")
	s.runs(t.Context(), t, `echo "${x-unset} $y"`, "unset \n")
}

// scriptFails: an exit other than 0 is an error that says how, and in the script's own words why.
func scriptFails(t *testing.T, s Subject) {
	for script, says := range map[string]string{
		"exit 3": "3", "echo the disk is on fire >&2; false": "the disk is on fire", "set -e; false; echo not here": "",
		"echo said; echo why >&2; exit 1": "why", "no-such-command-here": "no-such-command-here",
	} {
		_, err := s.Host.Script(t.Context(), script)
		s.fails(t, script, err, says)
	}
	s.runs(t.Context(), t, "echo well", "well\n")
}

// concurrent: all methods at once do not get into each other's way.
func concurrent(t *testing.T, s Subject) {
	const many = 12
	var all sync.WaitGroup
	for i := range many {
		name, data := fmt.Sprintf("file-%02d", i), fmt.Sprintf("data %d", i)
		all.Go(func() { s.runs(t.Context(), t, "echo "+name, name+"\n") })
		all.Go(func() {
			if err := s.write(t.Context(), "", []file{s.file(name, 0o640, data)}, ""); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			if err := s.Host.Feed(t.Context(), takes(data), input(data), nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i := range many {
		name, data := fmt.Sprintf("file-%02d", i), fmt.Sprintf("data %d", i)
		s.has(t, name, 0o640, data)
	}
}

// cancelled: a context that has ended ends everything with its own error, and nothing is done.
func cancelled(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, scripted := s.Host.Script(ctx, "echo not here")
	_, _, _, held := s.Host.Hold(ctx, "echo held; exec cat >/dev/null")
	for what, err := range map[string]error{
		"script": scripted, "hold": held, "write": s.write(ctx, "", []file{s.file("file", 0o644, "data")},
			"echo not here >&2; exit 1"),
		"feed": s.Host.Feed(ctx, "cat >/dev/null", input("data"), nil),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", what, err)
		}
	}
	s.hasOnly(t)
	s.runs(t.Context(), t, "echo well", "well\n")
}
