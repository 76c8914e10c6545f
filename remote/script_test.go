package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clusterup/clusterup/shellword"
)

// eventually waits for a condition, which what names.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(15 * time.Second)
	defer deadline.Stop()
	ticks := time.NewTicker(5 * time.Millisecond)
	defer ticks.Stop()
	for !holds() {
		select {
		case <-ticks.C:
		case <-deadline.C:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func TestScript(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 300_000)
	long := strings.Repeat("# Grüße\n", longScript/4)
	tests := []struct {
		name, script, stdin, want string
	}{
		{"a long one", long + "echo end", "", "end\n"},
		{"a long one with input", long + "cat; echo end\n\n", big, big + "end\n"},
		{"a long one that does not read", long + "echo end", big, "end\n"},
		{"words", "echo hello", "", "hello\n"},
		{"no newline at the end", "printf x", "", "x"},
		{"quotes and backslashes", `printf '%s|' "it's" 'a\nb' "$(printf 'c\td')" \\`, "", "it's|a\\nb|c\td|\\|"},
		{"percent and dollar", `x='%s $HOME %'; echo "$x"`, "", "%s $HOME %\n"},
		{"many lines, comments and functions", "# comment\nf() {\n\techo \"f $1\"\n}\n\nf 1; f 2\n", "", "f 1\nf 2\n"},
		{"here document", "cat <<'EOF'\na\\n$b\nEOF\n", "", "a\\n$b\n"},
		{"utf-8", "echo 'Grüße …'", "", "Grüße …\n"},
		{"no input is empty input", "cat; echo end", "", "end\n"},
		{"input", "cat", "line 1\nline 2", "line 1\nline 2"},
		{"input in parts", "read -r a; echo \"<$a>\"; cat", "one\ntwo\n", "<one>\ntwo\n"},
		{"big input", "cat", big, big},
		{"input not read", "echo done", big, "done\n"},
		{
			"environment", "echo $LC_ALL $(umask) $(pwd) $PATH", "",
			"C 0077 / /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
		},
		{"exec", "exec echo replaced", "", "replaced\n"},
		{"exit 0", "trap 'echo bye' EXIT; exit 0", "", "bye\n"},
	}
	for _, shell := range shells {
		for _, test := range tests {
			t.Run(shell.name+"/"+test.name, func(t *testing.T) {
				_, h := pair(t, shell.set)
				for range 2 { // in the shell that is held, as in a new one
					got, err := feedScript(t, h, test.script, test.stdin)
					if err != nil {
						t.Fatal(err)
					}
					if got != test.want {
						t.Errorf("got %.200q (%d bytes), want %.200q", got, len(got), test.want)
					}
				}
			})
		}
	}
}

// feedScript is Script, with input where there is any.
func feedScript(t *testing.T, h *Host, script, stdin string) (string, error) {
	t.Helper()
	if stdin == "" {
		out, err := h.Script(t.Context(), script)
		return string(out), err
	}
	out := &limited{limit: outputLimit}
	err := h.run(t.Context(), command{
		op: "run script", script: script, stdout: out,
		input: &feed{r: strings.NewReader(stdin), size: int64(len(stdin))},
	})
	return string(out.said()), err
}

// shells are the kinds of accounts that real machines have.
var shells = []struct {
	name string
	set  func(*server)
}{
	{"plain", func(*server) {}},
	{"noisy", func(s *server) { s.prelude = "echo Welcome; echo '  to the machine' >&2; printf 'no newline'; " }},
	{"bash", func(s *server) { s.shell = []string{"bash", "--norc", "-c"} }},
	{"odd umask and locale", func(s *server) {
		s.prelude = "umask 0; cd /tmp; "
		s.env = []string{"LC_ALL=de_DE.UTF-8", "POSIXLY_CORRECT=1", "CDPATH=/"}
	}},
}

func TestScriptFails(t *testing.T) {
	secret := "hunter2"
	tests := []struct {
		name, script string
		set          func(*server)
		sudo         bool
		kind         error
		status       int
		text         string
		hint         string // in the remedy
	}{
		{
			name: "exit status and words", script: "pw=" + secret + "; echo 'disk on fire' >&2; exit 7",
			kind: ErrScript, status: 7, text: "etcd-1: run script: disk on fire",
		},
		{
			name: "no words", script: "exit 3", kind: ErrScript, status: 3,
			text: "etcd-1: run script: exit status 3 and no message",
		},
		{name: "syntax error", script: "if", kind: ErrScript, status: 2, text: "etcd-1: run script: "},
		{
			name: "noise is not the cause", script: "exit 1", set: func(s *server) { s.prelude = "echo noise >&2; " },
			kind: ErrScript, status: 1, text: "etcd-1: run script: exit status 1 and no message",
		},
		{
			name: "nologin", script: "true", set: func(s *server) {
				s.prelude = "echo 'This account is not available'; exit 1; "
			},
			kind: ErrShell, text: "etcd-1: run script: This account is not available",
			hint: "usermod -s /bin/sh ops",
		},
		{
			name: "start-up file replaces the shell", script: "true", set: func(s *server) { s.prelude = "exec bash; " },
			kind: ErrShell, text: "etcd-1: run script: a start-up file of ops's shell replaces it", hint: "case $- in",
		},
		{
			name: "start-up file replaces the shell, sudo", script: "true", sudo: true,
			set:  func(s *server) { s.prelude = "exec sh; " },
			kind: ErrShell, text: "etcd-1: run script: a start-up file of ops's shell replaces it", hint: "case $- in",
		},
		{
			name: "start-up file reads", script: "pw=" + secret, set: func(s *server) { s.prelude = "read x; " },
			kind: ErrShell, text: "etcd-1: run script: a start-up file of ops's shell replaces it, or reads its input",
			hint: "case $- in",
		},
		{
			name: "start-up file reads, sudo", script: "true", sudo: true,
			set:  func(s *server) { fakeSudo("")(s); s.prelude = "read x; " },
			kind: ErrShell, text: "etcd-1: run script: a start-up file of ops's shell replaces it, or reads its input",
			hint: "case $- in",
		},
		{
			name: "sudo wants a terminal", script: "true", sudo: true,
			set:  fakeSudo("echo 'sudo: sorry, you must have a tty to run sudo' >&2; exit 1"),
			kind: ErrSudo, text: "etcd-1: become root: sudo: sorry, you must have a tty", hint: "Defaults:ops !requiretty",
		},
		{
			name: "sudo forbids other programs", script: "true", sudo: true,
			set:  fakeSudo(`shift 2; LD_PRELOAD=/usr/libexec/sudo/sudo_noexec.so exec "$@"`),
			kind: ErrSudo, text: "etcd-1: become root: sudo lets the shell of root start no other program",
			hint: "Defaults:ops !noexec",
		},
		{
			name: "sudo wants a password", script: "true", sudo: true,
			set:  fakeSudo("echo 'sudo: a password is required' >&2; exit 1"),
			kind: ErrSudo, text: "etcd-1: become root: sudo: a password is required",
			hint: "NOPASSWD",
		},
		{
			name: "no sudo", script: "true", sudo: true, set: func(s *server) { s.env = []string{"PATH=/nonexistent"} },
			kind: ErrSudo, text: "etcd-1: become root: ", hint: "install sudo",
		},
		{name: "nul byte", script: "echo \x00", text: "etcd-1: run script: script has a NUL byte at offset 5"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newClient(t)
			s := startServer(t, c.signer.PublicKey(), func(s *server) {
				if test.set != nil {
					test.set(s)
				}
			})
			cfg := c.config(t, s)
			cfg.Sudo = test.sudo
			_, err := c.host(t, cfg).Script(t.Context(), test.script)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if !errors.Is(err, test.kind) && test.kind != nil {
				t.Errorf("kind %v, want %v", e.Kind, test.kind)
			}
			if e.ExitStatus != test.status {
				t.Errorf("exit status %d, want %d", e.ExitStatus, test.status)
			}
			if !strings.HasPrefix(err.Error(), test.text) {
				t.Errorf("text %q, want %q", err, test.text)
			}
			if strings.Contains(fmt.Sprintf("%+v", e), secret) {
				t.Errorf("the error holds script text: %+v", e)
			}
			if !strings.Contains(e.Remedy, test.hint) || test.hint == "" && e.Remedy != "" {
				t.Errorf("remedy %q, want %q", e.Remedy, test.hint)
			}
			if strings.Contains(fmt.Sprintf("%+v", e), "cu_") {
				t.Errorf("the error holds our own program: %+v", e)
			}
		})
	}
}

