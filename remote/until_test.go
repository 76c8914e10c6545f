package remote

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/shellword"
)

// A script goes on until it is to end, and says what it has to say meanwhile; the next one runs in the same session.
func TestAskUntil(t *testing.T) {
	for _, shell := range shells {
		_, h := pair(t, shell.set)
		said, out := io.Pipe()
		until := make(chan struct{})
		var err error
		go func() {
			err = h.AskUntil(t.Context(), "echo up; read -r line || echo down", until, out)
			out.Close()
		}()
		up := make([]byte, len("up\n"))
		if _, err := io.ReadFull(said, up); err != nil || string(up) != "up\n" {
			t.Fatalf("%s: %q, %v", shell.name, up, err)
		}
		close(until)
		if down, readErr := io.ReadAll(said); err != nil || readErr != nil || string(down) != "down\n" {
			t.Errorf("%s: %q, %v, %v", shell.name, down, err, readErr)
		}
		if _, err := h.Script(t.Context(), "true"); err != nil || h.Stats().Sessions != 1 {
			t.Errorf("%s: %d sessions, %v", shell.name, h.Stats().Sessions, err)
		}
	}
}

// It ends with the connection and with its caller, too, and never takes that for the end of its input.
func TestAskUntilCutOff(t *testing.T) {
	for name, end := range map[string]func(s *server, stop func()){
		"cut":       func(s *server, _ func()) { s.cut() },
		"cancelled": func(_ *server, stop func()) { stop() },
	} {
		s, h := pair(t)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		said, out := io.Pipe()
		var err error
		go func() {
			err = h.AskUntil(ctx, "echo up; read -r line; echo down", make(chan struct{}), out)
			out.Close()
		}()
		if _, err := io.ReadFull(said, make([]byte, len("up\n"))); err != nil {
			t.Fatal(err)
		}
		end(s, stop)
		rest, _ := io.ReadAll(said)
		if strings.Contains(string(rest), "down") || name == "cut" && !errors.Is(err, ErrLost) ||
			name != "cut" && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %q, %v", name, rest, err)
		}
		eventually(t, "its session is over", func() bool { return s.open.Load() == 0 })
	}
}

// A script is not handed over where a check fails once its shell is there, and the shell goes on.
func TestChecked(t *testing.T) {
	s, h := pair(t)
	file := t.TempDir() + "/file"
	fallen := errors.New("the lock has fallen")
	for _, held := range []bool{false, true, false} {
		ctx := Checked(t.Context(), func() error {
			if s.open.Load() != 1 {
				t.Errorf("%d sessions are open when it is checked", s.open.Load())
			}
			if held {
				return nil
			}
			return fallen
		})
		_, err := h.Script(ctx, "echo x >>"+shellword.Quote(file))
		if put := putOne(ctx, h, "", []File{{Path: file + "2", Content: []byte("x")}}, ""); held && err != nil ||
			!held && (!errors.Is(err, fallen) || !errors.Is(put, fallen)) {
			t.Errorf("held %t: %v, %v", held, err, put)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "x\n" {
		t.Errorf("%q, %v", got, err)
	}
	if n := h.Stats().Sessions; n != 1 {
		t.Errorf("%d sessions", n)
	}
}

// A script that ends before its input is over, and its shell goes on.
func TestAskUntilEndsEarly(t *testing.T) {
	for _, shell := range shells {
		_, h := pair(t, shell.set)
		out := &limited{limit: lookLimit}
		if err := h.AskUntil(t.Context(), "echo early", make(chan struct{}), out); err != nil ||
			string(out.text) != "early\n" {
			t.Errorf("%s: %q, %v", shell.name, out.text, err)
		}
		if err := h.AskUntil(t.Context(), "exit 3", make(chan struct{}), out); !errors.Is(err, ErrScript) {
			t.Errorf("%s: %v", shell.name, err)
		}
		if _, err := h.Script(t.Context(), "true"); err != nil || h.Stats().Sessions != 1 {
			t.Errorf("%s: %d sessions, %v", shell.name, h.Stats().Sessions, err)
		}
	}
}
