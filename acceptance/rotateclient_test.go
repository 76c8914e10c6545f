package acceptance

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/clusterup/clusterup/pki"
)

// wallet is what a client has that lives through a rotation of the client CA: at each new connection it trusts the
// bundle of that moment, and shows the newest of its certificates that the server takes.
type wallet struct {
	members []member

	mu    sync.Mutex
	trust []byte            // PEM
	pairs []tls.Certificate // oldest first
	renew func() error      // brings both up to date; nil: somebody else does
	wrong []error           // what renew came back with
}

// config is for all members: as go's own check, but with what is trusted now.
func (w *wallet) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, //nolint:gosec // VerifyConnection does
		VerifyConnection: w.verify, GetClientCertificate: w.show,
	}
}

func (w *wallet) put(trust []byte, pairs ...tls.Certificate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trust, w.pairs = trust, append(w.pairs, pairs...)
}

func (w *wallet) verify(state tls.ConnectionState) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refresh()
	roots, leaf := x509.NewCertPool(), state.PeerCertificates[0]
	roots.AppendCertsFromPEM(w.trust)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots}); err != nil {
		return err
	}
	if !slices.ContainsFunc(w.members, func(m member) bool { return leaf.VerifyHostname(m.Address) == nil }) {
		return fmt.Errorf("%s is for %v", leaf.Subject, leaf.IPAddresses)
	}
	return nil
}

func (w *wallet) show(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refresh()
	for i := len(w.pairs) - 1; i >= 0; i-- {
		if asked.SupportsCertificate(&w.pairs[i]) == nil {
			return &w.pairs[i], nil
		}
	}
	return &tls.Certificate{}, nil // the server says what it thinks of that
}

func (w *wallet) refresh() {
	if w.renew == nil {
		return
	}
	if err := w.renew(); err != nil {
		w.wrong = append(w.wrong, err)
	}
}

// kept is a client whose certificate and bundle an agent keeps up to date: each CA that there is signs one for it, as
// soon as it is there.
func kept(t *testing.T, s *site, inv inventory) *tls.Config {
	t.Helper()
	w, signed := &wallet{members: inv.Members}, map[int]bool{}
	w.renew = func() error {
		store, err := pki.Open(filepath.Join(s.dir, ".clusterup", inv.Cluster, "ca"), pki.Options{})
		if err != nil {
			return err
		}
		w.trust = nil
		for _, ca := range store.CAs() {
			if ca.Role != pki.RoleClient || ca.Retired {
				continue
			}
			w.trust = append(w.trust, ca.Trust...)
			if signed[ca.Generation] || !ca.Signing {
				continue
			}
			pair, err := store.Issue(pki.Leaf{Kind: "client", CN: "app", Generation: ca.Generation}, time.Now(), rand.Reader)
			if err != nil {
				return err
			}
			certificate, err := pair.TLS()
			if err != nil {
				return err
			}
			signed[ca.Generation], w.pairs = true, append(w.pairs, certificate)
		}
		return nil
	}
	t.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, err := range w.wrong {
			t.Errorf("while the CAs changed: %v", err)
		}
	})
	return w.config()
}

// creds are the files of a client that cert issue has written.
type creds struct {
	dir   string
	trust []byte
	pair  tls.Certificate
}

// credentials issues them, as an operator would.
func (s *site) credentials(t *testing.T, name, file string) creds {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "creds")
	s.ok(t, "cert", "issue", name, file, "--out", dir)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+"-key.pem"))
	must(t, err)
	return creds{dir, []byte(read(t, filepath.Join(dir, "ca.pem"))), pair}
}

// config shows the pair whatever the server asks for.
func (c creds) config() *tls.Config {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.trust)
	return &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: roots,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c.pair, nil },
	}
}

// received checks how every member treats whoever shows a pair at a port. The server's certificate is for others to
// judge.
func (s *site) received(t *testing.T, who string, c creds, inv inventory, port int, want reception) {
	t.Helper()
	config := c.config()
	config.InsecureSkipVerify = true
	for _, m := range inv.Members {
		if err := s.ask(t, config, endpoint(m, port)); receptionOf(err) != want {
			t.Errorf("%s at port %d of %s: %s (%v), want %s", who, port, m.Name, receptionOf(err), err, want)
		}
	}
}

// Where a member shows certificates, and which leaf it shows there.
var ports = map[string]int{"peer": 2380, "server": 2379}

// shown are the certificates that all members show to whoever knocks, by role and host.
func (s *site) shown(t *testing.T, inv inventory) map[string]*x509.Certificate {
	t.Helper()
	found := map[string]*x509.Certificate{}
	for role, port := range ports {
		for _, m := range inv.Members {
			found[role+" "+m.Name] = s.knock(t, m, port)
		}
	}
	return found
}

func (s *site) knock(t *testing.T, m member, port int) *x509.Certificate {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := s.lab.DialContext(ctx, "tcp", endpoint(m, port)[len("https://"):])
	must(t, err)
	defer conn.Close()
	var leaf *x509.Certificate
	client := tls.Client(conn, &tls.Config{
		MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, //nolint:gosec // which one it is, is the question
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) (err error) {
			leaf, err = x509.ParseCertificate(raw[0])
			return err
		},
	})
	if err := client.HandshakeContext(ctx); leaf == nil {
		t.Fatalf("port %d of %s: %v", port, m.Name, err)
	}
	return leaf
}

// lying is the certificate of a role that lies on a host.
func (s *site) lying(t *testing.T, host, cluster, role string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(s.on(t, host, "cat /etc/etcd/"+cluster+"/tls/"+role+"/cert.pem")))
	if block == nil {
		t.Fatalf("%s has no %s certificate", host, role)
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	must(t, err)
	return leaf
}
