package etcd

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
)

func TestAiling(t *testing.T) {
	w := wanted(t, 3)
	s := settled(t, w)
	started := func(ago time.Duration) time.Time { return s.Taken.Add(-ago) }
	for name, c := range map[string]struct {
		vitals facts.Vitals
		want   string
	}{
		"nothing known":               {facts.Vitals{}, ""},
		"well":                        {facts.Vitals{Started: started(time.Hour), LeaderChanges: 3, Fsyncs: 9000, FsyncP99: 0.512 / 2}, ""},
		"a slow disk":                 {facts.Vitals{Started: started(time.Hour), Fsyncs: 1000, FsyncP99: 1.024}, "slow-disk"},
		"too few writes":              {facts.Vitals{Started: started(time.Hour), Fsyncs: 999, FsyncP99: 1.024}, ""},
		"an upgrade an hour ago":      {facts.Vitals{Started: started(time.Hour), LeaderChanges: 24}, ""},
		"elections all the time":      {facts.Vitals{Started: started(time.Hour), LeaderChanges: 25}, "elections"},
		"now and then in a year":      {facts.Vitals{Started: started(8760 * time.Hour), LeaderChanges: 1000}, ""},
		"of a host with a fast clock": {facts.Vitals{Started: started(-time.Hour), LeaderChanges: 24}, ""},
		"no start":                    {facts.Vitals{LeaderChanges: 1000}, ""},
	} {
		got := Ailing(w, s, map[string]facts.Vitals{"etcd-2": c.vitals})
		switch {
		case c.want == "" && len(got) > 0:
			t.Errorf("%s: %+v", name, got)
		case c.want != "" && (len(got) != 1 || got[0].Kind != c.want || got[0].Host != "etcd-2" || got[0].Do == ""):
			t.Errorf("%s: %+v, want %s", name, got, c.want)
		}
	}
}

func TestQuotaConcern(t *testing.T) {
	w := wanted(t, 1)
	s := settled(t, w)
	for _, c := range []struct {
		size, used int64
		do         string // "": nothing is found
	}{
		{790, 790, ""},
		{810, 800, "raise quota_backend_bytes"},
		{810, 300, "clusterup defrag"},
		{300, 10, ""}, // free room is used again
	} {
		got := Concerns(w, sized(s, "etcd-1", c.size, c.used))
		if c.do == "" && len(got) > 0 || c.do != "" && (len(got) != 1 || got[0].Kind != "quota" ||
			!strings.Contains(got[0].Do, c.do)) {
			t.Errorf("%d of %d MiB: %+v, want %q", c.used, c.size, got, c.do)
		}
	}
	if got := Concerns(w, alarmedBy(sized(s, "etcd-1", 1000, 1000), "NOSPACE", "etcd-1")); len(got) > 0 {
		t.Errorf("the alarm says it: %+v", got)
	}
}

func TestBehind(t *testing.T) {
	w, s := learning(t)
	got := Behind(w, behind(s, "etcd-4", 700))
	if lag, learns := got["etcd-4"]; !learns || lag != 700 || len(got) != 1 {
		t.Errorf("%v", got)
	}
}

// What hosts tell may be of any size.
func TestPercent(t *testing.T) {
	for _, test := range [][3]int64{
		{1, 2, 50}, {90, 100, 90}, {899, 1000, 89}, {0, 7, 0}, {math.MaxInt64, math.MaxInt64, 100},
	} {
		if got := percent(test[0], test[1]); got != test[2] {
			t.Errorf("%d of %d are %d %%, want %d", test[0], test[1], got, test[2])
		}
	}
	if got := percent(math.MaxInt64, 1); got < 100 {
		t.Errorf("all but everything are %d %%", got)
	}
}
