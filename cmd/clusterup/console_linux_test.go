package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clusterup/clusterup/view"
)

// terminal is both ends of a new terminal.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

// echoes says whether a terminal shows what is typed.
func echoes(t *testing.T, file *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// asked calls act once the terminal no longer shows what is typed, and returns the answer to the question.
func asked(t *testing.T, person *os.File, act func(), question func() (string, error)) (string, error) {
	t.Helper()
	type answer struct {
		secret string
		err    error
	}
	got := make(chan answer, 1)
	go func() {
		secret, err := question()
		got <- answer{secret, err}
	}()
	deadline := time.After(time.Minute)
	for echoes(t, person) {
		select {
		case a := <-got:
			t.Fatalf("it did not ask: %v", a.err)
		case <-deadline:
			t.Fatal("the terminal goes on showing what is typed")
		default:
		}
	}
	act()
	select {
	case a := <-got:
		if !echoes(t, person) {
			t.Error("the terminal does not show what is typed any more")
		}
		return a.secret, a.err
	case <-deadline:
		t.Fatal("it goes on asking")
		return "", nil
	}
}

// A passphrase is not shown; a stop or the end of the context ends the question, and the terminal shows again what is
// typed.
func TestPassphrase(t *testing.T) {
	for name, test := range map[string]struct {
		act  func(person *os.File, stop chan struct{}, cancel func())
		want error
	}{
		"answered": {func(person *os.File, _ chan struct{}, _ func()) { fmt.Fprintln(person, "open sesame") }, nil},
		"stopped":  {func(_ *os.File, stop chan struct{}, _ func()) { close(stop) }, context.Canceled},
		"over":     {func(_ *os.File, _ chan struct{}, cancel func()) { cancel() }, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			person, program := terminal(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			said, stop := &strings.Builder{}, make(chan struct{})
			c := &console{Console: &view.Console{In: program, Err: said, Stop: stop}}
			secret, err := asked(t, person, func() { test.act(person, stop, cancel) }, func() (string, error) {
				secret, err := c.Passphrase(ctx, "id_ed25519")
				return string(secret), err
			})
			if !errors.Is(err, test.want) || test.want == nil && secret != "open sesame" || test.want != nil && secret != "" {
				t.Errorf("%q, %v", secret, err)
			}
			if said.String() != "Passphrase of id_ed25519: \n" {
				t.Errorf("it says %q", said)
			}
		})
	}
}

// A new password is typed twice, and never shown.
func TestNewPassword(t *testing.T) {
	for typed, says := range map[string]string{
		"open sesame\nopen sesame\n": "",
		"open sesame\nopen sesam\n":  "passwords differ",
		"\n\n":                       "is empty",
		"sesame 😀\nsesame 😀\n":       "emoji",
	} {
		person, program := terminal(t)
		said := &strings.Builder{}
		c := &console{Console: &view.Console{In: program, Err: said, Stop: make(chan struct{})}}
		password, err := asked(t, person, func() { fmt.Fprint(person, typed) }, func() (string, error) {
			return c.newPassword(t.Context(), "", "creds/app.p12")
		})
		if says == "" && (err != nil || password != "open sesame") {
			t.Errorf("%q: %q, %v", typed, password, err)
		}
		if says != "" && (err == nil || password != "" || !strings.Contains(err.Error(), says) ||
			strings.Contains(err.Error(), "sesam")) {
			t.Errorf("%q: %q, %v", typed, password, err)
		}
		if said.String() != "New password of creds/app.p12: \nOnce more: \n" {
			t.Errorf("it says %q", said)
		}
	}
}
