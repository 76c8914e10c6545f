package acceptance

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/pki"
)

// left is how long a CA lives on once a cluster is about to be made with it.
const left = 75 * time.Second

// ended is a cluster whose CAs have ended, and with them all certificates.
type ended struct {
	roles []pki.Role
	harm  func(*stand, *testing.T) // what befalls it besides
	name  string
	kills []string // points at which the apply that mends it is killed, one after the other
	slow  bool     // tried with FAULTS=full only
}

// expiredCAs makes clusters with CAs that end soon, waits for that, and has them come back.
func expiredCAs(t *testing.T, s *stand) {
	both := []pki.Role{pki.RolePeer, pki.RoleClient}
	for _, e := range []ended{
		{name: "both CAs have ended, and all members were restarted", roles: both, harm: (*stand).restartApart},
		{
			name: "both CAs have ended", roles: both, slow: true,
			kills: []string{"after create-ca/peer", "after issue-leaf/peer/etcd-2", "before restart-member/etcd-1"},
		},
		{
			name: "the peer CA has ended, and all members were restarted", roles: both[:1], harm: (*stand).restartApart,
			slow: true,
		},
		{name: "the peer CA has ended", roles: both[:1], slow: true},
		{name: "the client CA has ended", roles: both[1:], slow: true},
	} {
		if !e.slow || whole() {
			t.Run(e.name, func(t *testing.T) { e.undergo(t, s) })
		}
	}
}

func (e ended) undergo(t *testing.T, s *stand) {
	end := e.bootstrap(t, s)
	s.keep(t, e.name)
	before := s.looks(t)
	until(t, "the end of the CAs", func() bool { return time.Now().After(end) })
	if e.harm != nil {
		e.harm(s, t)
	}
	pids := s.pids(t, s.inv.Cluster)
	refused(t, s.site, s.file, 13, string(e.roles[0])+" CA 1 ended", "[needs-consent]", "--accept=downtime")
	s.run(t, "plan", "--exit-code", "--accept=downtime", s.file).exits(t, 3).says(t, "create-ca "+string(e.roles[0]),
		string(e.roles[0])+" CA 1 ended")
	for _, point := range e.kills {
		s.disturbed(t, "CLUSTERUP_FAULT=kill "+point, "apply", "--yes", "--accept=downtime", s.file).exits(t, -1)
		s.quiet(t)
	}
	s.ok(t, "apply", "--yes", "--accept=downtime", s.file)
	for host, pid := range s.pids(t, s.inv.Cluster) {
		if pid == pids[host] {
			t.Errorf("the member on %s was not restarted, and cannot trust the new CA", host)
		}
	}
	s.recovered(t, before, e.name)
	for _, role := range e.roles {
		s.trustsAlone(t, role, 2)
	}
	s.ok(t, "apply", "--yes", "--json", s.file).idle(t)
	s.ok(t, "check", s.file)
	if !t.Failed() {
		guarantee(t, e.name, "repair of 3 members",
			"exit 13, says to accept downtime; with that, a new CA, which alone is trusted in the end; the data is untouched")
	}
}

// bootstrap makes a cluster with CAs of ten years that end soon, and stops right before their successors would be made.
func (e ended) bootstrap(t *testing.T, s *stand) time.Time {
	t.Helper()
	s.bare(t)
	const lifetime = 10 * year
	begun := time.Now().Add(left - lifetime)
	for _, role := range e.roles {
		s.madeAt(t, s.inv.Cluster, role, lifetime, begun)
	}
	s.disturbed(t, "CLUSTERUP_FAULT=kill before create-ca/"+string(e.roles[0]), "apply", "--yes", s.file).exits(t, -1)
	s.quiet(t)
	return begun.Add(lifetime)
}

// trustsAlone checks that the members trust the certificate of one generation, and that nothing of others is left to
// trust.
func (s *stand) trustsAlone(t *testing.T, role pki.Role, generation int) {
	t.Helper()
	wanted := facts.Certificates([]byte(read(t,
		filepath.Join(s.dir, ".clusterup", s.inv.Cluster, "ca", fmt.Sprintf("%s-%d.pem", role, generation)))))
	for _, host := range s.hosts() {
		got := facts.Certificates([]byte(s.on(t, host, "cat /etc/etcd/prod/trust-"+string(role)+"-*.pem")))
		if !slices.Equal(got, wanted) {
			t.Errorf("%s trusts %d certificates for %ss, want that of generation %d alone", host, len(got), role, generation)
		}
	}
}
