package operator

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/look"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/plan/trust"
	"github.com/clusterup/clusterup/quorum"
)

// ObserverDir is where an observer's certificate lies if nothing else is said.
func (s *Session) ObserverDir() string { return filepath.Join(s.dir, "observer") }

// Observer is an observer's certificate with its key, and the CAs that it came with.
type Observer struct {
	files ClientFiles
	Pair  facts.ClientPair
	tls   tls.Certificate
	roots []byte // PEM
}

// ReadObserver reads the files of an observer's certificate in a directory; nil: none is there.
func ReadObserver(dir string) (*Observer, error) {
	o := Observer{files: ClientFiles{Dir: dir, Name: etcd.Observer}}
	if _, err := os.Stat(o.files.Cert()); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	cert, key, err := o.files.together()
	if err == nil {
		o.tls, err = tls.X509KeyPair(cert, key)
	}
	if err == nil {
		o.roots, err = readSmall(o.files.CA())
	}
	if err != nil {
		return nil, fmt.Errorf("read the observer's certificate: %w", err)
	}
	leaf := o.tls.Leaf
	if is := leaf.Subject.CommonName; is != etcd.Observer {
		return nil, fmt.Errorf("%s is no observer's certificate: it is for the user %q", o.files.Cert(), is)
	}
	o.Pair = facts.ClientPair{
		Client: facts.Client{
			Name: etcd.Observer, Serial: leaf.SerialNumber.Text(16), NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter,
		},
		User: leaf.Subject.CommonName, Organization: strings.Join(leaf.Subject.Organization, ", "),
	}
	return &o, nil
}

// Observe has members be asked with an observer's certificate from now on, instead of one that the client CA signs for
// clusterup itself: no key of a CA is used then, unless it lies open, to see what ports of peers show. direct: members
// are dialled from this machine, and no host is. Nil, with direct: members ask for no certificates.
func (s *Session) Observe(o *Observer, direct bool) { s.observer, s.direct = o, direct }

// Observer is the certificate that Observe was told of; nil: none.
func (s *Session) Observer() *Observer { return s.observer }

// observerTLS shows the observer's certificate as it lies there by now.
func (s *Session) observerTLS() (*tls.Config, error) {
	o, err := ReadObserver(s.observer.files.Dir)
	switch {
	case err != nil:
		return nil, err
	case o == nil:
		o = s.observer
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(o.roots)
	if store, err := s.OpenStore(); err == nil { // which may know of another CA by now
		roots.AppendCertsFromPEM(trust.PEM(s.Known(store, s.Now()).Roots()))
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: []tls.Certificate{o.tls}}, nil
}

// KeyLiesOpen says whether the key of the client CA is here, and needs no passphrase: whoever has it sees all.
func (s *Session) KeyLiesOpen() bool { return s.open(pki.RoleClient) }

func (s *Session) open(role pki.Role) bool {
	store, err := s.OpenStore()
	return err == nil && slices.ContainsFunc(store.CAs(), func(ca pki.CA) bool {
		return ca.Role == role && ca.Signing && !ca.Sealed && !ca.Given
	})
}

// visits says whether a port may be knocked at with a certificate of clusterup's own. Whoever only observes is asked
// for no passphrase.
func (s *Session) visits(role string, generation int) bool {
	if s.observer == nil || role == "server" && generation == 0 {
		return true
	}
	if role == "server" {
		return s.open(pki.RoleClient)
	}
	return s.open(pki.RolePeer)
}

// dialled is a connection from this machine, past all hosts.
func dialled(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", address)
}

// Ports is what the client ports of members show that are not to leave, with the versions that these run, as
// RunVersions has them. It blocks until all have answered.
func (s *Session) Ports(ctx context.Context) (facts.Snapshot, map[string]string, error) {
	asks := etcd.Asks(s.Cluster)
	for _, m := range s.Cluster.Members {
		if m.Absent {
			delete(asks, m.Name)
		}
	}
	seen := look.Ports(ctx, look.Source{Asks: asks, Etcd: s.Etcd, Handshake: s.handshake, Now: s.Now})
	versions := s.RunVersions(ctx, seen)
	seen.Hosts = hidden(seen.Hosts, versions)
	return seen, versions, ctx.Err()
}

// hidden are hosts of which those count as not asked whose members refuse an observer.
func hidden(hosts map[string]facts.Host, versions map[string]string) map[string]facts.Host {
	hosts = maps.Clone(hosts)
	for name, host := range hosts {
		if host.Denied {
			host.Unasked = etcd.Hidden(versions[name])
			hosts[name] = host
		}
	}
	return hosts
}

// RunVersions are the versions that members run, by name, also of those that do not let us see how they are; one that
// is not known is left out.
func (s *Session) RunVersions(ctx context.Context, seen facts.Snapshot) map[string]string {
	versions := map[string]string{}
	for name, host := range seen.Hosts {
		switch {
		case host.Etcd != nil:
			versions[name] = host.Etcd.Version
		case host.Denied:
			is, err := ask(s.Etcd, func(c *quorum.Cluster) (string, error) { return c.ServerVersion(ctx, host.Endpoint) })
			if err == nil {
				versions[name] = is
			}
		}
	}
	return versions
}

// Rights are what the certificate with which members are asked may do, as far as one of those tells that serve reads.
func (s *Session) Rights(ctx context.Context, seen facts.Snapshot) facts.Rights {
	for _, name := range seen.Names() {
		host := seen.Hosts[name]
		if !host.Reads {
			continue
		}
		rights, err := ask(s.Etcd, func(c *quorum.Cluster) (facts.Rights, error) { return c.Rights(ctx, host.Endpoint) })
		if err == nil {
			return rights
		}
	}
	return facts.Rights{}
}

// AtHand is what was seen by whoever only observes, as if the keys of all CAs were here, and with no word of what etcd
// shows to root alone: it is to be told what those could do who have the keys. versions are those that members run.
func (s *Session) AtHand(seen facts.Snapshot, versions map[string]string) facts.Snapshot {
	seen.Hosts = hidden(seen.Hosts, versions)
	if seen.Auth != nil && seen.Auth.Denied {
		seen.Auth = &facts.Auth{AuthState: facts.AuthState{Enabled: true}}
	}
	seen.Operator.CAs = slices.Clone(seen.Operator.CAs)
	for i, ca := range seen.Operator.CAs {
		seen.Operator.CAs[i].Signing = !ca.Retired
	}
	return seen
}
