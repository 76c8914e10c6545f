package operator

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/clusterup/clusterup/durable"
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/plan/trust"
	"github.com/clusterup/clusterup/pool"
	"github.com/clusterup/clusterup/quorum"
)

// ownLifetime is how long a certificate of clusterup's own lives. A run takes another one after half of that.
const ownLifetime = time.Hour

// retryMint is how long a CA's server is left alone after it failed to sign: all members are asked at the same time,
// and each of these calls would ask the server again.
const retryMint = 5 * time.Second

// etcdAPI is the etcd API of all members, each reached through its own host's SSH connection. The client exists as soon
// as there is a CA to sign its certificate.
type etcdAPI struct {
	session *Session

	routing sync.Mutex        // its own: dialing must not wait for whoever mints
	routes  map[string]string // host:port of a client URL → member

	mu     sync.Mutex
	client *quorum.Cluster
	config *tls.Config // the certificates that client shows, and the CAs that it trusts
	minted time.Time   // when client was made, or failed
	failed error       // why there is no client; nil: there is one, or nobody asked for it yet
	cas    string      // the CAs that client and visitors were made with

	visiting sync.Mutex // its own: a CA may be a server that takes its time
	visitors map[string]visitor
}

func newEtcdAPI(s *Session) *etcdAPI {
	api := &etcdAPI{session: s, routes: map[string]string{}, visitors: map[string]visitor{}}
	for _, m := range s.Cluster.Members {
		api.route(m.Name, etcd.ClientURL(s.Cluster, m))
	}
	return api
}

// route makes an endpoint be reached through a member's host.
func (a *etcdAPI) route(member, endpoint string) {
	a.routing.Lock()
	defer a.routing.Unlock()
	if u, err := url.Parse(endpoint); err == nil {
		a.routes[u.Host] = member
	}
}

// memberAt is the member behind an endpoint.
func (a *etcdAPI) memberAt(endpoint string) string {
	a.routing.Lock()
	defer a.routing.Unlock()
	if u, err := url.Parse(endpoint); err == nil {
		return a.routes[u.Host]
	}
	return ""
}

// Connect is the client to use now. It may block while a CA's server signs, or while the operator is asked for a
// passphrase. After an error it returns the same error for retryMint, and then tries again.
func (a *etcdAPI) Connect() (*quorum.Cluster, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.session.Now()
	if a.client != nil && a.failed == nil && now.Sub(a.minted) < ownLifetime/2 {
		return a.client, nil
	}
	if a.failed != nil && now.Sub(a.minted) < retryMint {
		return nil, a.failed
	}
	config, err := a.session.askingTLS(now)
	if a.failed = err; err != nil {
		a.minted = a.session.Now()
		return nil, err
	}
	if a.client != nil {
		_ = a.client.Close() // its calls are over: clients are renewed between two looks
	}
	a.client, a.config, a.minted = quorum.New(quorum.Config{TLS: config, Dial: a.Dial}), config, now
	return a.client, nil
}

// Muted is why clusterup has no certificate to ask members with, such as a sealed key; then nothing is known of how the
// members are. Nil: it has one, or has needed none so far.
func (a *etcdAPI) Muted() error {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failed
}

// Dial goes through the SSH connection of the member's own host, so that no route to the client port is needed.
func (a *etcdAPI) Dial(ctx context.Context, address string) (net.Conn, error) {
	a.routing.Lock()
	member, ok := a.routes[address]
	a.routing.Unlock()
	if !ok {
		return nil, fmt.Errorf("dial %s: not a client address of the inventory", address)
	}
	return a.session.through(ctx, member, address)
}

func (a *etcdAPI) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.client != nil {
		_ = a.client.Close()
	}
}

