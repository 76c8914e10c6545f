package acceptance

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/clusterup/clusterup/pki"
)

const year = 365 * 24 * time.Hour

// TestExpired has the certificates of all members end, and then their CAs, as happens where nobody has looked for
// years.
func TestExpired(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	s := newSite(t, "expired", hosts(3)...)
	inv := s.inventory(t, "prod")
	st := newStand(t, s, inv, inv.Members...)
	t.Run("certificates", func(t *testing.T) { expiredLeaves(t, st) })
	t.Run("CAs", func(t *testing.T) { expiredCAs(t, st) })
}

// expiredLeaves are certificates that have ended on all hosts, while the CAs go on for years.
func expiredLeaves(t *testing.T, s *stand) {
	for _, role := range []pki.Role{pki.RolePeer, pki.RoleClient} {
		s.madeAt(t, s.inv.Cluster, role, 0, time.Now().Add(-2*year))
	}
	s.ok(t, "apply", "--yes", s.file)
	for _, variant := range []struct {
		name string
		harm func(*testing.T)
	}{
		{"members that run on", func(*testing.T) {}},
		{"members that were restarted", s.restartApart},
	} {
		t.Run(variant.name, func(t *testing.T) {
			s.keep(t, variant.name)
			before := s.looks(t)
			s.expire(t)
			variant.harm(t)
			pids := s.pids(t, s.inv.Cluster)
			s.run(t, "plan", "--exit-code", s.file).exits(t, 3).
				says(t, "note: …server certificate", "peer certificate ended", "server certificate ended").
				saysNot(t, "restart-member", "start-member")
			s.ok(t, "status", s.file).says(t, "EXPIRED").saysNot(t, "client connection is closing")
			s.ok(t, "status", "--json", s.file).counts(t, 0, false)
			s.run(t, "check", s.file).exits(t, 3).says(t, "etcd-1: issue-leaf: …[drift]", "→ clusterup apply")
			s.ok(t, "apply", "--yes", s.file)
			if after := s.pids(t, s.inv.Cluster); !maps.Equal(pids, after) {
				t.Errorf("processes were %v and are %v", pids, after)
			}
			s.recovered(t, before, variant.name)
			if !t.Failed() {
				guarantee(t, "all certificates of the members have ended, "+variant.name, "repair of 3 members",
					"made anew by the next apply, without a restart; the data is untouched")
			}
		})
	}
}

// expire gives every member certificates that have ended half a year ago.
func (s *stand) expire(t *testing.T) {
	t.Helper()
	for _, m := range s.inv.Members {
		for _, role := range []string{"peer", "server"} {
			s.give(t, s.inv.Cluster, m.Name, role, s.pair(t, s.inv.Cluster, m, role, time.Now().Add(-3*year/2)))
		}
	}
}

// restartApart restarts all members, and returns when each waits for others that it does not find.
func (s *stand) restartApart(t *testing.T) {
	t.Helper()
	before := s.pids(t, s.inv.Cluster)
	s.each(func(host string) { s.on(t, host, "systemctl restart --no-block etcd-prod") })
	const state = "systemctl show -p MainPID --value etcd-prod; systemctl show -p ActiveState --value etcd-prod"
	s.each(func(host string) {
		until(t, "the member on "+host+" to wait for others that refuse it", func() bool {
			pid, state, _ := strings.Cut(s.on(t, host, state), "\n")
			if state != "activating" || pid == "0" || pid == before[host] {
				return false
			}
			return s.on(t, host, "journalctl -q -o cat _PID="+pid+" | grep -om 1 'certificate has expired'; true") != ""
		})
	})
}

// keep writes something that must be there in the end.
func (s *stand) keep(t *testing.T, what string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := s.insider(t).Put(ctx, "kept/"+what, what)
	must(t, err)
}

// insider is a client with a certificate of the CA that is good now.
func (s *stand) insider(t *testing.T) *clientv3.Client {
	t.Helper()
	store := s.cas(t, s.inv.Cluster)
	app := issue(t, store, "app")
	return s.client(t, secure(t, store, pki.RoleClient, app.Cert, app.Key), s.inv.url(s.inv.Members[0]))
}

// recovered checks that a cluster is whole again, as the same one, with what was kept.
func (s *stand) recovered(t *testing.T, before []picture, what string) {
	t.Helper()
	end := s.looks(t)
	s.lawful(t, before, end)
	s.served(t, end)
	tidy(t, end)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got, err := s.insider(t).Get(ctx, "kept/"+what)
	if err != nil || len(got.Kvs) != 1 || string(got.Kvs[0].Value) != what {
		t.Errorf("what was kept reads %v, %v", got, err)
	}
}
