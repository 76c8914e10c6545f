package acceptance

import (
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/pki"
)

// oldKeys are the pairs of a member, as they lie on its host, by role.
func (s *site) oldKeys(t *testing.T, host, cluster string) map[string]pki.Pair {
	t.Helper()
	pairs := map[string]pki.Pair{}
	for _, role := range []string{"peer", "server"} {
		dir := path.Join("/etc/etcd", cluster, "tls", role)
		pairs[role] = pki.Pair{
			Cert: []byte(s.on(t, host, "cat "+dir+"/cert.pem") + "\n"), Key: []byte(s.on(t, host, "cat "+dir+"/key.pem") + "\n"),
		}
	}
	return pairs
}

// revokedPeer proves that the keys which a member had let nobody in at the members of an inventory that stay, now that
// it is none of them, while their own do. Peers are dialled from the host of the member that the keys were of, since
// etcd takes a certificate of a peer only from an address that it names.
func revokedPeer(t *testing.T, s *site, inv inventory, host string, old map[string]pki.Pair) {
	t.Helper()
	for _, m := range inv.Members {
		if m.More != "" {
			continue
		}
		for role, port := range map[string]int{"peer": 2380, "server": 2379} {
			if s.letsIn(t, host, m, port, old[role]) {
				t.Errorf("the old %s key of %s lets in at %s", role, host, m.Name)
			}
			if own := s.oldKeys(t, m.Name, inv.Cluster); !s.letsIn(t, m.Name, m, port, own[role]) {
				t.Errorf("%s refuses its own %s key", m.Name, role)
			}
		}
	}
}

// letsIn says whether a port of a member answers who dials it from a host with a pair.
func (s *site) letsIn(t *testing.T, from string, m member, port int, pair pki.Pair) bool {
	t.Helper()
	said, _ := s.try(t, from, fmt.Sprintf(`umask 077
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
cat >"$at/pair.pem" <<'END'
%s%sEND
printf 'GET /version HTTP/1.0\r\n\r\n' |
  timeout 10 openssl s_client -quiet -connect %s:%d -cert "$at/pair.pem" -key "$at/pair.pem" 2>/dev/null`,
		pair.Cert, pair.Key, m.Address, port))
	return strings.Contains(said, "etcdserver")
}