// mintOf is a client certificate for clusterup itself, of a generation of the CA. Its name is root, the user that
// administers etcd once authentication is on.
func (s *Session) mintOf(store *pki.Store, generation int, now time.Time) (pki.Pair, error) {
	pair, err := store.Issue(pki.Leaf{
		Kind: "client", CN: "root", Organization: "clusterup", Lifetime: ownLifetime,
		Generation: generation,
	}, now, rand.Reader)
	if err != nil {
		return pki.Pair{}, fmt.Errorf("mint a client certificate: %w", err)
	}
	return pair, nil
}

// askingTLS is how members are asked: as an observer where there is one. Nil: members ask for no certificates, and
// nobody else is asked.
func (s *Session) askingTLS(now time.Time) (*tls.Config, error) {
	switch {
	case s.observer != nil:
		return s.observerTLS()
	case s.direct:
		return nil, nil
	}
	return s.clientTLS(now)
}

// clientTLS mints client certificates in memory, one for each CA that a member may accept. A member says which CAs it
// accepts, and is shown a certificate of one of them.
func (s *Session) clientTLS(now time.Time) (*tls.Config, error) {
	store, err := s.Store()
	if err != nil {
		return nil, err
	}
	known := s.Known(store, now)
	var certificates []tls.Certificate
	for i, generation := range known.Own() {
		pair, err := s.mintOf(store, generation, now)
		if err != nil && i > 0 {
			continue // it may not be needed
		}
		if err != nil {
			return nil, err
		}
		certificate, err := pair.TLS()
		if err != nil {
			return nil, fmt.Errorf("mint a client certificate: %w", err)
		}
		certificates = append(certificates, certificate)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(trust.PEM(known.Roots()))
	return &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: roots,
		GetClientCertificate: func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			for i := range certificates {
				if asked.SupportsCertificate(&certificates[i]) == nil {
					return &certificates[i], nil
				}
			}
			return &certificates[0], nil
		},
	}, nil
}

// OwnPair writes a client certificate that every member accepts, its key, and the CAs of the members to three files.
// Their owner alone can read them.
func (s *Session) OwnPair(cert, key, ca string) error {
	store, err := s.Store()
	if err != nil {
		return err
	}
	known := s.Known(store, s.Now())
	pair, err := s.mintOf(store, known.Common("client"), s.Now())
	if err != nil {
		return err
	}
	for _, file := range []struct {
		path string
		data []byte
	}{{key, pair.Key}, {cert, pair.Cert}, {ca, trust.PEM(known.Roots())}} {
		if err := durable.Write(file.path, file.data, 0o600); err != nil {
			return fmt.Errorf("write a client certificate: %w", err)
		}
	}
	return nil
}

// ask puts a question to the current client.
func ask[T any](a *etcdAPI, what func(*quorum.Cluster) (T, error)) (answer T, err error) {
	client, err := a.Connect()
	if err != nil {
		return answer, err
	}
	return what(client)
}

// tell is ask for what has no answer.
func (a *etcdAPI) tell(what func(*quorum.Cluster) error) error {
	_, err := ask(a, func(c *quorum.Cluster) (struct{}, error) { return struct{}{}, what(c) })
	return err
}

func (a *etcdAPI) Status(ctx context.Context, endpoint string) (facts.Status, error) {
	return ask(a, func(c *quorum.Cluster) (facts.Status, error) { return c.Status(ctx, endpoint) })
}

func (a *etcdAPI) Members(ctx context.Context, endpoint string) ([]facts.Listed, error) {
	return ask(a, func(c *quorum.Cluster) ([]facts.Listed, error) {
		members, _, err := c.Members(ctx, endpoint, false)
		return members, err
	})
}

func (a *etcdAPI) Alarms(ctx context.Context, endpoint string) ([]facts.Alarm, error) {
	return ask(a, func(c *quorum.Cluster) ([]facts.Alarm, error) { return c.Alarms(ctx, endpoint) })
}

func (a *etcdAPI) ReadLinearizable(ctx context.Context, endpoint string) error {
	return a.tell(func(c *quorum.Cluster) error { return c.ReadLinearizable(ctx, endpoint) })
}