// fakeSudo puts a sudo first in the PATH that does as body says; "" runs the command.
func fakeSudo(body string) func(*server) {
	return func(s *server) {
		dir := s.t.TempDir()
		if body == "" {
			body = `[ "$1 $2" = "-n --" ] || exit 9; shift 2; SUDO_COMMAND=x "$@"`
		}
		if err := os.WriteFile(filepath.Join(dir, "sudo"), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			s.t.Fatal(err)
		}
		s.env = []string{"PATH=" + dir + ":/usr/bin:/bin"}
	}
}

func TestSecretsStayOutOfArguments(t *testing.T) {
	s, h := pair(t)
	out, err := feedScript(t, h, "pw=hunter2; cat /proc/*/cmdline 2>/dev/null | tr '\\0' ' '; cat >/dev/null", "hunter3")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range append(s.commands, out) {
		if strings.Contains(line, "hunter2") || strings.Contains(line, "hunter3") {
			t.Errorf("a command line holds a secret: %q", line)
		}
	}
	if !strings.Contains(out, "IFS= read -r s") {
		t.Error("the frame's own command line was not seen, so this test sees nothing")
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("disk full here") }

func TestOutputWriterFails(t *testing.T) {
	_, h := pair(t)
	err := h.run(t.Context(), command{op: "talk", script: "while :; do echo y; done", stdout: brokenWriter{}})
	if err == nil || !strings.Contains(err.Error(), "disk full here") {
		t.Fatalf("got %v", err)
	}
}

func TestScriptInputFails(t *testing.T) {
	_, h := pair(t)
	file := filepath.Join(t.TempDir(), "out")
	for text, rest := range map[string]io.Reader{
		"bad sector":                         errReader{},
		"it is 6 bytes shorter than it said": strings.NewReader(""),
	} {
		input := Input{Size: 10, Open: func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader("half"), rest)), nil
		}}
		err := h.Feed(t.Context(), "cat && echo whole > "+shellword.Quote(file), input, nil)
		if err == nil || !strings.Contains(err.Error(), "read input of script: "+text) {
			t.Errorf("got %v, want %s", err, text)
		}
		if _, err := os.Stat(file); err == nil {
			t.Error("the script took cut input for whole")
		}
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("bad sector") }

