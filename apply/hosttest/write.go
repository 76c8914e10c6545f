package hosttest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/units"
)

type file = units.File

// write writes one part.
func (s Subject) write(ctx context.Context, before string, files []file, then string) error {
	done, failed, err := s.Host.Write(ctx, apply.Part{Before: before, Files: files, Then: then})
	if (err == nil) != (done == 1) || failed != done {
		return fmt.Errorf("%d parts done, and the error is of %d: %w", done, failed, err)
	}
	return err
}

// writesParts: parts are done in their order, what one has done stays when a later one fails, and one that cannot be
// written keeps all others from beginning.
func writesParts(t *testing.T, s Subject) {
	sees := func(what, other string) string {
		return fmt.Sprintf("[ ! -d '%s' ] || { [ -e '%s' ] && [ ! -e '%s' ]; } || { echo 'in another order' >&2; exit 1; }",
			s.Dir, s.path(what), s.path(other))
	}
	fresh := s.file("b", 0o644, "b")
	fresh.New = true
	parts := []apply.Part{
		{Files: []file{s.file("a", 0o644, "a")}, Then: sees("a", "c")},
		{Before: "echo never said >/dev/null", Files: []file{fresh}, Then: sees("b", "c")},
		{Files: []file{s.file("c", 0o600, "c")}, Then: "echo not now >&2; exit 4"},
		{Files: []file{s.file("d", 0o600, "d")}},
	}
	done, failed, err := s.Host.Write(t.Context(), parts...)
	s.fails(t, "the third part", err, "not now")
	if done != 2 || failed != 2 {
		t.Errorf("%d parts done, and the error is of %d", done, failed)
	}
	s.hasOnly(t, "a", "b", "c")
	s.has(t, "b", 0o644, "b")

	parts = []apply.Part{{Files: []file{s.file("a", 0o644, "anew")}}, {Files: []file{s.file("nowhere/file", 0o644, "x")}}}
	done, failed, err = s.Host.Write(t.Context(), parts...)
	s.fails(t, "a part that cannot be", err)
	if done != 0 || failed != 1 {
		t.Errorf("%d parts done, and the error is of %d", done, failed)
	}
	s.has(t, "a", 0o644, "a")

	parts[1] = apply.Part{Before: "set -e; echo no >&2; exit 3", Then: "echo not here >&2; exit 1"}
	done, failed, err = s.Host.Write(t.Context(), parts...)
	s.fails(t, "a script before", err, "no")
	if done != 0 || failed != 1 {
		t.Errorf("%d parts done, and the error is of %d", done, failed)
	}
	s.has(t, "a", 0o644, "a")

	parts[1] = apply.Part{Before: ":", Then: ":"}
	if done, failed, err := s.Host.Write(t.Context(), parts...); err != nil || done != 2 || failed != 2 {
		t.Errorf("%d parts done, the error of %d is %v", done, failed, err)
	}
	s.has(t, "a", 0o644, "anew")
	s.hasOnly(t, "a", "b", "c")
}

// writes: each file is there with its owner and mode, also where another was, and nothing else is.
func writes(t *testing.T, s Subject) {
	secret := s.file("key", 0o600, "secret")
	secret.Secret = true
	put := func(files ...file) {
		t.Helper()
		if err := s.write(t.Context(), "", files, ""); err != nil {
			t.Error(err)
		}
	}
	put()
	s.hasOnly(t)
	put(s.file("empty", 0o644, ""), secret, s.file("it's a file $x", 0o750, "a\x00b\r\n"))
	s.has(t, "empty", 0o644, "")
	s.has(t, "key", 0o600, "secret")
	s.has(t, "it's a file $x", 0o750, "a\x00b\r\n")
	put(s.file("empty", 0o644, "no more"), secret)
	s.has(t, "empty", 0o644, "no more")
	put(s.file("empty", 0o600, "no more")) // its mode alone
	s.has(t, "empty", 0o600, "no more")
	fresh := s.file("new", 0o644, "new")
	fresh.New = true
	put(fresh)
	s.has(t, "new", 0o644, "new")
	s.hasOnly(t, "empty", "it's a file $x", "key", "new")
}

// writesThen: a script runs when the files are there, and its failure is told as any script's.
func writesThen(t *testing.T, s Subject) {
	there := fmt.Sprintf(`[ ! -d '%s' ] || [ "$(cat '%s')" = data ] || { echo "it is not there" >&2; exit 1; }`, s.Dir,
		s.path("file"))
	for script, says := range map[string]string{there: "", there + "; echo no room >&2; exit 3": "no room"} {
		err := s.write(t.Context(), "", []file{s.file("file", 0o640, "data")}, script)
		if says == "" && err != nil {
			t.Error(err)
		} else if says != "" {
			s.fails(t, script, err, says)
		}
		s.has(t, "file", 0o640, "data")
	}
	s.hasOnly(t, "file")
	failing := "set -e; echo not now >&2; exit 4"
	s.fails(t, failing, s.write(t.Context(), failing, []file{s.file("other", 0o640, "data")}, there), "not now")
	s.hasOnly(t, "file")
	s.fails(t, "a script alone", s.write(t.Context(), "", nil, "echo alone >&2; exit 1"), "alone")
}

// writeFails: of several files none is written when one cannot be.
func writeFails(t *testing.T, s Subject) {
	if err := s.write(t.Context(), "", []file{s.file("first", 0o644, "as it was")}, ""); err != nil {
		t.Fatal(err)
	}
	open, relative, there := s.file("open", 0o644, "secret"), s.file("x", 0o644, "x"), s.file("there", 0o644, "new")
	open.Secret, relative.Path, there.New = true, "x", true
	if err := s.write(t.Context(), "", []file{s.file("there", 0o644, "as it was")}, ""); err != nil {
		t.Fatal(err)
	}
	for what, second := range map[string]file{
		"missing directory": s.file("nowhere/file", 0o644, "x"), "secret for all to read": open, "relative path": relative,
		"one path twice": s.file("first", 0o644, "other"), "new, and there": there,
	} {
		err := s.write(t.Context(), "", []file{s.file("first", 0o644, "new"), second}, "echo after all >&2; exit 1")
		if s.fails(t, what, err); err != nil && strings.Contains(err.Error(), "after all") {
			t.Errorf("%s: the script ran: %v", what, err)
		}
		s.has(t, "first", 0o644, "as it was")
		s.has(t, "there", 0o644, "as it was")
	}
	s.hasOnly(t, "first", "there")
}
