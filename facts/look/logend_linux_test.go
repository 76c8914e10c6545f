package look

import (
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/lines/linestest"
)

// Of a member that does not run, the newest file of its log is measured, where its unit has noted something.
func TestLogOfStoppedMember(t *testing.T) {
	const note = "2e1259d415f2a040 2026-11-29T21:04:07Z 0000000000000003-00000000000f4240.wal 800"
	const newest = "0000000000000004-00000000000f4241.wal"
	for name, test := range map[string]struct {
		noted string // what is there, with its line end
		want  *facts.Log
	}{
		"noted":          {note + "\n", &facts.Log{Noted: note, Newest: newest, Feeds: 3}},
		"stopping":       {note + "\nstopping 7\n", &facts.Log{Noted: note, Newest: newest, Feeds: 3}},
		"cut short":      {note, nil},
		"empty":          {"", nil},
		"something else": {"a\tb \\c\n", &facts.Log{Noted: "a\tb \\c", Newest: newest, Feeds: 3}},
	} {
		for shell, argv := range linestest.Shells() {
			r := newRoom(t)
			r.put(t, r.ask.ConfigDir+"/log-end", test.noted)
			r.put(t, r.ask.DataDir+"/member/wal/0000000000000003-00000000000f4240.wal", "\n\n\n\n\n")
			r.put(t, r.ask.DataDir+"/member/wal/"+newest, "\n\x00\n\n\x00\x00")
			h := r.look(t, argv...)
			if got := h.Data.Log; !h.Data.WAL || (got == nil) != (test.want == nil) || got != nil && *got != *test.want {
				t.Errorf("%s, %s: %+v", name, shell, got)
			}
		}
	}
	r := newRoom(t)
	r.put(t, r.ask.ConfigDir+"/log-end", note+"\n")
	if h := r.look(t, "/bin/sh"); h.Data.Log != nil {
		t.Errorf("without a log: %+v", h.Data.Log)
	}
}
