package remote

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/clusterup/clusterup/shellword"
)

// Scripts that come one after the other share a session, whatever became of the one before; what one sets is gone with
// it, and so is a shell that was stopped.
func TestShellIsHeld(t *testing.T) {
	_, h := pair(t)
	for _, script := range []string{
		"x=1; export x; cd /tmp; umask 0; set -f; exec 3</dev/null", "exit 3", "kill -KILL $$",
		"trap 'exit 4' EXIT; exec 2>&1; false",
	} {
		_, err := h.Script(t.Context(), script)
		if script != "kill -KILL $$" && err != nil && !errors.Is(err, ErrScript) {
			t.Fatalf("%s: %v", script, err)
		}
		out, err := h.Script(t.Context(), `echo "${x-}" $(pwd) $(umask) /et*; read -r line || echo empty`)
		if err != nil || string(out) != " / 0077 /etc\nempty\n" {
			t.Errorf("after %s: %q, %v", script, out, err)
		}
	}
	if n := h.Stats().Sessions; n != 2 { // the frame itself was killed once
		t.Errorf("%d sessions, want 2", n)
	}
}

// A script costs the frame two processes: the one in which it runs, and one that watches the connection.
func TestScriptIsCheap(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, for a PID namespace")
	}
	_, h := pair(t, func(s *server) { s.shell = []string{"unshare", "--pid", "--fork", "--mount-proc", "/bin/sh", "-c"} })
	var before int
	for round := range 3 {
		out, err := h.Script(t.Context(), "sh -c 'echo $$'")
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
		if err != nil {
			t.Fatal(err)
		}
		if cost := pid - before; round > 0 && cost != 3 { // sh itself is one
			t.Errorf("%d processes for a script of one, want 3", cost)
		}
		before = pid
	}
	f := File{Path: t.TempDir() + "/x", Mode: 0o644, Owner: "root", Group: "root", Content: []byte("x")}
	for range 2 {
		if err := putOne(t.Context(), h, "", []File{f, {Path: f.Path + "2", Mode: 0o600, Content: []byte("y")}},
			"sh -c 'echo $$ >&2; exit 1'"); err == nil {
			t.Fatal("no error, and so no process number")
		} else if e := new(Error); errors.As(err, &e) {
			pid, _ := strconv.Atoi(strings.TrimSpace(e.Stderr))
			if cost := pid - before; cost > 10 {
				t.Errorf(
					"%d processes for a Put of two files, want 9: two of the frame, sha256sum, chmod, sync twice, mv twice, sh", cost)
			}
			before = pid
		}
	}
}

// Side by side, scripts do not wait for each other; afterwards no more shells are held than ran at once.
func TestScriptsSideBySide(t *testing.T) {
	_, h := pair(t)
	pipe := filepath.Join(t.TempDir(), "pipe")
	if _, err := h.Script(t.Context(), "mkfifo "+shellword.Quote(pipe)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := h.Script(t.Context(), "echo x >"+shellword.Quote(pipe)); err != nil {
				t.Error(err)
			}
		})
		if out, err := h.Script(t.Context(), "cat "+shellword.Quote(pipe)); err != nil || string(out) != "x\n" {
			t.Errorf("%q, %v", out, err)
		}
		all.Wait()
	}
	if n := h.Stats().Sessions; n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
}

func TestFeed(t *testing.T) {
	big := randomBytes(9<<20 + 17)
	tests := []struct {
		name, script string
		input        []byte
		held         int64 // sessions afterwards, with the next script
	}{
		{"all of it", "cat >FILE", big, 1},
		{"nothing", "cat >FILE", nil, 1},
		{"ends before it", "printf %s '' >FILE", big, 2},
		{"ends within it", "head -c 1000000 >FILE", big, 2},
	}
	for _, shell := range shells {
		for _, test := range tests {
			t.Run(shell.name+"/"+test.name, func(t *testing.T) {
				_, h := pair(t, shell.set)
				file := filepath.Join(t.TempDir(), "file")
				var done int64
				progress := func(now, all int64) {
					if now < done || now > all || all != int64(len(test.input)) {
						t.Errorf("%d of %d after %d", now, all, done)
					}
					done = now
				}
				input := Input{
					Size: int64(len(test.input)),
					Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(test.input)), nil },
				}
				if err := h.Feed(t.Context(), strings.ReplaceAll(test.script, "FILE", shellword.Quote(file)), input,
					progress); err != nil {
					t.Fatal(err)
				}
				got, err := os.ReadFile(file)
				if err != nil || !bytes.HasPrefix(test.input, got) ||
					test.held == 1 && (len(got) != len(test.input) || done != int64(len(got))) {
					t.Errorf("%d bytes of %d arrived, %d were told, %v", len(got), len(test.input), done, err)
				}
				if out, err := h.Script(t.Context(), "echo next"); err != nil || string(out) != "next\n" {
					t.Errorf("%q, %v", out, err)
				}
				if n := h.Stats().Sessions; n != test.held {
					t.Errorf("%d sessions, want %d", n, test.held)
				}
			})
		}
	}
}

