package acceptance

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/pki"
)

// rotation takes all members over to CAs of the next generation. Every member restarts twice.
type rotation struct {
	rolling
	roles []string // of the CAs
}

// rotations are those in one go, under load, with clients that keep up.
func rotations() []rotation {
	of := func(name string, roles ...string) rotation {
		return rotation{rolling{
			name: name, args: []string{"rotate", "ca", "--yes"}, edits: true, hops: 2,
			who: unhurried(everybody), client: kept, events: logPhases,
		}, roles}
	}
	both, peer, client := of("the CAs of peers and of clients are rotated", "peer", "client"),
		of("the CA of peers is rotated", "peer"), of("the CA of clients is rotated", "client")
	for _, one := range []*rotation{&peer, &client} {
		one.args, one.slow = append(one.args, "--"+one.roles[0]), true
	}
	return []rotation{both, peer, client}
}

// undergo rotates, and checks what has come of it.
func (r rotation) undergo(t *testing.T, s *site, inv *inventory) {
	before := s.inUse(t, inv.Cluster)
	r.rolling.undergo(t, s, inv)
	s.rotated(t, *inv, before, r.roles...)
	s.nobodyRefused(t, *inv)
}

// TestRotate replaces leaves and CAs while clients are at work.
func TestRotate(t *testing.T) {
	t.Parallel()
	s := newSite(t, "rotate", hosts(3)...)
	inv := s.inventory(t, "prod")
	s.ok(t, "apply", "--yes", s.write(t, "prod.hcl", inv))
	t.Run("leaves", func(t *testing.T) { newLeaves(t, s, inv) })
	for i, r := range rotations() {
		if r.slow && !whole() {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			if i == 0 {
				defer secretly(t, s)()
			}
			r.undergo(t, s, &inv)
		})
	}
	if whole() {
		t.Run("with pauses", func(t *testing.T) { withPauses(t, s, inv) })
	}
}

// TestRotateFive rotates both CAs of five members.
func TestRotateFive(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	s := newSite(t, "rotate-five", hosts(5)...)
	s.shipped()
	inv := s.inventory(t, "prod")
	s.ok(t, "apply", "--yes", s.write(t, "prod.hcl", inv))
	r := rotations()[0]
	r.who = somebody // ten restarts, of which each takes 7 s longer when somebody watches that member
	r.undergo(t, s, &inv)
}

// newLeaves gives all members new leaves. No process is another one then, nobody was away, and every port shows what it
// did not before.
func newLeaves(t *testing.T, s *site, inv inventory) {
	file := s.write(t, "prod.hcl", inv)
	pids, before := s.pids(t, inv.Cluster), s.shown(t, inv)
	tr := startTraffic(t, s, inv, everybody)
	p := s.start(t, "rotate", "certs", "--yes", file)
	p.wait(t).exits(t, 0).saysNot(t, "restart-member")
	seen := tr.stop(t)
	seen.unnoticed(t)
	if away := seen.presence.most(); len(away) > 0 || seen.changes > 0 || !maps.Equal(pids, s.pids(t, inv.Cluster)) {
		t.Errorf("away: %v; %d changes of the leader; processes were %v and are %v", away, seen.changes, pids,
			s.pids(t, inv.Cluster))
	}
	for where, leaf := range s.shown(t, inv) {
		role, host, _ := strings.Cut(where, " ")
		if leaf.Equal(before[where]) || !leaf.Equal(s.lying(t, host, inv.Cluster, role)) {
			t.Errorf("%s: shows the certificate %x; before it was %x, and %x lies on its host", where, leaf.SerialNumber,
				before[where].SerialNumber, s.lying(t, host, inv.Cluster, role).SerialNumber)
		}
		if leaf.Issuer.String() != before[where].Issuer.String() {
			t.Errorf("%s: the issuer was %s and is %s", where, before[where].Issuer, leaf.Issuer)
		}
	}
	s.inSync(t, file, inv)
	if !t.Failed() {
		measured(t, "all certificates and keys of members are replaced, 3 members", seen, p.took.Seconds())
	}
}

// inUse are the newest generations of CAs that are not retired, by role.
func (s *site) inUse(t *testing.T, cluster string) map[string]int {
	t.Helper()
	newest := map[string]int{}
	for _, ca := range s.cas(t, cluster).CAs() {
		if !ca.Retired {
			newest[string(ca.Role)] = max(newest[string(ca.Role)], ca.Generation)
		}
	}
	return newest
}

