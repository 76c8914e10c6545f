package etcd

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
)

func TestVersions(t *testing.T) {
	for _, test := range []struct {
		from, to string
		want     string
	}{
		{"", "3.7.3", "3.7.3"},
		{"3.5.21", "3.7.3", "3.5.35 3.6.16 3.7.3"},
		{"3.6.16", "3.6.16", "3.6.16"},
		{"3.7.3", "3.5.35", "3.6.16 3.5.35"},
	} {
		w := at(wanted(t, 3), test.to)
		s := bare(w)
		if test.from != "" {
			s = settled(t, at(w, test.from))
		}
		if got := strings.Join(Versions(w.Cluster, s), " "); got != test.want {
			t.Errorf("from %q to %s: %s, want %s", test.from, test.to, got, test.want)
		}
		for _, m := range w.Cluster.Members { // what stopped is not forgotten
			s = change(s, m.Name, stop)
		}
		if got := strings.Join(Versions(w.Cluster, s), " "); got != test.want {
			t.Errorf("from %q to %s, all stopped: %s, want %s", test.from, test.to, got, test.want)
		}
	}
}

func TestTiming(t *testing.T) {
	type pair [2]int // milliseconds: heartbeat, election
	for _, test := range []struct {
		run           []pair
		wanted, first pair
	}{
		{[]pair{{100, 1000}, {100, 1000}, {100, 1000}}, pair{100, 1000}, pair{100, 1000}},
		// longer: first the election timeout
		{[]pair{{100, 1000}, {100, 1000}, {100, 1000}}, pair{500, 5000}, pair{100, 5000}},
		{[]pair{{100, 5000}, {100, 1000}, {100, 1000}}, pair{500, 5000}, pair{100, 5000}}, // in the middle of that
		{[]pair{{100, 5000}, {100, 5000}, {100, 5000}}, pair{500, 5000}, pair{500, 5000}}, // then the heartbeat
		{[]pair{{500, 5000}, {500, 5000}, {500, 5000}}, pair{100, 1000}, pair{100, 5000}}, // shorter: first the heartbeat
		{[]pair{{500, 5000}, {100, 5000}, {500, 5000}}, pair{100, 1000}, pair{100, 5000}},
		{[]pair{{100, 5000}, {100, 1000}, {100, 5000}}, pair{100, 1000}, pair{100, 1000}},
		{[]pair{{100, 1000}, {100, 1000}, {100, 1000}}, pair{50, 5000}, pair{50, 5000}}, // apart from each other: at once
		{[]pair{{100, 1000}}, pair{500, 5000}, pair{500, 5000}},                         // nobody to differ from
		{nil, pair{500, 5000}, pair{500, 5000}},                                         // nothing runs
	} {
		w := wanted(t, max(1, len(test.run)))
		s := settled(t, w)
		for i, m := range w.Cluster.Members {
			s = change(s, m.Name, func(h *facts.Host) {
				if len(test.run) == 0 {
					stop(h)
					return
				}
				running(func(p *facts.Process) {
					p.Args = []string{
						"etcd", "--heartbeat-interval=" + strconv.Itoa(test.run[i][0]),
						"--election-timeout=" + strconv.Itoa(test.run[i][1]),
					}
				})(w, h)
			})
		}
		w.Cluster.Etcd.HeartbeatInterval, w.Cluster.Etcd.ElectionTimeout = time.Duration(test.wanted[0])*1e6,
			time.Duration(test.wanted[1])*1e6
		heartbeat, election := newView(w, s).timing()
		if got := (pair{int(heartbeat.Milliseconds()), int(election.Milliseconds())}); got != test.first {
			t.Errorf("run %v, wanted %v: %v, want %v", test.run, test.wanted, got, test.first)
		}
	}
}