// pidOf reads the process IDs that a script wrote to a file.
func pidOf(t *testing.T, file string, n int) []int {
	t.Helper()
	var pids []int
	eventually(t, "the script says its process IDs", func() bool {
		text, _ := os.ReadFile(file)
		words := strings.Fields(string(text))
		if len(words) < n || !bytes.HasSuffix(text, []byte("\n")) {
			return false
		}
		pids = nil
		for _, w := range words {
			pid, err := strconv.Atoi(w)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
		return true
	})
	return pids
}

func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(stat, []byte(") Z "))
}

func gone(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		eventually(t, fmt.Sprintf("process %d has ended", pid), func() bool { return !alive(pid) })
	}
}

func TestWhatRunsIsStopped(t *testing.T) {
	long := "sleep 600 & echo $! >> FILE; (sleep 601; :) & echo $! >> FILE; sh -c 'echo $$ >> FILE; exec sleep 602'; echo never >> FILE"
	deaf := "trap '' TERM; sh -c 'trap \"\" TERM; echo $$; echo $$; echo $$; while :; do sleep 603; done' >> FILE"
	cutIt := func(s *server, _ context.CancelFunc) { s.cut() }
	cancelIt := func(_ *server, cancel context.CancelFunc) { cancel() }
	tests := []struct {
		name, script string
		sudo         bool
		set          func(*server)
		end          func(*server, context.CancelFunc)
		kind         error
	}{
		{"cancelled", long, false, nil, cancelIt, context.Canceled},
		{"cut", long, false, nil, cutIt, ErrLost},
		{"cancelled under sudo", long, true, fakeSudo(""), cancelIt, context.Canceled},
		{"cut under sudo", long, true, fakeSudo(""), cutIt, ErrLost},
		{"deaf to SIGTERM", deaf, false, nil, cancelIt, context.Canceled},
		{"a child deaf to SIGTERM", strings.TrimPrefix(deaf, "trap '' TERM; "), false, nil, cancelIt, context.Canceled},
		{"a child deaf to SIGTERM, cut", strings.TrimPrefix(deaf, "trap '' TERM; "), false, nil, cutIt, ErrLost},
		{"not the leader of its group", long, false, func(s *server) {
			s.prelude = "eval "
			s.shell = []string{"/bin/sh", "-c", `sh -c "${0#eval }"; exit $?`}
		}, cancelIt, context.Canceled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			s := startServer(t, c.signer.PublicKey(), func(s *server) {
				if test.set != nil {
					test.set(s)
				}
			})
			cfg := c.config(t, s)
			cfg.Sudo = test.sudo
			h := c.host(t, cfg)
			file := filepath.Join(t.TempDir(), "pids")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() {
				_, err := h.Script(ctx, strings.ReplaceAll(test.script, "FILE", file))
				ended <- err
			}()
			pids := pidOf(t, file, 3)
			test.end(s, cancel)
			err := <-ended
			if !errors.Is(err, test.kind) {
				t.Errorf("got %v, want %v", err, test.kind)
			}
			gone(t, pids)
		})
	}
}

