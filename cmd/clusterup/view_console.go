package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/user"
	"strings"
	"sync"

	"golang.org/x/term"

	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/remote"
)

// clusterup speaks so: stdout carries the result, stderr the progress, the questions and the errors. An error says
// what was being done, the cause, and what to do next. Whatever is not a terminal gets one line per event and no
// colour.

// console is the terminal, or what stands for it.
type console struct {
	in   *os.File
	out  io.Writer
	err  io.Writer
	stop <-chan struct{} // closed by the first Ctrl-C or SIGTERM
	base context.Context // of the whole run, for questions that are asked from where none is passed

	mu   sync.Mutex
	live *bars // what draws on the terminal now; nil: nothing
	json bool  // stdout carries one JSON object a line

	full       bool   // what is long is shown whole
	destroying bool   // plans shown are those of a destroy
	told       string // the flags that the journal tells of
	intact     bool   // a session was begun, and has changed nothing so far
}

// terminal says whether a person sits at both ends.
func (c *console) terminal() bool {
	errFile, ok := c.err.(*os.File)
	return ok && term.IsTerminal(int(c.in.Fd())) && term.IsTerminal(int(errFile.Fd()))
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

// say writes one line of progress.
func (c *console) say(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	line := sprintf(format, args...) + "\n"
	if c.live != nil {
		c.live.print(line)
		return
	}
	fprintf(c.err, "%s", line)
}

// untilStopped is a context for what only looks: the first signal ends it.
func (c *console) untilStopped(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-c.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

func (c *console) interrupted() {
	c.say("stopping at the next safe point; once more to stop at once")
}

// ask puts a question and reads one line. It does not outlive ctx or a stop, even though nobody may ever answer.
func (c *console) ask(ctx context.Context, question string) (string, error) {
	if !c.terminal() {
		return "", errors.New("there is no terminal to ask on")
	}
	c.mu.Lock()
	fprintf(c.err, "%s", text(question))
	c.mu.Unlock()
	return awaited(ctx, c.stop, func() (string, error) {
		line, err := bufio.NewReader(c.in).ReadString('\n')
		return strings.TrimSpace(line), err
	})
}

// awaited is what read gives, which may never end: it is not waited for any longer once ctx ends or stop is closed.
func awaited[T any](ctx context.Context, stop <-chan struct{}, read func() (T, error)) (T, error) {
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

func (c *console) yes(ctx context.Context, question string) (bool, error) {
	answer, err := c.ask(ctx, question+" [yes/no] ")
	return answer == "yes" || answer == "y", err
}

// passphrase asks for that of a key file.
func (c *console) passphrase(ctx context.Context, keyFile string) ([]byte, error) {
	return c.secret(ctx, "Passphrase of "+keyFile+": ")
}

// secret reads a line without showing it. Like ask it does not outlive ctx or a stop, and then leaves the terminal as
// it was.
func (c *console) secret(ctx context.Context, question string) ([]byte, error) {
	keyboard := int(c.in.Fd())
	before, err := term.GetState(keyboard)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	fprintf(c.err, "%s", text(question))
	c.mu.Unlock()
	defer fprintf(c.err, "\n")
	secret, err := awaited(ctx, c.stop, func() ([]byte, error) { return term.ReadPassword(keyboard) })
	return secret, errors.Join(err, term.Restore(keyboard, before))
}

// dialer is the SSH side of a run.
func (c *console) dialer(flags clusterFlags) *remote.Dialer {
	d := &remote.Dialer{
		Env: os.Getenv, Home: homeDir(), AcceptNewHostKeys: flags.acceptNew,
		Notice: func(host, notice string) { c.say("note: %s: %s", host, notice) },
	}
	if c.terminal() {
		d.Ask, d.Passphrase = c.yes, c.passphrase
	}
	return d
}

// homeDir is what HOME says, else the user database, as for ssh: a system unit has no HOME. It is "" where neither
// knows one; then there are no usual key files, and "~/" is an error in the inventory, which says so.
func homeDir() string {
	if home, err := os.UserHomeDir(); err == nil {
		return home
	}
	if u, err := user.Current(); err == nil {
		return u.HomeDir
	}
	return ""
}

// load reads the inventory, or takes its text as given, and shows what is wrong with it.
func (c *console) load(path string, text []byte, flags clusterFlags) (*inventory.Cluster, error) {
	vars, err := flags.variables()
	if err != nil {
		return nil, err
	}
	options := inventory.Options{Vars: vars, VarFiles: flags.varFiles, Env: os.Environ(), Home: homeDir()}
	var file *inventory.File
	var diags inventory.Diagnostics
	if text == nil {
		file, diags = inventory.Load(path, options)
	} else {
		file, diags = inventory.Parse(text, path, options)
	}
	switch {
	case !flags.warns && !diags.HasErrors():
	case c.json:
		for _, d := range diags.All() {
			c.object(diagnosticObject{"diagnostic", d})
		}
	case len(diags.All()) > 0:
		if err := diags.Write(c.err, width(c.err), color(c.err)); err != nil {
			return nil, err
		}
		fprintf(c.err, "\n")
	}
	if diags.HasErrors() {
		return nil, errInventory
	}
	cluster, err := file.Cluster(flags.cluster)
	if err != nil {
		return nil, usageError{err}
	}
	return cluster, nil
}