// rotated checks that of the roles that were rotated a newer CA alone is in use, on the wire and in the bundles, and
// that for the other nothing has changed.
func (s *site) rotated(t *testing.T, inv inventory, before map[string]int, roles ...string) {
	t.Helper()
	now := s.inUse(t, inv.Cluster)
	for role, was := range before {
		if is := now[role]; slices.Contains(roles, role) != (is > was) {
			t.Errorf("the %s CA was %d and is %d", role, was, is)
		}
	}
	for _, ca := range s.cas(t, inv.Cluster).CAs() {
		if is := now[string(ca.Role)]; ca.Retired == (ca.Generation == is) {
			t.Errorf("%s CA %d, of which %d is in use: retired is %v", ca.Role, ca.Generation, is, ca.Retired)
		}
	}
	s.standsWith(t, inv, now)
}

// shows checks that the leaves which the members show are of CAs of these generations.
func (s *site) shows(t *testing.T, inv inventory, generations map[string]int) {
	t.Helper()
	for where, leaf := range s.shown(t, inv) {
		role, _, _ := strings.Cut(where, " ")
		ca := map[string]string{"peer": "peer", "server": "client"}[role]
		if want := fmt.Sprintf("%s CA %d", ca, generations[ca]); !strings.HasSuffix(leaf.Issuer.CommonName, want) {
			t.Errorf("%s: shows a certificate of %s, want %s", where, leaf.Issuer, want)
		}
	}
}

// standsWith checks that the members show leaves of these generations, and trust them alone.
func (s *site) standsWith(t *testing.T, inv inventory, generations map[string]int) {
	t.Helper()
	s.shows(t, inv, generations)
	store := s.cas(t, inv.Cluster)
	for role, generation := range generations {
		i := slices.IndexFunc(store.CAs(),
			func(ca pki.CA) bool { return ca.Role == pki.Role(role) && ca.Generation == generation })
		if i < 0 {
			t.Fatalf("there is no %s CA %d", role, generation)
		}
		want := strings.TrimSpace(string(store.CAs()[i].Trust))
		for _, m := range inv.Members {
			if got := s.on(t, m.Name, "cat /etc/etcd/"+inv.Cluster+"/trust-"+role+"-*.pem"); got != want {
				t.Errorf("%s: its bundles for the %s CA are\n%s\nwant that of CA %d alone", m.Name, role, got, generation)
			}
		}
	}
}

// nobodyRefused is law 5 as the members tell it: none of them has ever refused a certificate, nor had its own refused.
func (s *site) nobodyRefused(t *testing.T, inv inventory) {
	t.Helper()
	if told := s.refused(t, inv); told != "" {
		t.Error(told)
	}
}

// refused is what members have in their journals about certificates that they refused, or that others did.
func (s *site) refused(t *testing.T, inv inventory) string {
	t.Helper()
	var told strings.Builder
	for _, m := range inv.Members {
		// finds none, as a rule
		lines, _ := s.try(t, m.Name, "journalctl --no-pager -o cat -u etcd-"+inv.Cluster+
			" | grep -E 'x509: |(bad|unknown) certificate' | head -n 3")
		if lines != "" {
			told.WriteString(m.Name + ": " + lines + "\n")
		}
	}
	return told.String()
}

// logPhases says how long each phase of a rotation took.
func logPhases(t *testing.T, all []event) {
	t.Helper()
	var trust, leaves, drop, end time.Time
	for _, e := range all {
		switch {
		case e.Type == "step-started" && trust.IsZero() && strings.HasPrefix(e.Step, "create-ca/"):
			trust = e.Time
		case e.Type == "step-started" && leaves.IsZero() && strings.HasPrefix(e.Step, "issue-leaf/"):
			leaves = e.Time
		case e.Type == "step-started" && drop.IsZero() && strings.HasPrefix(e.Step, "retire-ca/"):
			drop = e.Time
		case e.Type == "verifying":
			end = e.Time
		}
	}
	if trust.IsZero() || leaves.Before(trust) || drop.Before(leaves) || end.Before(drop) {
		t.Errorf("phases began at %s, %s and %s, and the end was %s", trust, leaves, drop, end)
		return
	}
	t.Logf("phases: trust %.1f s, leaves %.1f s, drop %.1f s", leaves.Sub(trust).Seconds(), drop.Sub(leaves).Seconds(),
		end.Sub(drop).Seconds())
}
