package acceptance

import "testing"

// tlsOn is what the faults befall.
const tlsOn = "switching on TLS between 3 members, under load"

// killedOften switches TLS on between peers with a run that is killed twice: while some members can dial https and
// others cannot, and when a member is known with https and listens with http.
func killedOften(t *testing.T, s *site, inv *inventory) {
	securePeers(inv)
	file := s.write(t, "wanted.hcl", *inv)
	tr := startTraffic(t, s, *inv, unhurried(everybody))
	for _, point := range []string{"after restart-member/etcd-2", "after update-member/etcd-2"} {
		s.disturbed(t, "CLUSTERUP_FAULT=kill "+point, "apply", "--yes", file).exits(t, -1)
	}
	last := s.start(t, "apply", "--yes", file)
	last.wait(t).exits(t, 0)
	seen := tr.stop(t)
	seen.unnoticed(t)
	s.inSync(t, file, *inv)
	s.peersSecure(t, *inv)
	if !t.Failed() {
		measured(t, peersRoll.name+", and clusterup is killed twice (`kill -9`), 3 members", seen, seen.took.Seconds())
	}
}

// securing switches TLS on between peers, of members that nothing was ever done to.
func securing() operation {
	u := &underway{all: map[*stand]*traffic{}}
	return operation{
		name: tlsOn, args: []string{"apply", "--yes"}, whole: wholeSteps, part: partOfRolls,
		prepare: func(t *testing.T, s *stand) {
			s.bare(t)
			inPlain(&s.inv)
			s.write(t, "prod.hcl", s.inv)
			s.ok(t, "apply", "--yes", s.file)
			s.lead(t, s.inv.Members[0])
			securePeers(&s.inv)
			s.write(t, "prod.hcl", s.inv)
			u.start(t, s, s.inv)
		},
		ends: func(t *testing.T, s *stand, end []picture) {
			s.served(t, end)
			u.stop(t, s)
			s.peersSecure(t, s.inv)
		},
	}
}

// TestTLSOnFaults kills it at every point, and has a host lose power while its member is known with https already.
func TestTLSOnFaults(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	stands := standsOf(t, "tls-faults", 3, clusters())
	first := stands[0]
	t.Run("power cut", func(t *testing.T) {
		inv := first.inv
		inPlain(&inv)
		first.ok(t, "apply", "--yes", first.write(t, "prod.hcl", inv))
		r := peersRoll
		r.name += ", and a host loses power while its member is restarted"
		r.fault, r.during, r.after, r.gone = "a host loses power while its member is restarted", tlsOn,
			"update-member/etcd-2", true
		r.happens = func(t *testing.T, s *site, host string) { must(t, s.lab.PowerCut(t.Context(), host)) }
		r.over = func(t *testing.T, s *site, host string) { must(t, s.lab.Boot(t.Context(), host)) }
		r.code, r.says = 12, []string{runAgain}
		r.undergo(t, first.site, &inv)
		first.peersSecure(t, inv)
	})
	t.Run("every point", func(t *testing.T) { disturb(t, securing(), stands...) })
}
