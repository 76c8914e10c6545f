package acceptance

import (
	"crypto/rand"
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/units"
)

// madeAt makes the CA of a role in the operator directory as if that had been done at another time.
func (s *site) madeAt(t *testing.T, cluster string, role pki.Role, lifetime time.Duration, then time.Time) {
	t.Helper()
	_, err := s.cas(t, cluster).Create(role, cluster, pki.Spec{CALifetime: lifetime}, then, rand.Reader)
	must(t, err)
}

// pair is a certificate of a member as clusterup would have issued it at another time.
func (s *site) pair(t *testing.T, cluster string, m member, role string, then time.Time) pki.Pair {
	t.Helper()
	leaf := pki.Leaf{Kind: role, CN: role + ":" + m.Name, IPs: []net.IP{net.ParseIP(m.Address)}}
	if role == "server" {
		leaf.CN, leaf.OU = "", leaf.CN
	}
	pair, err := s.cas(t, cluster).Issue(leaf, then, rand.Reader)
	must(t, err)
	return pair
}

// give puts a pair on a host just as clusterup does, in place of the one that is there.
func (s *site) give(t *testing.T, cluster, host, role string, pair pki.Pair) {
	t.Helper()
	conf := "/etc/etcd/" + cluster
	dir, link := units.LeafDir(conf, role, pair.Serial), units.LeafLink(conf, role)
	script := "set -e\ninstall -d -o root -g etcd-" + cluster + " -m 0750 " + dir + "\n"
	for _, f := range units.Leaf(dir, "etcd-"+cluster, pair.Cert, pair.Key) {
		script += fmt.Sprintf("cat >%[1]s <<'END'\n%[2]sEND\nchown %[3]s:%[4]s %[1]s\nchmod %04[5]o %[1]s\n", f.Path, f.Data,
			f.Owner, f.Group, f.Mode.Perm())
	}
	s.on(t, host,
		script+fmt.Sprintf("was=$(readlink -f %[1]s)\nln -sfn %[2]s %[1]s.now\nmv -T %[1]s.now %[1]s\nrm -r \"$was\"\n", link,
			filepath.Base(dir)))
}
