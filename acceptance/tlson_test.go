package acceptance

import (
	"context"
	"fmt"
	"maps"
	"net"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/pki"
)

// newClientPort is where members serve https that has http on the usual port beside it.
const newClientPort = 12379

// tlsBlock is what an inventory says of TLS, with the port on which clients find https.
func tlsBlock(port int, lines ...string) string {
	return fmt.Sprintf("\n  client_port = %d\n  tls {\n    %s\n  }\n", port, strings.Join(lines, "\n    "))
}

// inPlain is a cluster in which nothing is secure; the others are the ways from there, step by step.
func inPlain(inv *inventory) {
	inv.Settings, inv.HTTP = tlsBlock(2379, "peers = false", "clients = false"), 2379
}

func securePeers(inv *inventory) { inv.Settings = tlsBlock(2379, "clients = false") }

func secureBeside(inv *inventory) {
	inv.Settings = tlsBlock(newClientPort, "http_client_port = 2379")
}

func secureAll(inv *inventory) {
	inv.Settings, inv.HTTP, inv.Port = tlsBlock(newClientPort), 0, newClientPort
}

// TestTLSOn takes a cluster that speaks http to https while clients are at work: first its peers, then its clients by
// way of both.
func TestTLSOn(t *testing.T) {
	t.Parallel()
	s := newSite(t, "tls-on", hosts(3)...)
	inv := s.inventory(t, "prod")
	inPlain(&inv)
	s.ok(t, "apply", "--yes", s.write(t, "prod.hcl", inv))
	t.Run("all at once", func(t *testing.T) { allAtOnce(t, s, inv) })
	t.Run("peers", func(t *testing.T) { killedOften(t, s, &inv) })
	switchClients(t, s, &inv)
	t.Run("back", func(t *testing.T) { backToPlain(t, s, inv) })
	t.Run("markers lost", func(t *testing.T) { markersLost(t, s, inv) })
}

// TestTLSOnFive does so with five members, which nobody disturbs.
func TestTLSOnFive(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	s := newSite(t, "tls-five", hosts(5)...)
	s.shipped()
	inv := s.inventory(t, "prod")
	inPlain(&inv)
	s.ok(t, "apply", "--yes", s.write(t, "prod.hcl", inv))
	t.Run("peers", func(t *testing.T) {
		r := peersRoll
		r.who = nobody // a watcher keeps each of ten restarts waiting
		r.undergo(t, s, &inv)
		s.peersSecure(t, inv)
	})
	switchClients(t, s, &inv)
}

// peersRoll switches TLS on between peers.
var peersRoll = rolling{name: "TLS is switched on between peers", change: securePeers, hops: 2}

func switchClients(t *testing.T, s *site, inv *inventory) {
	who := unhurried(everybody)
	t.Run("clients, beside http", func(t *testing.T) {
		rolling{name: "https is switched on for clients, beside http", change: secureBeside, who: who}.undergo(t, s, inv)
		s.clientsSecure(t, *inv, true)
	})
	t.Run("clients, alone", func(t *testing.T) {
		rolling{name: "http is switched off for clients", change: secureAll, who: who}.undergo(t, s, inv)
		s.clientsSecure(t, *inv, false)
	})
}

// allAtOnce is https in the place of http: all clients would lose the cluster.
func allAtOnce(t *testing.T, s *site, inv inventory) {
	inv.Settings = tlsBlock(2379)
	refused(t, s, s.write(t, "once.hcl", inv), 13, "etcd-1: …http…2379…[needs-consent]",
		"→ …tls { http_client_port = 2379 }…--accept=downtime")
}

// backToPlain is TLS switched off again, which nobody does by mistake.
func backToPlain(t *testing.T, s *site, inv inventory) {
	inv.Settings = tlsBlock(newClientPort, "peers = false", "clients = false")
	refused(t, s, s.write(t, "back.hcl", inv), 13, "etcd-1: …peers…[insecure]", "→ …peers = true",
		"etcd-1: …clients…[insecure]", "→ …clients = true")
}

// markersLost takes all birth markers from a cluster whose ID does not follow from its inventory any more, while its
// members run and when they are stopped: they come back, and nothing else happens to a member that runs.
func markersLost(t *testing.T, s *site, inv inventory) {
	file := s.write(t, "prod.hcl", inv)
	const marker = "/etc/etcd/prod/born.json"
	ids := func(host string) string { return s.on(t, host, "grep -o '\"\\(cluster\\|member\\)_id\"[^,]*' "+marker) }
	was, pids := map[string]string{}, s.pids(t, "prod")
	for _, stop := range []bool{false, true} {
		for _, host := range s.names() {
			was[host] = ids(host)
			s.on(t, host, "rm "+marker)
			if stop {
				s.on(t, host, "systemctl stop etcd-prod")
			}
		}
		r := s.ok(t, "apply", "--yes", file).says(t, "record-birth/etcd-1", "record-birth/etcd-3").saysNot(t,
			"restart-member")
		if !stop {
			r.saysNot(t, "start-member")
			if now := s.pids(t, "prod"); !maps.Equal(now, pids) {
				t.Errorf("processes were %v and are %v", pids, now)
			}
		}
		for _, host := range s.names() {
			if is := ids(host); is != was[host] || is == "" {
				t.Errorf("%s: the marker says %s, and said %s", host, is, was[host])
			}
		}
	}
	s.inSync(t, file, inv)
}

// peersSecure checks how members know each other, and what they listen with.
func (s *site) peersSecure(t *testing.T, inv inventory) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	list, err := s.client(t, s.appTLS(t, inv), inv.url(inv.Members[0])).MemberList(ctx)
	must(t, err)
	for _, member := range list.Members {
		if len(member.PeerURLs) != 1 || !strings.HasPrefix(member.PeerURLs[0], "https://") {
			t.Errorf("%s is known at %q", member.Name, member.PeerURLs)
		}
	}
	for _, m := range inv.Members {
		s.knock(t, m, 2380)
		if err := s.ask(t, nil, "http://"+net.JoinHostPort(m.Address, "2380")); err == nil {
			t.Errorf("%s still takes http from peers", m.Name)
		}
	}
}

// clientsSecure checks that members serve clients with certificates, and no others but on the port of http, while that
// is there.
func (s *site) clientsSecure(t *testing.T, inv inventory, plain bool) {
	t.Helper()
	s.worksFor(t, s.appTLS(t, inv), inv, newClientPort)
	for _, m := range inv.Members {
		if err := s.ask(t, secure(t, s.cas(t, inv.Cluster), pki.RoleClient, nil, nil),
			endpoint(m, newClientPort)); receptionOf(err) != alert {
			t.Errorf("%s lets in whoever has no certificate: %v", m.Name, err)
		}
		if err := s.ask(t, nil, "http://"+net.JoinHostPort(m.Address, "2379")); (err == nil) != plain {
			t.Errorf("%s on the port of http: %v", m.Name, err)
		}
	}
}
