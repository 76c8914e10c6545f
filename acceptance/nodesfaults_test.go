package acceptance

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/lab"
)

// TestNodesFaults kills clusterup around every step on one of two nodes: while they are set up from bare hosts, and
// while what they run with changes. During changes one of them takes clients at any moment.
func TestNodesFaults(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	s := newSiteWith(t, "nodesfaults", []string{balancing},
		append(hosts(1), lab.HostSpec{Name: "lb-1"}, lab.HostSpec{Name: "lb-2"})...)
	s.programs(t)
	inv, settings := s.inventory(t, "prod"), s.balanced(t)
	bare := func() {
		for _, name := range []string{"lb-1", "lb-2"} {
			must(t, s.lab.Wipe(t.Context(), name))
			s.on(t, name, "apt-get update -qq")
		}
	}
	const write = `listen "write" { port = 5000 }`
	inv.Settings = settings(write, "")
	first := s.write(t, "prod.hcl", inv)
	for _, name := range []string{"lb-1", "lb-2"} {
		s.on(t, name, "apt-get update -qq")
	}
	killed := func(file string, points []string, before func(), during func(point string)) {
		for _, point := range points {
			t.Run(point, func(t *testing.T) {
				before()
				during(point)
				s.ok(t, "apply", "--yes", file)
				s.inSync(t, file, inv)
				for _, name := range []string{"lb-1", "lb-2"} {
					s.answers(t, name, 5000, "pg-1", "pg-2")
				}
			})
		}
	}
	points := onNode(s.points(t, 0, "apply", "--yes", first))
	s.ok(t, "apply", "--yes", first)
	killed(first, points, bare, func(point string) {
		s.disturbed(t, "CLUSTERUP_FAULT=kill "+point, "apply", "--yes", first).exits(t, -1)
	})
	const again = "the same command, run again, ends as if nothing had happened"
	guarantee(t, "clusterup is killed (`kill -9`) before and after each step on one of them", "2 nodes of a balancer are set up",
		fmt.Sprintf("at each of %d points: %s", len(points), again))

	inv.Settings = settings(write+"\n    listen \"read\" { port = 5001 }", "")
	second := s.write(t, "second.hcl", inv)
	points = onNode(s.points(t, 0, "apply", "--yes", second))
	killed(second, points, func() { s.ok(t, "apply", "--yes", first) }, func(point string) {
		ended := s.steady(t, 5000)
		s.disturbed(t, "CLUSTERUP_FAULT=kill "+point, "apply", "--yes", second).exits(t, -1)
		ended()
	})
	guarantee(t, "clusterup is killed (`kill -9`) before and after each step on one of them", "2 nodes of a balancer change",
		fmt.Sprintf("at each of %d points: one of them takes clients all the time; %s", len(points), again))
}

// onNode leaves the points right before and right after the steps on one node.
func onNode(points []string) []string {
	return slices.DeleteFunc(slices.Clone(points), func(p string) bool {
		return strings.Contains(p, "#") || !strings.HasSuffix(p, "/lb-1")
	})
}
