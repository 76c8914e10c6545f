// Package hosttest is what package apply relies on of every host: one suite of tests for real hosts and for those that
// stand in for them. It is for tests alone, and knows nothing of how a host is reached.
package hosttest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/units"
)

// Subject is a host under test.
type Subject struct {
	Name string // by which errors call it
	Host interface {
		apply.Host
		apply.Holder
	}
	Dir  string                                 // an empty directory of root's on the host, absolute
	Read func(t *testing.T, path string) *Found // what lies on the host, seen by another way than Host; nil: nothing
	List func(t *testing.T) []string            // the names of all that lies in Dir, sorted
	Cut  func(t *testing.T)                     // ends all connections to the host, which can be reached again at once
}

// Found is a file on a host.
type Found struct {
	Owner, Group string
	Mode         fs.FileMode
	Data         string
}

// Run checks everything. Each part gets a subject of its own.
func Run(t *testing.T, subject func(t *testing.T) Subject) {
	t.Helper()
	parts := map[string]func(*testing.T, Subject){
		"script": scripts, "script fails": scriptFails, "write": writes, "write then": writesThen, "write fails": writeFails,
		"write parts": writesParts,
		"feed":        feeds, "feed ends": feedEnds, "feed fails": feedFails, "hold": holds, "hold fails": holdFails,
		"hold is lost": holdIsLost, "concurrent": concurrent, "cancelled": cancelled,
	}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		t.Run(name, func(t *testing.T) { parts[name](t, subject(t)) })
	}
}

func (s Subject) path(name string) string { return path.Join(s.Dir, name) }

// file is one of root's.
func (s Subject) file(name string, mode fs.FileMode, data string) units.File {
	return units.File{Path: s.path(name), Owner: "root", Group: "root", Mode: mode, Data: []byte(data)}
}

// has checks what lies at a path.
func (s Subject) has(t *testing.T, name string, mode fs.FileMode, data string) {
	t.Helper()
	want := Found{Owner: "root", Group: "root", Mode: mode, Data: data}
	switch found := s.Read(t, s.path(name)); {
	case found == nil:
		t.Errorf("%s is not there", name)
	case *found != want:
		t.Errorf("%s is %+v, want %+v", name, *found, want)
	}
}

// hasOnly checks the names of all that lies there: a failure leaves nothing behind, under any name.
func (s Subject) hasOnly(t *testing.T, names ...string) {
	t.Helper()
	if got, want := strings.Join(s.List(t), " "), strings.Join(names, " "); got != want {
		t.Errorf("%s holds %q, want %q", s.Dir, got, want)
	}
}

// fails checks an error: it names the host, and holds these texts.
func (s Subject) fails(t *testing.T, what string, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
		return
	}
	for _, text := range append(texts, s.Name+": ") {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %q does not say %q", what, err, text)
		}
	}
}

func (s Subject) runs(ctx context.Context, t *testing.T, script, want string) {
	t.Helper()
	out, err := s.Host.Script(ctx, script)
	if err != nil || string(out) != want {
		t.Errorf("%q says %.200q, want %.200q; %v", script, out, want, err)
	}
}

func sum(data string) string {
	digest := sha256.Sum256([]byte(data))
	return hex.EncodeToString(digest[:])
}
