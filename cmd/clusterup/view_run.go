package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/clusterup/clusterup/apply"
)

// object writes one JSON object as a line of stdout; an error in place of one that cannot be written so.
func (c *Console) object(v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		raw, _ = json.Marshal(errorObject{Type: "error", Error: err.Error(), ExitCode: exitFailed}) // plain text always can
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	fprintf(c.Out, "%s\n", safe(escaped(raw)))
}

// events shows the events of a run: as JSON, as live bars on a terminal, or as lines.
func (c *Console) events() (emit func(apply.Event), end func()) {
	if c.JSON {
		return func(e apply.Event) { c.object(e) }, func() {}
	}
	lines := c.lines
	if !c.terminal() {
		return lines, func() {}
	}
	live := newBars(c.Err)
	c.mu.Lock()
	c.live = live
	c.mu.Unlock()
	emit = func(e apply.Event) {
		live.event(e)
		lines(e)
	}
	return emit, func() {
		live.close()
		c.mu.Lock()
		c.live = nil
		c.mu.Unlock()
	}
}

// lines shows an event as one line of progress; the start of a step and the bytes on their way are not worth one.
func (c *Console) lines(e apply.Event) {
	switch e.Type {
	case apply.StageStarted:
		c.say("── %s (%s)", e.Stage, plural(e.Steps, "step"))
	case apply.StepDone:
		c.say("   %-36s %6.2fs", e.Step, e.Seconds)
	case apply.StepFailed:
		c.say("   %-36s failed", e.Step)
	case apply.Verifying:
		c.say("── verify")
	case apply.Verified:
		c.say("   %s", e.Text)
	}
}

// doneObject is the last line of a run that did all it should, with --json.
type doneObject struct {
	Type    string  `json:"type"` // "done"
	Command string  `json:"command"`
	Stages  int     `json:"stages"`
	Steps   int     `json:"steps"`
	Seconds float64 `json:"seconds"`
}

// finished says that a run did all it should.
func (c *Console) finished(command string, result apply.Result, took time.Duration) {
	if c.JSON {
		c.object(doneObject{"done", command, result.Stages, result.Steps, took.Seconds()})
		return
	}
	c.say("Done: %s in %s, %.1f s.", plural(result.Steps, "step"), plural(result.Stages, "stage"), took.Seconds())
}

// download shows how a release archive comes in.
func (c *Console) download(version, arch string) func(done, total int64) {
	started := false
	var last time.Time
	return func(done, total int64) {
		now := time.Now()
		if started && now.Sub(last) < time.Second && done < total {
			return
		}
		if !started {
			c.say("── download etcd %s for %s", version, arch)
		}
		started, last = true, now
		c.say("   %s of %s", bytesText(done), bytesText(total))
	}
}

// bytesText is a size for people.
func bytesText(n int64) string {
	switch {
	case n < 0:
		return "?"
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
