package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/view"
)

// typing is a console whose stdin is no terminal.
func typing(t *testing.T, text string) *console {
	t.Helper()
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	t.Cleanup(func() { out.Close() })
	if _, err := io.WriteString(out, text); err != nil {
		t.Fatal(err)
	}
	return &console{Console: &view.Console{In: in, Err: &strings.Builder{}, Stop: make(chan struct{})}}
}

func TestPasswordFile(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		want string
		says string
	}{
		"one line":          {"open sesame\n", 0o600, "open sesame", ""},
		"without its end":   {"open sesame", 0o400, "open sesame", ""},
		"from Windows":      {"open sesame\r\nmore\r\n", 0o600, "open sesame", ""},
		"spaces":            {" open sesame \n", 0o600, " open sesame ", ""},
		"empty":             {"", 0o600, "", "is empty"},
		"empty line":        {"\nopen sesame\n", 0o600, "", "is empty"},
		"group may read it": {"open sesame\n", 0o640, "", "chmod 0600"},
		"all may read it":   {"open sesame\n", 0o604, "", "chmod 0600"},
		"not UTF-8":         {"open sesame\xff\n", 0o600, "", "not UTF-8"},
		"no end":            {strings.Repeat("sesame", 20_000), 0o600, "", "too long"},
	} {
		file := filepath.Join(t.TempDir(), "password")
		if err := errors.Join(os.WriteFile(file, []byte(c.text), 0o600), os.Chmod(file, c.mode)); err != nil {
			t.Fatal(err)
		}
		got, err := typing(t, "").newPassword(t.Context(), file, "app.p12")
		if c.says == "" && err != nil || c.says != "" &&
			(err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "sesame")) {
			t.Errorf("%s: %v", name, err)
		}
		if got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if _, err := typing(t, "").newPassword(t.Context(), filepath.Join(t.TempDir(), "none"), "app.p12"); !errors.Is(err,
		os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestPasswordFromStdin(t *testing.T) {
	if got, err := typing(t, "open sesame\nmore").newPassword(t.Context(), "-", "app.p12"); got != "open sesame" ||
		err != nil {
		t.Errorf("%q, %v", got, err)
	}
	c, stop := typing(t, ""), make(chan struct{}) // nobody ever writes
	c.Stop = stop
	close(stop)
	if got, err := c.newPassword(t.Context(), "-", "app.p12"); got != "" || !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %q, %v", got, err)
	}
}

func TestPasswordSource(t *testing.T) {
	c := typing(t, "")
	if err := errors.Join(c.passwordSource("-"), c.passwordSource("file")); err != nil {
		t.Error(err)
	}
	if err := c.passwordSource(""); view.Advice(operator.Advice).ExitCode(err) != view.ExitUsage ||
		!strings.Contains(err.Error(), "--password-file") {
		t.Errorf("nowhere to have it from: %v", err)
	}
}
