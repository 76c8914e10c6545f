package acceptance

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// result is how a run of clusterup ended.
type result struct {
	command        string
	stdout, stderr string
	code           int
}

// run runs clusterup in the lab's network, without a terminal, until it ends. Its output is shown when the test fails.
func (s *site) run(t *testing.T, args ...string) result {
	t.Helper()
	return s.start(t, args...).wait(t)
}

// ok is run for what must go well.
func (s *site) ok(t *testing.T, args ...string) result {
	t.Helper()
	return s.run(t, args...).exits(t, 0)
}

// exits checks the exit code.
func (r result) exits(t *testing.T, code int) result {
	t.Helper()
	if r.code != code {
		t.Fatalf("%s: exit code %d, want %d", r.command, r.code, code)
	}
	return r
}

// says checks that texts are in what was said, on either stream. A … stands for anything on the same line: so
// "etcd-2: …/opt…[preflight]" asks for a host, a path and the kind of a refusal, and for no sentence.
func (r result) says(t *testing.T, texts ...string) result {
	t.Helper()
	for _, text := range texts {
		if !tells(r.stdout, text) && !tells(r.stderr, text) {
			t.Errorf("%s: nowhere says %q", r.command, text)
		}
	}
	return r
}

// saysNot checks that texts are not.
func (r result) saysNot(t *testing.T, texts ...string) result {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(r.stdout, text) || strings.Contains(r.stderr, text) {
			t.Errorf("%s: says %q", r.command, text)
		}
	}
	return r
}

// consent is the flag that a refusal shows for a consent that begins so.
func (r result) consent(t *testing.T, risk string) string {
	t.Helper()
	flag := regexp.MustCompile("--accept=" + regexp.QuoteMeta(risk) + "[0-9a-f]+").FindString(r.stdout + r.stderr)
	if flag == "" {
		t.Fatalf("%s: shows no --accept=%s", r.command, risk)
	}
	return flag
}

func tells(said, text string) bool {
	first, rest, gap := strings.Cut(text, "…")
	if !gap {
		return strings.Contains(said, text)
	}
	for line := range strings.Lines(said) {
		if _, after, ok := strings.Cut(line, first); ok && tells(after, rest) {
			return true
		}
	}
	return false
}

// process is a run that goes on.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr *buffer
	args           string
	ended          chan struct{}
	err            error // of its end; read after ended
	took           time.Duration
}

func (s *site) start(t *testing.T, args ...string) *process {
	t.Helper()
	return s.launch(t, append([]string{s.program}, args...)...)
}

// launch starts a command with an environment that is the same on every machine.
func (s *site) launch(t *testing.T, argv ...string) *process {
	t.Helper()
	return s.launchWith(t, nil, argv...)
}

// launchWith is launch with a keyboard.
func (s *site) launchWith(t *testing.T, keyboard *os.File, argv ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	return s.begin(ctx, t, keyboard, argv, cancel)
}

// serve starts what goes on until kill is called, or else until the test ends.
func (s *site) serve(t *testing.T, argv ...string) (p *process, kill func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p = s.begin(ctx, t, nil, argv, cancel)
	kill = func() {
		cancel()
		<-p.ended
	}
	t.Cleanup(kill)
	return p, kill
}

// begin starts a command that lives no longer than ctx, and calls over when it has ended.
func (s *site) begin(ctx context.Context, t *testing.T, keyboard *os.File, argv []string, over func()) *process {
	t.Helper()
	p := &process{
		stdout: &buffer{also: s.said}, stderr: &buffer{also: s.said}, args: strings.Join(argv[1:], " "),
		ended: make(chan struct{}),
	}
	p.cmd = s.lab.Command(ctx, argv...)
	p.cmd.Env = append(environment(s.home), "CLUSTERUP_COMPARE="+s.compared)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = s.dir, p.stdout, p.stderr
	if keyboard != nil {
		p.cmd.Stdin = keyboard
	}
	p.cmd.WaitDelay = 5 * time.Second
	if err := p.cmd.Start(); err != nil {
		over()
		t.Fatal(err)
	}
	began := time.Now()
	go func() {
		p.err = p.cmd.Wait()
		p.took = time.Since(began)
		over()
		close(p.ended)
	}()
	return p
}

func environment(home string) []string {
	return []string{"HOME=" + home, "XDG_CACHE_HOME=" + cache, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "NO_COLOR=1"}
}

// wait waits for the end.
func (p *process) wait(t *testing.T) result {
	t.Helper()
	<-p.ended
	r := result{command: "clusterup " + p.args, stdout: p.stdout.String(), stderr: p.stderr.String()}
	var exit *exec.ExitError
	switch {
	case errors.As(p.err, &exit):
		r.code = exit.ExitCode()
	case p.err != nil:
		t.Fatalf("%s: %v", r.command, p.err)
	}
	t.Logf("$ %s\n%s%s[exit %d, %.2f s]", r.command, clip(r.stdout), clip(r.stderr), r.code, p.took.Seconds())
	return r
}

// await waits until the run has said something, and fails when it ends before.
func (p *process) await(t *testing.T, text string) {
	t.Helper()
	over := false
	until(t, "clusterup "+p.args+" to say "+text, func() bool {
		select {
		case <-p.ended:
			over = true
		default:
		}
		return over || strings.Contains(p.stdout.String()+p.stderr.String(), text)
	})
	if said := p.stdout.String() + p.stderr.String(); !strings.Contains(said, text) {
		t.Fatalf("clusterup %s ended without saying %q:\n%s", p.args, text, said)
	}
}

func clip(text string) string {
	const most, last = 5000, 2000 // how it ends is what matters where it went wrong
	if len(text) > most+last {
		return text[:most] + "\n…\n" + text[len(text)-last:]
	}
	return text
}

// buffer is a writer that may be read while it is written to.
type buffer struct {
	mu   sync.Mutex
	data bytes.Buffer
	also *buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	if b.also != nil {
		_, _ = b.also.Write(p) // never fails
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.String()
}
