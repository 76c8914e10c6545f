package acceptance

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/clusterup/clusterup/pki"
)

// cas are the CAs in the operator directory of a cluster.
func (s *site) cas(t *testing.T, cluster string) *pki.Store {
	t.Helper()
	store, err := pki.Open(filepath.Join(s.dir, ".clusterup", cluster, "ca"), pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// issue makes a client certificate, as an operator would for an application.
func issue(t *testing.T, store *pki.Store, name string) pki.Pair {
	t.Helper()
	pair, err := store.Issue(pki.Leaf{Kind: "client", CN: name}, time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// secure is a TLS configuration that trusts a role's CAs and shows a pair, or none.
func secure(t *testing.T, store *pki.Store, role pki.Role, cert, key []byte) *tls.Config {
	t.Helper()
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	for _, ca := range store.CAs() {
		if ca.Role == role {
			config.RootCAs.AppendCertsFromPEM(ca.Trust)
		}
	}
	if cert != nil {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		// As a client that shows its certificate whatever the server asks for.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return config
}

// client is etcd's own Go client, at work on the control machine.
func (s *site) client(t *testing.T, config *tls.Config, endpoints ...string) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{
		Endpoints: endpoints, TLS: config, Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(s.dialer())},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// dialer dials from within the lab.
func (s *site) dialer() func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) {
		return s.lab.DialContext(ctx, "tcp", address)
	}
}

// endpoint is a client or peer URL of a member.
func endpoint(m member, port int) string {
	return "https://" + net.JoinHostPort(m.Address, fmt.Sprint(port))
}

// worksFor puts, gets, watches and transacts through every member.
func (s *site) worksFor(t *testing.T, config *tls.Config, inv inventory, port int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, m := range inv.Members {
		c := s.client(t, config, endpoint(m, port))
		key := "acceptance/" + m.Name
		put, err := c.Put(ctx, key, "1")
		if err != nil {
			t.Fatalf("put through %s: %v", m.Name, err)
		}
		got, err := c.Get(ctx, key)
		if err != nil || len(got.Kvs) != 1 || string(got.Kvs[0].Value) != "1" {
			t.Errorf("get through %s: %v, %v", m.Name, got, err)
		}
		txn, err := c.Txn(ctx).If(clientv3.Compare(clientv3.Value(key), "=", "1")).Then(clientv3.OpPut(key, "2")).Commit()
		if err != nil || !txn.Succeeded {
			t.Errorf("transaction through %s: %v, %v", m.Name, txn, err)
		}
		seen := ""
		for watched := range c.Watch(ctx, key, clientv3.WithRev(put.Header.Revision)) {
			for _, event := range watched.Events {
				seen += string(event.Kv.Value)
			}
			if len(seen) >= 2 || watched.Err() != nil {
				break
			}
		}
		if seen != "12" {
			t.Errorf("a watch through %s saw the values %q, want 1 and 2", m.Name, seen)
		}
	}
}

// ask does one HTTPS request to an etcd port, so that a refusal is seen as the TLS alert that it is.
func (s *site) ask(t *testing.T, config *tls.Config, url string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	transport := &http.Transport{TLSClientConfig: config, DialContext: s.lab.DialContext}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/version", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	if response.StatusCode != http.StatusOK {
		err = errors.Join(err, errors.New(response.Status))
	}
	return err
}

// reception is how an etcd port treats somebody.
type reception string

const (
	welcome reception = "welcome"
	alert   reception = "TLS alert" // the certificate, or its absence, is refused
	// its CA is trusted, but it is revoked, or comes from an address that is none of its names
	hangUp reception = "hang up"
	other  reception = "other"
)

func receptionOf(err error) reception {
	var op *net.OpError
	switch {
	case err == nil:
		return welcome
	case errors.As(err, &op) && op.Op == "remote error":
		return alert
	// net/http has no word for it
	case errors.Is(err, io.EOF), strings.Contains(err.Error(), "server closed idle connection"):
		return hangUp
	}
	return other
}

// clients proves who gets in, and who does not.
func clients(t *testing.T, s *site, inv inventory) {
	store := s.cas(t, inv.Cluster)
	app := issue(t, store, "app")
	s.worksFor(t, secure(t, store, pki.RoleClient, app.Cert, app.Key), inv, 2379)

	stranger, err := pki.Open(filepath.Join(t.TempDir(), "ca"), pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Create(pki.RoleClient, inv.Cluster, pki.Spec{}, time.Now(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	foreign := issue(t, stranger, "app")
	leaf := func(role, file string) []byte {
		return []byte(s.on(t, "etcd-1", "cat /etc/etcd/"+inv.Cluster+"/tls/"+role+"/"+file))
	}
	peerCert, peerKey := leaf("peer", "cert.pem"), leaf("peer", "key.pem")
	serverCert, serverKey := leaf("server", "cert.pem"), leaf("server", "key.pem")

	for name, try := range map[string]struct {
		port      int
		cert, key []byte
		want      reception
	}{
		"a client at the client port":                  {2379, app.Cert, app.Key, welcome},
		"nobody at the client port":                    {2379, nil, nil, alert},
		"a peer at the client port":                    {2379, peerCert, peerKey, alert},
		"another cluster's client at the client port":  {2379, foreign.Cert, foreign.Key, alert},
		"a peer's at the peer port, from elsewhere":    {2380, peerCert, peerKey, hangUp},
		"nobody at the peer port":                      {2380, nil, nil, alert},
		"a client at the peer port":                    {2380, app.Cert, app.Key, alert},
		"a server's own certificate at the peer port":  {2380, serverCert, serverKey, alert},
		"another cluster's client at the peer port":    {2380, foreign.Cert, foreign.Key, alert},
		"a server's own certificate, as gateways show": {2379, serverCert, serverKey, welcome},
	} {
		t.Run(name, func(t *testing.T) {
			role := map[int]pki.Role{2379: pki.RoleClient, 2380: pki.RolePeer}[try.port]
			for _, m := range inv.Members {
				err := s.ask(t, secure(t, store, role, try.cert, try.key), endpoint(m, try.port))
				if got := receptionOf(err); got != try.want {
					t.Errorf("%s: %s, want %s: %v", m.Name, got, try.want, err)
				}
			}
		})
	}
	t.Run("clientv3 without a certificate", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		c := s.client(t, secure(t, store, pki.RoleClient, nil, nil), endpoint(inv.Members[0], 2379))
		if _, err := c.Put(ctx, "acceptance/nobody", "x"); err == nil {
			t.Error("was let in")
		}
	})
	t.Run("etcdctl on a host", func(t *testing.T) { etcdctl(t, s, inv, app) })
}

// etcdctl is the release's own client, used by whoever is logged in on a host.
func etcdctl(t *testing.T, s *site, inv inventory, app pki.Pair) {
	conf := "/etc/etcd/" + inv.Cluster
	const with, peer = "--cert=/run/app/cert.pem --key=/run/app/key.pem",
		"--cert=/etc/etcd/prod/tls/peer/cert.pem --key=/etc/etcd/prod/tls/peer/key.pem"
	for _, m := range inv.Members {
		key := "ctl/" + m.Name
		ctl := func(flags, command string) string {
			return fmt.Sprintf(
				"/opt/clusterup/etcd/%s-*/etcdctl --endpoints=%s,https://127.0.0.1:2379 --cacert=$(echo %s/trust-client-*.pem) %s %s",
				inv.Version, endpoint(m, 2379), conf, flags, command)
		}
		s.on(t, m.Name,
			fmt.Sprintf(
				"umask 077; mkdir /run/app; cat >/run/app/cert.pem <<'PEM'\n%sPEM\ncat >/run/app/key.pem <<'PEM'\n%sPEM\n",
				app.Cert, app.Key))
		for script, want := range map[string]string{
			ctl(with, "put "+key+"/put 1") + " && " +
				ctl(with, "get --print-value-only "+key+
					"/put"): "OK\n1",
			ctl(with, "put "+key+"/watch 1 >/run/app/put") + "\n" +
				ctl(with, "watch --rev=1 "+key+"/watch -- sh -c 'echo $ETCD_WATCH_EVENT_TYPE $ETCD_WATCH_VALUE; kill $PPID'") +
				" | grep -v '^$' | tail -n 1": `"PUT" "1"`,
			ctl(with, "txn") + " <<'TXN'\ncreate(\"nowhere\") = \"0\"\n\nput " + key +
				"/txn 1\n\n\nTXN": "SUCCESS\n\nOK",
		} {
			if got := s.on(t, m.Name, script); got != want {
				t.Errorf("%s: %q, want %q\n%s", m.Name, got, want, script)
			}
		}
		s.on(t, m.Name, "rm -r /run/app")
	}
	first := inv.Members[0]
	for who, flags := range map[string]string{"nobody": "", "a peer": peer} {
		if out, err := s.try(t, first.Name,
			fmt.Sprintf(
				"/opt/clusterup/etcd/*/etcdctl --endpoints=%s --cacert=$(echo %s/trust-client-*.pem) --command-timeout=2s %s put ctl x",
				endpoint(first, 2379), conf, flags)); err == nil {
			t.Errorf("etcdctl lets %s in: %s", who, out)
		}
	}
}
