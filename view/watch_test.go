package view

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// watchedBy is what three looks say: one at a cluster, the same a moment later, and one for which a member is gone.
func watchedBy(t *testing.T, json bool) []string {
	t.Helper()
	var out bytes.Buffer
	c := &Console{Out: &out, JSON: json}
	w := c.NewWatch()
	l := mixed(t)
	l.Now = l.Seen.Taken
	w.Show(l)
	first := out.Len()
	l.Now = l.Now.Add(time.Second)
	busy := l.Seen.Hosts["etcd-1"]
	status := *busy.Etcd
	status.Index, status.Applied, status.DBSize = 1000, 1000, 4096
	busy.Etcd = &status
	l.Seen.Hosts["etcd-1"] = busy
	w.Show(l)
	if out.Len() != first {
		t.Errorf("what changes all the time is no change: %s", out.String()[first:])
	}
	gone := l.Seen.Hosts["etcd-1"]
	gone.Process, gone.Etcd, gone.Reads = nil, nil, false
	l.Seen.Hosts["etcd-1"] = gone
	w.Show(l)
	w.Failed(l.Now.Add(time.Second), errors.New("no route\x1b[2J"))
	w.Failed(l.Now.Add(2*time.Second), errors.New("no route\x1b[2J"))
	w.Show(l)
	w.End()
	return strings.Split(strings.TrimSuffix(out.String()[first:], "\n"), "\n")
}

func TestWatchLines(t *testing.T) {
	got := watchedBy(t, false)
	for i, want := range []string{
		"2026-11-21T12:00:01Z  etcd-1: stopped", "2026-11-21T12:00:01Z  cluster prod: 0 of ",
		"2026-11-21T12:00:02Z  nothing could be seen: no route\uFFFD[2J", "2026-11-21T12:00:01Z  cluster prod: 0 of ",
	} {
		if i >= len(got) || !strings.HasPrefix(got[i], want) {
			t.Errorf("line %d of %q, want %q", i+1, got, want)
		}
	}
	if len(got) != 4 {
		t.Errorf("%d lines", len(got))
	}
}

func TestWatchJSON(t *testing.T) {
	got := watchedBy(t, true)
	var types []string
	for _, line := range got {
		var o struct{ Type, Member, Time string }
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		types = append(types, fmt.Sprintf("%s %s %s", o.Type, o.Member, o.Time[11:]))
	}
	if want := "[member etcd-1 12:00:01Z cluster  12:00:01Z error  12:00:02Z cluster  12:00:01Z]"; fmt.Sprint(types) != want {
		t.Errorf("%v, want %v", types, want)
	}
}
