package view

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// Stdout carries the result, stderr the progress, the questions and the errors. An error says what was being done, the
// cause, and what to do next. Without a terminal there is one line per event, and no colour.

// Console is the terminal, or what stands for it.
type Console struct {
	In   *os.File
	Out  io.Writer
	Err  io.Writer
	Stop <-chan struct{} // closed by the first Ctrl-C or SIGTERM

	JSON   bool // stdout carries one JSON object a line
	Full   bool // what is long is shown whole
	Intact bool // a session was begun, and has changed nothing so far

	Destroying bool   // plans shown are those of a destroy
	Idle       string // what a plan with nothing to do says, of a command that does one thing; "": the usual
	Advice     Advice // nil: none

	mu   sync.Mutex
	live *bars // what draws on the terminal now; nil: nothing
}

// Terminal says whether a person sits at both ends.
func (c *Console) Terminal() bool {
	errFile, ok := c.Err.(*os.File)
	return ok && term.IsTerminal(int(c.In.Fd())) && term.IsTerminal(int(errFile.Fd()))
}

// color says whether w takes colours.
func color(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(file.Fd()))
}

// width is that of w's terminal in columns, 0 when it is none.
func width(w io.Writer) int {
	file, ok := w.(*os.File)
	if !ok {
		return 0
	}
	columns, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

// Typed says whether stdin is a terminal.
func (c *Console) Typed() bool { return term.IsTerminal(int(c.In.Fd())) }

// Say writes one line of progress.
func (c *Console) Say(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	line := sprintf(format, args...) + "\n"
	if c.live != nil {
		c.live.above(line)
		return
	}
	fprintf(c.Err, "%s", line)
}

// UntilStopped is a context for what only looks: the first signal ends it.
func (c *Console) UntilStopped(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-c.Stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// Interrupted says that the first signal was heard.
func (c *Console) Interrupted() {
	c.Say("stopping at the next safe point; once more to stop at once")
}

// Ask puts a question and reads one line. It returns an error once ctx ends or a stop comes, even if nobody ever
// answers, and at once if there is no terminal.
func (c *Console) Ask(ctx context.Context, question string) (string, error) {
	if !c.Terminal() {
		return "", errors.New("there is no terminal to ask on")
	}
	c.mu.Lock()
	fprintf(c.Err, "%s", text(question))
	c.mu.Unlock()
	return Awaited(ctx, c.Stop, func() (string, error) {
		line, err := bufio.NewReader(c.In).ReadString('\n')
		return strings.TrimSpace(line), err
	})
}

// Awaited is what read returns. A read that never ends is waited for until ctx ends or stop is closed, and goes on
// alone then.
func Awaited[T any](ctx context.Context, stop <-chan struct{}, read func() (T, error)) (T, error) {
	type answer struct {
		text T
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		text, err := read()
		got <- answer{text, err}
	}()
	var none T
	select {
	case a := <-got:
		return a.text, a.err
	case <-stop:
		return none, context.Canceled
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// Yes asks a question that is answered with yes or no.
func (c *Console) Yes(ctx context.Context, question string) (bool, error) {
	answer, err := c.Ask(ctx, question+" [yes/no] ")
	return answer == "yes" || answer == "y", err
}

// Passphrase asks for the passphrase of a key file, without showing it.
func (c *Console) Passphrase(ctx context.Context, keyFile string) ([]byte, error) {
	return c.Secret(ctx, "Passphrase of "+keyFile+": ")
}

// Secret reads a line without showing it, from before the question on: nothing of an answer that is quick is shown
// either. Like Ask it ends with ctx or a stop, and then leaves the terminal as it was.
func (c *Console) Secret(ctx context.Context, question string) ([]byte, error) {
	keyboard := int(c.In.Fd())
	before, err := term.GetState(keyboard)
	if err != nil {
		return nil, err
	}
	if err := silence(keyboard); err != nil {
		return nil, err
	}
	c.mu.Lock()
	fprintf(c.Err, "%s", text(question))
	c.mu.Unlock()
	defer fprintf(c.Err, "\n")
	secret, err := Awaited(ctx, c.Stop, func() ([]byte, error) { return line(c.In) })
	return secret, errors.Join(err, term.Restore(keyboard, before))
}
