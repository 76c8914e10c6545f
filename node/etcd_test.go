package node

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/clusterup/clusterup/pool"
)

// patience is how long anything may take that has no limit of its own.
const patience = 30 * time.Second

// etcd is a real member on loopback, with TLS, client certificates and permissions on.
type etcd struct {
	dir      string
	endpoint string
	args     []string
	binary   string
	out      buffer
	cmd      *exec.Cmd
	root     *clientv3.Client
}

// startEtcd starts a member for the whole of a test.
func startEtcd(t *testing.T) *etcd {
	t.Helper()
	binary := os.Getenv("CLUSTERUP_ETCD")
	if binary == "" {
		t.Skip("CLUSTERUP_ETCD names no etcd binary")
	}
	e := &etcd{dir: t.TempDir(), binary: binary, endpoint: "https://" + freePort(t)}
	ca := newAuthority(t, e.dir)
	ca.leaf(t, "server", "server")
	ca.leaf(t, "root", "root")
	peer := "http://" + freePort(t)
	e.args = []string{
		"--name=m", "--data-dir=" + filepath.Join(e.dir, "data"), "--initial-cluster=m=" + peer,
		"--listen-client-urls=" + e.endpoint, "--advertise-client-urls=" + e.endpoint,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--client-cert-auth",
		"--trusted-ca-file=" + e.file("ca.pem"), "--cert-file=" + e.file("server.pem"),
		"--key-file=" + e.file("server-key.pem"), "--unsafe-no-fsync",
	}
	e.start(t)
	t.Cleanup(func() {
		e.kill()
		if t.Failed() {
			t.Logf("etcd said:\n%s", e.out.String())
		}
	})

	leaf, err := tls.LoadX509KeyPair(e.file("root.pem"), e.file("root-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	e.root, err = clientv3.New(clientv3.Config{
		Endpoints: []string{e.endpoint}, Logger: zap.NewNop(),
		TLS: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: ca.pool(), Certificates: []tls.Certificate{leaf}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.root.Close() })
	waitFor(t, "etcd serves", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := e.root.Get(ctx, "a")
		return err == nil
	})
	ctx := t.Context()
	_, err = e.root.UserAddWithOptions(ctx, "root", "", &clientv3.UserAddOptions{NoPassword: true})
	ok(t, err)
	_, err = e.root.RoleAdd(ctx, "root")
	ok(t, err)
	_, err = e.root.UserGrantRole(ctx, "root", "root")
	ok(t, err)
	_, err = e.root.AuthEnable(ctx)
	ok(t, err)
	return e
}

func (e *etcd) file(name string) string { return filepath.Join(e.dir, name) }

func (e *etcd) start(t *testing.T) {
	t.Helper()
	e.cmd = exec.Command(e.binary, e.args...)
	e.cmd.Env = slices.DeleteFunc(os.Environ(),
		func(v string) bool { return strings.Contains(strings.ToUpper(v), "_PROXY=") })
	e.cmd.Stdout, e.cmd.Stderr = &e.out, &e.out
	ok(t, e.cmd.Start())
}

func (e *etcd) kill() {
	_ = e.cmd.Process.Signal(syscall.SIGKILL)
	_ = e.cmd.Wait()
}

// allow makes the user follow-BALANCER, who may read the servers and the generation, write the follower's own key, and
// do no more; and its certificate.
func (e *etcd) allow(t *testing.T, balancer, node string) {
	t.Helper()
	ctx, name, keys := t.Context(), "follow-"+balancer, pool.Keys{Balancer: balancer}
	(&authority{dir: e.dir}).load(t).leaf(t, name, name)
	_, err := e.root.UserAddWithOptions(ctx, name, "", &clientv3.UserAddOptions{NoPassword: true})
	ok(t, err)
	_, err = e.root.RoleAdd(ctx, name)
	ok(t, err)
	grant := func(key, end string, kind clientv3.PermissionType) {
		_, err := e.root.RoleGrantPermission(ctx, name, key, end, kind)
		ok(t, err)
	}
	read, write := clientv3.PermissionType(clientv3.PermRead), clientv3.PermissionType(clientv3.PermWrite)
	grant(keys.Servers(), clientv3.GetPrefixRangeEnd(keys.Servers()), read)
	grant(keys.Generation(), "", read)
	grant(keys.Follower(node), "", write)
	_, err = e.root.UserGrantRole(ctx, name, name)
	ok(t, err)
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// authority is a CA for one test, in the files of a folder.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, dir string) *authority {
	t.Helper()
	a := &authority{dir: dir}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert, a.key = a.sign(t, "ca", template)
	return a
}

func (a *authority) load(t *testing.T) *authority {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(a.dir, "ca.pem"), filepath.Join(a.dir, "ca-key.pem"))
	ok(t, err)
	a.cert, a.key = pair.Leaf, pair.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

// leaf writes NAME.pem and NAME-key.pem.
func (a *authority) leaf(t *testing.T, name, commonName string) {
	t.Helper()
	a.sign(t, name, &x509.Certificate{
		Subject: pkix.Name{CommonName: commonName}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
}

func (a *authority) sign(t *testing.T, name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, err)
	template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	ok(t, err)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	signer, signerKey := a.cert, a.key
	if signer == nil {
		signer, signerKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer, key.Public(), signerKey)
	ok(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	ok(t, err)
	for file, block := range map[string]*pem.Block{
		name + ".pem":     {Type: "CERTIFICATE", Bytes: der},
		name + "-key.pem": {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		ok(t, os.WriteFile(filepath.Join(a.dir, file), pem.EncodeToMemory(block), 0o600))
	}
	cert, err := x509.ParseCertificate(der)
	ok(t, err)
	return cert, key
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// buffer is written by processes and read by tests.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// freePort is an address on loopback that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	defer l.Close()
	return l.Addr().String()
}

// waitFor asks again and again, until the deadline.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !done() {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("waited %s: %s", patience, what)
		}
	}
}