// A script never takes a connection that was cut for the end of its input.
func TestFeedCut(t *testing.T) {
	s, h := pair(t)
	s.cutAfter = 3 << 20
	file := filepath.Join(t.TempDir(), "file")
	big := randomBytes(9 << 20)
	input := Input{
		Size: int64(len(big)),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(big)), nil },
	}
	err := h.Feed(t.Context(), "trap '' TERM; cat >/dev/null; echo whole >"+shellword.Quote(file), input, nil)
	if !errors.Is(err, ErrLost) {
		t.Errorf("got %v", err)
	}
	eventually(t, "its session is over", func() bool { return s.open.Load() == 0 })
	if _, err := os.Stat(file); err == nil {
		t.Error("the script took cut input for whole")
	}
}

// A look that comes again is not sent again.
func TestLookIsKept(t *testing.T) {
	for _, shell := range shells {
		t.Run(shell.name, func(t *testing.T) {
			_, h := pair(t, shell.set)
			long := strings.Repeat("# a comment\n", longScript)
			for i, word := range []string{"one", "one", "two", "two", "one"} {
				before := h.Stats().BytesSent
				out, err := h.Ask(t.Context(), long+"echo "+word)
				if err != nil || string(out) != word+"\n" {
					t.Fatalf("%q, %v", out, err)
				}
				if sent, again := h.Stats().BytesSent-before, i == 1 || i == 3; again != (sent < longScript) {
					t.Errorf("%d bytes were sent for look %d", sent, i)
				}
				if out, err := h.Script(t.Context(), long+"echo between"); err != nil || string(out) != "between\n" {
					t.Fatalf("%q, %v", out, err)
				}
			}
		})
	}
}

// A script of which a part has arrived does not run, whoever still listens.
func TestScriptCut(t *testing.T) {
	script := "trap '' TERM\necho part >" + shellword.Quote(filepath.Join(t.TempDir(), "file")) + "\n"
	for _, arrived := range []string{"MARK s\n" + script, "MARK s 1000\n" + script, "MARK k 1000\n" + script} {
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", "cu_mark=MARK; cu_ttl=\n"+frame)
		cmd.Stdin = strings.NewReader(arrived)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if out, _ := cmd.Output(); string(out) != "MARK r\n" {
			t.Errorf("it said %q", out)
		}
	}
}

// A script that was handed over to a connection that broke may have run, whatever the host could still say. Only a look
// is handed over again.
func TestNothingRunsTwice(t *testing.T) {
	one := Input{Size: 1, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("x")), nil }}
	tests := []struct {
		name  string
		run   func(*Host) error
		again bool
	}{
		{"script", func(h *Host) error { _, err := h.Script(t.Context(), ":"); return err }, false},
		{"put", func(h *Host) error { return putOne(t.Context(), h, ":", nil, ":") }, false},
		{"feed", func(h *Host) error { return h.Feed(t.Context(), "cat", one, nil) }, false},
		{"look", func(h *Host) error { _, err := h.Ask(t.Context(), ":"); return err }, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, h := pair(t)
			if _, err := h.Script(t.Context(), ":"); err != nil {
				t.Fatal(err)
			}
			s.mu.Lock()
			s.cutAfter = s.received + 1 // when the host has it, and has said nothing
			s.mu.Unlock()
			err := test.run(h)
			if again := err == nil; again != test.again || err != nil && !errors.Is(err, ErrLost) {
				t.Errorf("got %v", err)
			}
			if n := s.dials.Load(); (n == 2) != test.again {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// Sudo that waits for a name server is told of once, with the cause that it gives.
func TestSlowSudo(t *testing.T) {
	for name, test := range map[string]struct{ body, want string }{
		"its name is unknown": {
			"echo 'sudo: unable to resolve host db-1: Temporary failure in name resolution' >&2; ",
			"sudo took 0s to begin: the host does not know its own name (put it into its /etc/hosts): sudo: unable to resolve host db-1: Temporary failure in name resolution",
		},
		"it is fast": {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t)
			s := startServer(t, c.signer.PublicKey(), fakeSudo(test.body+`shift 2; SUDO_COMMAND=x "$@"`))
			var told []string
			c.dialer.Notice = func(host, text string) { told = append(told, host+": "+text) }
			cfg := c.config(t, s)
			cfg.Sudo = true
			h := c.host(t, cfg)
			for range 3 {
				if _, err := h.Script(t.Context(), "true"); err != nil {
					t.Fatal(err)
				}
				h.shed()
			}
			if got := strings.Join(told, "\n"); (test.want == "") != (got == "") ||
				got != "" && sansDuration(got) != "etcd-1: "+sansDuration(test.want) {
				t.Errorf("told %q, want %q", got, test.want)
			}
		})
	}
	h := &Host{cfg: Config{Name: "etcd-1", Sudo: true}, dialer: &Dialer{}}
	var told string
	h.dialer.Notice = func(_, text string) { told = text }
	h.told(&shell{words: &tail{}, waited: 20 * time.Second})
	if !strings.HasPrefix(told, "sudo took 20s to begin: it may wait for a name server") {
		t.Errorf("told %q", told)
	}
}

// sansDuration leaves out the word after "took".
func sansDuration(text string) string {
	before, after, _ := strings.Cut(text, " took ")
	_, after, _ = strings.Cut(after, " ")
	return before + " " + after
}
