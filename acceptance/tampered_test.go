package acceptance

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/pki"
)

// tampering is what somebody does to a pair of etcd-2, by hand or by half.
type tampering struct {
	// a script in the directory of the pair; $role is what it is for, $other the other role
	harm string
	pair func(*testing.T, *site, member, string) pki.Pair // one that takes its place
	plan string                                           // what the plan must say, with the role for %s
	same bool                                             // the pair is good, and only has to be put right
}

var tamperings = map[string]tampering{
	"the key of another pair": {
		harm: "cat ../$other/key.pem >key.pem",
		plan: "%s certificate or key…changed",
	},
	"the key of another pair, and its sum": {
		harm: "cat ../$other/key.pem >key.pem; sha256sum cert.pem key.pem >sums",
		plan: "%s certificate and key",
	},
	"a key that all can read, and root owns": {
		harm: "chmod 0644 key.pem; chown root:root key.pem",
		plan: "key.pem: owner root:root, want etcd-prod:etcd-prod, mode 0644, want 0600", same: true,
	},
	"a pipe that nobody writes to as the key": {harm: "rm key.pem; mkfifo -m 0600 key.pem; chown etcd-prod:etcd-prod key.pem", plan: "%s certificate or key…changed"},
	"no key": {
		harm: "rm key.pem",
		plan: "%s certificate or key…changed",
	},
	"half a certificate": {
		harm: "head -c 300 cert.pem >half; cat half >cert.pem; rm half",
		plan: "%s certificate…read",
	},
	"a link that points nowhere": {harm: "ln -sfn gone ../$role", plan: "no %s certificate"},
	"a directory in place of the link": {
		harm: "cd ..; to=$(readlink $role); rm $role; mv $to $role",
		plan: "%s certificate…link /etc/etcd/prod/tls/%[1]s",
	},
	"a pair that has ended": {
		pair: func(t *testing.T, s *site, m member, role string) pki.Pair {
			return s.pair(t, "prod", m, role, time.Now().Add(-3*year/2))
		},
		plan: "%s certificate ended",
	},
	"a pair that is due": {
		pair: func(t *testing.T, s *site, m member, role string) pki.Pair {
			return s.pair(t, "prod", m, role, time.Now().Add(-3*year/4))
		},
		plan: "%s certificate ends",
	},
	"the pair of another member": {
		pair: func(t *testing.T, s *site, m member, role string) pki.Pair {
			m.Address = s.host(t, "etcd-1").IPv4.String()
			return s.pair(t, "prod", m, role, time.Now())
		},
		plan: "%s certificate…127.0.0.1",
	},
}

// TestTampered proves that a pair that somebody has spoilt is put right on its host, while no member restarts.
func TestTampered(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	s := newSite(t, "tampered", hosts(3)...)
	inv := s.inventory(t, "prod")
	file := s.write(t, "prod.hcl", inv)
	for _, role := range []pki.Role{pki.RolePeer, pki.RoleClient} { // so that there can be certificates that have ended
		s.madeAt(t, "prod", role, 0, time.Now().Add(-2*year))
	}
	s.ok(t, "apply", "--yes", file)
	for i, name := range slices.Sorted(maps.Keys(tamperings)) {
		for n, role := range []string{"peer", "server"} {
			if i%2 == n || whole() {
				t.Run(name+", "+role, func(t *testing.T) { tamperings[name].undergo(t, s, file, inv, role) })
			}
		}
	}
	t.Run("stubborn", func(t *testing.T) { stubborn(t, s, file, inv) })
	t.Run("clock a year ahead", func(t *testing.T) { yearAhead(t, s, file, inv) })
}

func (h tampering) undergo(t *testing.T, s *site, file string, inv inventory, role string) {
	before, pids := s.digests(t, inv), s.pids(t, inv.Cluster)
	other := map[string]string{"peer": "server", "server": "peer"}[role]
	s.on(t, "etcd-2",
		fmt.Sprintf("set -e; role=%s other=%s; cd /etc/etcd/prod/tls/$(readlink /etc/etcd/prod/tls/$role)\n%s", role, other,
			h.harm))
	if h.pair != nil {
		s.give(t, inv.Cluster, "etcd-2", role, h.pair(t, s, inv.Members[1], role))
	}
	says := h.plan
	if !h.same {
		says = fmt.Sprintf(h.plan, role)
	}
	plan := s.run(t, "plan", "--exit-code", file).exits(t, 3).says(t, says).saysNot(t, "restart-member", "start-member")
	if named := hostLines.FindAllString(plan.stdout, -1); !slices.Equal(named, []string{"   etcd-2"}) {
		t.Errorf("the plan works on %q", named)
	}
	s.ok(t, "apply", "--yes", file)
	s.inSync(t, file, inv)
	if after := s.pids(t, inv.Cluster); !maps.Equal(pids, after) {
		t.Errorf("processes were %v and are %v", pids, after)
	}
	for door, sum := range s.digests(t, inv) {
		if changed := sum != before[door]; changed != (!h.same && door == "etcd-2 "+role) {
			t.Errorf("%s showed certificate %.8s and shows %.8s", door, before[door], sum)
		}
	}
}

// digests are those of the certificates that a new handshake with each port gets, by host and role. The files on the
// hosts must be the same.
func (s *site) digests(t *testing.T, inv inventory) map[string]string {
	t.Helper()
	all := map[string]string{}
	for where, leaf := range s.shown(t, inv) {
		role, host, _ := strings.Cut(where, " ")
		if lies := s.lying(t, host, inv.Cluster, role); !lies.Equal(leaf) {
			t.Errorf("%s shows the %s certificate %x, and has %x", host, role, leaf.SerialNumber, lies.SerialNumber)
		}
		all[host+" "+role] = fmt.Sprintf("%x", sha256.Sum256(leaf.Raw))
	}
	return all
}
