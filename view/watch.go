package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"
)

// Watch shows one look at a cluster after the other: on a terminal the newest in place of the one before, elsewhere,
// and on a terminal that can do no more (TERM=dumb), a line for what has changed, and with JSON the objects that have.
type Watch struct {
	c      *Console
	screen bool
	newest []byte            // what the screen shows
	said   map[string]string // by member, or node/NAME, "" being the cluster: what was said of it last
}

// The alternate screen of a terminal, which it takes back when it is left, and what draws on it (ECMA-48, xterm).
const (
	enterScreen = "\x1b[?1049h"
	leaveScreen = "\x1b[?1049l"
	home        = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// NewWatch begins to watch. End has to be called, since a terminal shows another screen until then.
func (c *Console) NewWatch() *Watch {
	screen := width(c.Out) > 0 && os.Getenv("TERM") != "dumb" && !c.JSON
	w := &Watch{c: c, screen: screen, said: map[string]string{}}
	if w.screen {
		fprintf(c.Out, "%s", safe(enterScreen))
	}
	return w
}

// Show shows a look.
func (w *Watch) Show(l Look) {
	if w.screen {
		var b bytes.Buffer
		shown := Console{In: w.c.In, Out: &b, Err: w.c.Err, Advice: w.c.Advice}
		shown.ShowStatus(l)
		w.newest = b.Bytes()
		w.draw(l.Now)
		return
	}
	members, nodes := l.members(), l.nodes()
	total := l.clusterStatus(members, nodes)
	for _, m := range members {
		w.tell(l.Now, m.Member, m, fmt.Sprintf("%s: %s", m.Member, m.standing(total)))
	}
	for _, n := range nodes {
		w.tell(l.Now, "node/"+n.Node, n, fmt.Sprintf("%s (%s): %s", n.Node, n.Balancer, n.standing(total)))
	}
	w.tell(l.Now, "", total, fmt.Sprintf("cluster %s: %s", total.Cluster, total.standing()))
}

// Failed shows that nothing could be seen.
func (w *Watch) Failed(at time.Time, err error) {
	if w.screen {
		w.newest = []byte(sprintf("Nothing could be seen: %s\n", err))
		w.draw(at)
		return
	}
	w.tell(at, "", errorOf(err, w.c.Advice.ExitCode(err)), "nothing could be seen: "+err.Error())
}

// End leaves the screen, and what was shown last below the command.
func (w *Watch) End() {
	if w.screen {
		fprintf(w.c.Out, "%s%s", safe(leaveScreen), safe(w.newest))
	}
}

// tell says of a member or node, or of the cluster, how it stands, if that is another than before.
func (w *Watch) tell(at time.Time, of string, object any, line string) {
	if w.said[of] == line {
		return
	}
	w.said[of] = line
	if w.c.JSON {
		w.c.Object(watched{at.UTC(), object})
		return
	}
	fprintf(w.c.Out, "%s  %s\n", at.UTC().Format(time.RFC3339), line)
}

// watched is an object with the time at which it was so.
type watched struct {
	at     time.Time
	object any
}

// MarshalJSON writes the fields of the object, and "time" beside them.
func (w watched) MarshalJSON() ([]byte, error) {
	raw, err := json.Marshal(w.object)
	if err != nil {
		return nil, err
	}
	at, err := json.Marshal(w.at)
	return fmt.Appendf(nil, "%s,\"time\":%s}", raw[:len(raw)-1], at), err
}

// draw puts the newest look in the place of the one before. What is too long for the terminal is cut off, and counted.
func (w *Watch) draw(at time.Time) {
	lines := slices.Collect(strings.Lines(string(w.newest)))
	columns, rows := 0, 0
	if file, ok := w.c.Out.(*os.File); ok {
		columns, rows, _ = term.GetSize(int(file.Fd()))
	}
	lines = append([]string{string(sprintf("%s   Ctrl-C ends this\n", at.Format(time.TimeOnly))), "\n"}, lines...)
	if rows > 1 && len(lines) >= rows {
		left := len(lines) - rows + 2
		lines = append(lines[:rows-2], string(sprintf("… %s more\n", Plural(left, "line"))))
	}
	var b strings.Builder
	b.WriteString(home)
	for _, line := range lines {
		text := []rune(strings.TrimSuffix(line, "\n"))
		if columns > 0 && len(text) > columns {
			text = append(text[:columns-1], '…')
		}
		b.WriteString(string(text) + clearLine + "\n")
	}
	b.WriteString(clearBelow)
	fprintf(w.c.Out, "%s", safe(b.String()))
}

// standing is what is said of a member when it changes: nothing that changes all the time, such as its index.
func (m memberStatus) standing(total clusterStatus) string {
	parts := []string{m.word()}
	add := func(text string) {
		if text != "" {
			parts = append(parts, text)
		}
	}
	add(m.Role)
	add(m.Version)
	add(strings.Join(m.Alarms, ","))
	if d := drift(m, total); d != "none" {
		add("drift: " + d)
	}
	add(strings.TrimPrefix(m.Problem, m.Member+": "))
	return strings.Join(parts, ", ")
}

// standing is the same of the cluster.
func (c clusterStatus) standing() string {
	text := fmt.Sprintf("%d of %d members healthy", c.Healthy, c.Members)
	if c.Quorum {
		text += ", quorum"
	}
	if c.InSync {
		text += ", as the inventory says"
	}
	if c.Permissions != nil {
		text += ", permissions " + c.Permissions.word()
	}
	reasons := map[string]bool{}
	for _, r := range c.Refusals {
		if r.Host == "" {
			reasons[r.Reason] = true
		}
	}
	for _, why := range slices.Sorted(maps.Keys(reasons)) {
		text += "; " + why
	}
	return text
}
