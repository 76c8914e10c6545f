package acceptance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const rotationRoll = "rotation of both CAs of 3 members, under load"

// rotatingBoth takes three members over to new CAs, for peers and for clients, while clients are at work that keep up
// with that. None watches, so that members stop soon: each restarts twice.
func rotatingBoth() operation {
	u := &underway{all: map[*stand]*traffic{}}
	first := map[string]int{"peer": 1, "client": 1}
	return operation{
		name: rotationRoll, args: []string{"rotate", "ca", "--yes"},
		telling: only("after write-unit/etcd-3", "after retire-ca/peer-1"),
		whole:   rotationSteps, part: partOfRotation,
		means: "apply, or where not both CAs were made yet the same command,",
		goesOn: func(t *testing.T, s *stand) []string {
			if now := s.inUse(t, s.inv.Cluster); now["peer"] == first["peer"] || now["client"] == first["client"] {
				return []string{"rotate", "ca", "--yes"}
			}
			return []string{"apply", "--yes"}
		},
		prepare: func(t *testing.T, s *stand) {
			s.bare(t)
			s.ok(t, "apply", "--yes", s.file)
			s.lead(t, s.inv.Members[0])
			u.keep(s, startTrafficAs(t, s.site, s.inv, nobody, kept(t, s.site, s.inv)))
		},
		ends: func(t *testing.T, s *stand, end []picture) {
			s.served(t, end)
			s.rotated(t, s.inv, first, "peer", "client")
			if now := s.inUse(t, s.inv.Cluster); now["peer"] != 2 || now["client"] != 2 {
				t.Errorf("the CAs in use are %v", now)
			}
			s.nobodyRefused(t, s.inv)
			u.report(t, s).unnoticed(t)
		},
	}
}

// rotationSteps leaves the points around whole steps; what fails after one and what fails before the next come to the
// same.
func rotationSteps(verb string, points []string) []string {
	return slices.DeleteFunc(wholeSteps("kill", points), func(p string) bool {
		elsewhere := hostOf(p) != "" && hostOf(p) != "etcd-2"
		return !strings.Contains(p, "/") || verb == "fail" && (strings.HasPrefix(p, "before ") || elsewhere)
	})
}

var partOfRotation = map[string]string{
	"kill": partOfRolls["kill"],
	"fail": "right after every such step on one host and on the control machine",
}

// TestRotateFaults disturbs a rotation of CAs.
func TestRotateFaults(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	disturb(t, rotatingBoth(), standsOf(t, "rotate-faults", 3, clusters())...)
}

// lostHosts are hosts that go in the middle of a rotation, in each of the phases in which members restart.
func lostHosts() []rotation {
	cut := func(t *testing.T, s *site, host string) { must(t, s.lab.PowerCut(t.Context(), host)) }
	boot := func(t *testing.T, s *site, host string) { must(t, s.lab.Boot(t.Context(), host)) }
	block := func(t *testing.T, s *site, host string) { s.on(t, host, blockSSH) }
	allow := func(t *testing.T, s *site, host string) { s.on(t, host, "nft delete table inet nossh") }
	lose := func(fault string, happens, back func(*testing.T, *site, string)) rotation {
		r := rotations()[0]
		r.name, r.fault, r.during, r.happens, r.over = "the CAs are rotated, and "+fault, fault, rotationRoll, happens,
			whileGone(back)
		r.gone, r.code, r.says, r.who, r.events, r.slow = true, 12, []string{runAgain}, nobody, nil, true
		return r
	}
	early := lose("a host loses power while its member is restarted to trust both CAs", cut, boot)
	early.slow = false
	late := lose("a host loses power while its member is restarted to trust the new CAs alone", cut, boot)
	late.after = "retire-ca/client-%d"
	return []rotation{early, late, lose("SSH to a host is blocked while its member is restarted to trust both CAs", block,
		allow)}
}

// whileGone tries to go on before the host is back.
func whileGone(back func(*testing.T, *site, string)) func(*testing.T, *site, string) {
	return func(t *testing.T, s *site, host string) {
		s.run(t, "apply", "--yes", s.dir+"/prod.hcl").exits(t, 12).says(t, host+": ", "→ check ")
		back(t, s, host)
	}
}

// TestRotateLost takes hosts away in the middle of a rotation.
func TestRotateLost(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	s := newSite(t, "rotate-lost", hosts(3)...)
	inv := s.inventory(t, "prod")
	s.ok(t, "apply", "--yes", s.write(t, "prod.hcl", inv))
	for _, r := range lostHosts() {
		if r.slow && !whole() {
			continue
		}
		t.Run(r.fault, func(t *testing.T) {
			if r.after != "" {
				r.after = fmt.Sprintf(r.after, s.inUse(t, inv.Cluster)["client"])
			}
			r.undergo(t, s, &inv)
		})
	}
}
