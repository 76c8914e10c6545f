package pool

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Report is the value of a follower's key: what it has done of what the keys want.
type Report struct {
	// Revision is that of the keys which HAProxy is in agreement with, as far as nothing is held or refused; 0: of
	// none yet.
	Revision int64 `json:"revision"`
	// Generation is the revision of the generation key at that time.
	Generation int64            `json:"generation"`
	Servers    map[string]State `json:"servers"` // in force, by name
	Refused    []Refused        `json:"refused,omitempty"`
	More       int              `json:"more,omitempty"` // how many more are refused than Refused names
	Held       *Held            `json:"held,omitempty"`
	Kept       []string         `json:"kept,omitempty"`    // servers that stay in use until another one is up
	Trouble    string           `json:"trouble,omitempty"` // why HAProxy is not in agreement, where it is not
	Away       string           `json:"away,omitempty"`    // why the keys are not followed now, where they are not
}

// Refused is a key that is not as it must be.
type Refused struct {
	Server string `json:"server"` // the end of its key, quoted where it is no name of a server
	Why    string `json:"why"`
}

// maxRefused is how many refused keys a report names.
const maxRefused = 20

// Refuse names the keys that are bad.
func (r *Report) Refuse(bad map[string]string) {
	r.Refused, r.More = nil, max(0, len(bad)-maxRefused)
	for _, name := range slices.Sorted(maps.Keys(bad))[:len(bad)-r.More] {
		shown := name
		if CheckName(name) != nil {
			shown = Quote(name)
		}
		r.Refused = append(r.Refused, Refused{Server: shown, Why: bad[name]})
	}
}

// Render is the value that ParseReport reads.
func (r Report) Render() string {
	b, err := json.Marshal(r)
	if err != nil { // there is no such value
		panic(err)
	}
	return string(b)
}

// maxReport is how many bytes a report may have: MaxServers names of servers, and what is refused.
const maxReport = 256 << 10

// ParseReport reads a report. It takes fields that it does not know: a newer follower may have more.
func ParseReport(value []byte) (Report, error) {
	if len(value) > maxReport {
		return Report{}, fmt.Errorf("it has %d bytes, and %d are the most", len(value), maxReport)
	}
	var r Report
	if err := json.Unmarshal(value, &r); err != nil {
		return Report{}, errors.New("it is no report: " + clean(err))
	}
	return r, nil
}

// Told is the report of one follower, or why it cannot be read.
type Told struct {
	Node   string
	Report Report
	Error  string
}

// Lacks says why a node has not what the keys say; empty: it has.
func (t Told) Lacks(want Wanted) string {
	r := t.Report
	switch {
	case t.Error != "":
		return "its report is not readable: " + t.Error
	case r.Held != nil:
		text := fmt.Sprintf("it holds %s back: %s", strings.Join(r.Held.Servers, ", "), r.Held.Why)
		if r.Held.Confirm != "" {
			text += "; --accept=shrink with clusterup backend confirms it"
		}
		return text
	case r.Generation >= want.GenerationRevision && r.has(want):
		return ""
	case len(r.Refused) > 0:
		return fmt.Sprintf("it refuses the key of %s: %s", r.Refused[0].Server, r.Refused[0].Why)
	case r.Trouble != "":
		return r.Trouble
	case r.Away != "":
		return "it does not follow the keys now: " + r.Away
	case len(r.Kept) > 0:
		return fmt.Sprintf("%s is kept until another server is up", strings.Join(r.Kept, ", "))
	}
	return "it has not reported the change yet"
}

// has says that the servers whose keys are good are in force, each in its state, and beside them only such whose keys
// are not: these stay as they are.
func (r Report) has(want Wanted) bool {
	for name, server := range want.Servers {
		if r.Servers[name] != server.State {
			return false
		}
	}
	for name := range r.Servers {
		_, good := want.Servers[name]
		if _, bad := want.Bad[name]; !good && !bad {
			return false
		}
	}
	return true
}

// Told are the reports of followers, by the whole names of their keys.
func (k Keys) Told(keys map[string]Key) []Told {
	var all []Told
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		node, is := strings.CutPrefix(key, k.Followers())
		if !is {
			continue
		}
		told := Told{Node: node}
		if CheckBalancer(node) != nil {
			told.Node = Quote(node)
		}
		report, err := ParseReport(keys[key].Value)
		if told.Report = report; err != nil {
			told.Error = err.Error()
		}
		all = append(all, told)
	}
	return all
}