func (a *etcdAPI) Canary(ctx context.Context, endpoint, key, value string) error {
	return a.tell(func(c *quorum.Cluster) error { return c.Canary(ctx, endpoint, key, value) })
}

func (a *etcdAPI) ClusterVersion(ctx context.Context, endpoint string) (string, error) {
	return ask(a, func(c *quorum.Cluster) (string, error) { return c.ClusterVersion(ctx, endpoint) })
}

func (a *etcdAPI) MoveLeader(ctx context.Context, endpoint string, to facts.ID) error {
	return a.tell(func(c *quorum.Cluster) error { return c.MoveLeader(ctx, endpoint, uint64(to)) })
}

func (a *etcdAPI) UpdateMember(ctx context.Context, endpoint string, id facts.ID, peerURLs []string) error {
	return a.tell(func(c *quorum.Cluster) error { return c.UpdateMember(ctx, endpoint, uint64(id), peerURLs) })
}

func (a *etcdAPI) AddLearner(ctx context.Context, endpoint string, peerURLs []string) error {
	return a.tell(func(c *quorum.Cluster) error { return c.AddLearner(ctx, endpoint, peerURLs) })
}

func (a *etcdAPI) PromoteMember(ctx context.Context, endpoint string, id facts.ID) error {
	return a.tell(func(c *quorum.Cluster) error { return c.PromoteMember(ctx, endpoint, uint64(id)) })
}

func (a *etcdAPI) RemoveMember(ctx context.Context, endpoint string, id facts.ID) error {
	return a.tell(func(c *quorum.Cluster) error { return c.RemoveMember(ctx, endpoint, uint64(id)) })
}

func (a *etcdAPI) Downgrade(ctx context.Context, endpoint, minor string) error {
	return a.tell(func(c *quorum.Cluster) error {
		if minor == "" {
			return c.Downgrade(ctx, endpoint, quorum.CancelDowngrade, "")
		}
		if err := c.Downgrade(ctx, endpoint, quorum.ValidateDowngrade, minor); err != nil {
			return err
		}
		return c.Downgrade(ctx, endpoint, quorum.EnableDowngrade, minor)
	})
}

func (a *etcdAPI) Defragment(ctx context.Context, endpoint string) error {
	return a.tell(func(c *quorum.Cluster) error { return c.Defragment(ctx, endpoint) })
}

func (a *etcdAPI) Compact(ctx context.Context, endpoint string, revision int64) error {
	return a.tell(func(c *quorum.Cluster) error { return c.Compact(ctx, endpoint, revision) })
}

func (a *etcdAPI) Disarm(ctx context.Context, endpoint string, alarm facts.Alarm) error {
	return a.tell(func(c *quorum.Cluster) error { return c.Disarm(ctx, endpoint, alarm) })
}

func (a *etcdAPI) Revision(ctx context.Context, endpoint string) (int64, error) {
	return ask(a, func(c *quorum.Cluster) (int64, error) { return c.Revision(ctx, endpoint) })
}

func (a *etcdAPI) Hash(ctx context.Context, endpoint string, revision int64) (sum uint32, compacted int64, err error) {
	hash, err := ask(a, func(c *quorum.Cluster) (quorum.Hash, error) { return c.HashKV(ctx, endpoint, revision) })
	return hash.Sum, hash.Compacted, err
}

// Holds is the revision of a member's store, and how many keys it has.
func (a *etcdAPI) Holds(ctx context.Context, endpoint string) (revision, keys int64, err error) {
	err = a.tell(func(c *quorum.Cluster) error {
		if revision, err = c.Applied(ctx, endpoint); err != nil {
			return err
		}
		keys, err = c.Keys(ctx, endpoint, revision)
		return err
	})
	return revision, keys, err
}