func TestTrapRunsWhenStopped(t *testing.T) {
	_, h := pair(t)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	script := "cd " + shellword.Quote(dir) + "; trap 'rm -f temp' EXIT; trap 'exit 143' TERM; : > temp; sleep 600"
	ended := make(chan error, 1)
	go func() {
		_, err := h.Script(ctx, script)
		ended <- err
	}()
	temp := filepath.Join(dir, "temp")
	eventually(t, "the script is under way", func() bool { _, err := os.Stat(temp); return err == nil })
	cancel()
	<-ended
	if _, err := os.Stat(temp); err == nil {
		t.Error("Script returned before the script's own cleanup was done")
	}
}

// A look at a host that never ends is given up, and says which host that is; one that is cancelled before is a
// cancelled one.
func TestAsk(t *testing.T) {
	c := newClient(t)
	s := startServer(t, c.signer.PublicKey())
	h := c.host(t, c.config(t, s))
	if out, err := h.Ask(t.Context(), "echo fine"); err != nil || string(out) != "fine\n" {
		t.Fatalf("%q, %v", out, err)
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Ask(ctx, "cat "+shellword.Quote(pipe)); !errors.Is(err, context.Canceled) || errors.Is(err, ErrSilent) {
		t.Errorf("cancelled: %v", err)
	}
	c.dialer.patience = 100 * time.Millisecond
	_, err := h.Ask(t.Context(), "cat "+shellword.Quote(pipe))
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, ErrSilent) ||
		e.Error() != "etcd-1: look at the host: no answer within 100ms" || e.Remedy == "" {
		t.Errorf("silent: %+v", err)
	}
	c.dialer.patience = 0
	if out, err := h.Ask(t.Context(), "echo back"); err != nil || string(out) != "back\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// A script that never began is not told as a file system that does not answer.
func TestUnbegun(t *testing.T) {
	for name, test := range map[string]struct {
		set  func(*server)
		sudo bool
		kind error
	}{
		"a start-up file takes all input": {func(s *server) { s.prelude = "cat; " }, false, ErrShell},
		"sudo hangs":                      {fakeSudo("exec cat >/dev/null"), true, ErrSudo},
		"the shell hangs":                 {func(s *server) { s.prelude = "sleep 3; " }, false, ErrSilent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			s := startServer(t, c.signer.PublicKey(), test.set)
			cfg := c.config(t, s)
			cfg.Sudo = test.sudo
			c.dialer.patience = 2 * time.Second // for the marks to come
			_, err := c.host(t, cfg).Ask(t.Context(), "true")
			if !errors.Is(err, test.kind) || strings.Contains(fmt.Sprintf("%+v", err), "cu_") {
				t.Errorf("got %+v, want %v", err, test.kind)
			}
		})
	}
}
