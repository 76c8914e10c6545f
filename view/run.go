package view

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/clusterup/clusterup/apply"
)

// Object writes v as one line of JSON to stdout; if v cannot be encoded, an object of type error in its place.
func (c *Console) Object(v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		raw, _ = json.Marshal(errorObject{Type: "error", Error: err.Error(), ExitCode: ExitFailed}) // plain text always can
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	fprintf(c.Out, "%s\n", safe(escaped(raw)))
}

// Events shows the events of a run: as JSON, as live bars on a terminal, or as lines. end must be called after the run;
// it takes the bars away.
func (c *Console) Events() (emit func(apply.Event), end func()) {
	if c.JSON {
		return func(e apply.Event) { c.Object(e) }, func() {}
	}
	lines := c.lines
	if !c.Terminal() {
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
		c.Say("── %s (%s)", e.Stage, Plural(e.Steps, "step"))
	case apply.StepDone:
		c.Say("   %-36s %6.2fs", e.Step, e.Seconds)
	case apply.StepNote:
		c.Say("   %s: %s", e.Step, e.Text)
	case apply.StepFailed:
		c.Say("   %-36s failed", e.Step)
	case apply.Verifying:
		c.Say("── verify")
	case apply.Verified:
		c.Say("   %s", e.Text)
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

// endpointsObject is where clients reach the members, with --json.
type endpointsObject struct {
	Type      string   `json:"type"` // "endpoints"
	Endpoints []string `json:"endpoints"`
}

// Endpoints says where clients reach the members, now that others are members than before.
func (c *Console) Endpoints(urls []string) {
	if c.JSON {
		c.Object(endpointsObject{"endpoints", urls})
		return
	}
	c.Say("Endpoints for clients: %s", strings.Join(urls, ","))
}

// Finished says that a run did all it should.
func (c *Console) Finished(command string, result apply.Result, took time.Duration) {
	if c.JSON {
		c.Object(doneObject{"done", command, result.Stages, result.Steps, took.Seconds()})
		return
	}
	c.Say("Done: %s in %s, %.1f s.", Plural(result.Steps, "step"), Plural(result.Stages, "stage"), took.Seconds())
}

// Download shows how a release archive comes in, with at most one line a second.
func (c *Console) Download(version, arch string) func(done, total int64) {
	return c.coming(sprintf("download etcd %s for %s", version, arch))
}

// Saving shows how a snapshot comes in, likewise.
func (c *Console) Saving(member string) func(done, total int64) {
	return c.coming(sprintf("save a snapshot of %s", member))
}

// Fetching shows how a snapshot comes in from a URL, likewise.
func (c *Console) Fetching(url string) func(done, total int64) {
	return c.coming(sprintf("fetch the snapshot %s", url))
}

func (c *Console) coming(what safe) func(done, total int64) {
	started, shown := false, safe("")
	var last time.Time
	return func(done, total int64) {
		now := time.Now()
		if started && now.Sub(last) < time.Second && (total < 0 || done < total) {
			return
		}
		if !started {
			c.Say("── %s", what)
		}
		started, last = true, now
		if line := sprintf("   %s of %s", Size(done), Size(total)); line != shown {
			shown = line
			c.Say("%s", line)
		}
	}
}

// Size writes n bytes for people, such as 1.5 MiB; a negative n is not known.
func Size(n int64) string {
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