// AuthState finds out for an observer by a read, since etcd sends the question for it, which it would refuse an
// observer, through raft's log.
func (a *etcdAPI) AuthState(ctx context.Context, endpoint string, expected bool) (facts.AuthState, error) {
	if a.session.observer != nil {
		is, err := ask(a, func(c *quorum.Cluster) (facts.Rights, error) { return c.Rights(ctx, endpoint) })
		return facts.AuthState{Enabled: is.On, Denied: is.On}, err
	}
	return ask(a, func(c *quorum.Cluster) (facts.AuthState, error) { return c.AuthState(ctx, endpoint, expected) })
}

func (a *etcdAPI) Auth(ctx context.Context, endpoint string) (users []facts.User, roles []facts.Role, err error) {
	err = a.tell(func(c *quorum.Cluster) error {
		users, roles, err = c.Auth(ctx, endpoint)
		return err
	})
	return users, roles, err
}

// anywhere are all networks.
var anywhere = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

// Pool takes any address for a server's: that is between the key and the nodes that follow it.
func (a *etcdAPI) Pool(ctx context.Context, endpoint, balancer string) (pool.Wanted, error) {
	keys := pool.Keys{Balancer: balancer}
	return ask(a, func(c *quorum.Cluster) (pool.Wanted, error) {
		read, revision, err := c.List(ctx, endpoint, pool.MaxServers+1,
			quorum.Range{Key: keys.Servers(), Prefix: true}, quorum.Range{Key: keys.Generation()})
		if err != nil {
			return pool.Wanted{}, err
		}
		all := map[string]pool.Key{}
		for _, key := range read {
			all[key.Key] = pool.Key{Value: key.Value, Revision: key.Revision}
		}
		return keys.Read(all, revision, anywhere)
	})
}

func (a *etcdAPI) ChangePool(ctx context.Context, endpoint string, change pool.Change) (bool, error) {
	keys := pool.Keys{Balancer: change.Balancer}
	was := map[string]int64{keys.Generation(): change.Generation}
	put := map[string]string{keys.Generation(): pool.Generation{Confirm: change.Confirm}.Render()}
	for name, revision := range change.Revisions {
		was[keys.Server(name)] = revision
	}
	var remove []string
	for _, name := range change.Names() {
		was[keys.Server(name)] = change.Revisions[name]
		if server, is := change.Put[name]; is {
			put[keys.Server(name)] = server.Render()
			continue
		}
		remove = append(remove, keys.Server(name))
	}
	return ask(a, func(c *quorum.Cluster) (bool, error) {
		return c.Exchange(ctx, endpoint, was, map[string]int64{keys.Servers(): change.Read}, put, remove)
	})
}

func (a *etcdAPI) RolesOf(ctx context.Context, endpoint, user string) ([]string, error) {
	return ask(a, func(c *quorum.Cluster) ([]string, error) { return c.RolesOf(ctx, endpoint, user) })
}

func (a *etcdAPI) PutRole(ctx context.Context, endpoint string, role facts.Role, revoke []facts.Permission) error {
	return a.tell(func(c *quorum.Cluster) error { return c.PutRole(ctx, endpoint, role, revoke) })
}

func (a *etcdAPI) DropRole(ctx context.Context, endpoint, name string) error {
	return a.tell(func(c *quorum.Cluster) error { return c.DropRole(ctx, endpoint, name) })
}

func (a *etcdAPI) DropUser(ctx context.Context, endpoint, name string) error {
	return a.tell(func(c *quorum.Cluster) error { return c.DropUser(ctx, endpoint, name) })
}

func (a *etcdAPI) EnableAuth(ctx context.Context, endpoint string) error {
	return a.tell(func(c *quorum.Cluster) error { return c.EnableAuth(ctx, endpoint) })
}

func (a *etcdAPI) DisableAuth(ctx context.Context, endpoint string) error {
	return a.tell(func(c *quorum.Cluster) error { return c.DisableAuth(ctx, endpoint) })
}
