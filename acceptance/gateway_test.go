package acceptance

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/plan/version"
	"github.com/clusterup/clusterup/quorum"
)

// TestGateway is what a lone member of each minor version lets whom do with etcd's authentication on. An observer sees
// how it is, and can neither read nor write.
//
// Its HTTP gateway takes a request that names no user for nobody's, whether it has an Accept header or not, with the
// server certificates that clusterup issues; with one that has a common name it acts as the user of that name, which is
// why they have none.
func TestGateway(t *testing.T) {
	t.Parallel()
	for _, version := range []string{releaseBefore, release, releaseNext} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "ca")
			store := clientCA(t, dir)
			server, err := store.Issue(pki.Leaf{Kind: "server", OU: "server:etcd-1"}, time.Now(), rand.Reader)
			must(t, err)
			good := startGateway(t, version, store, server)
			good.observed(t)
			good.asked(t, "patroni", map[string]bool{"": false, "*/*": false})
			good.asksWithPassword(t)
			good.asked(t, "app", map[string]bool{"": false, "*/*": false}) // a client with a common name

			bad := startGateway(t, version, store, named(t, dir, "root"))
			bad.asked(t, "patroni", map[string]bool{"": true, "*/*": false})
		})
	}
}

// clientCA makes a client CA in a directory.
func clientCA(t *testing.T, dir string) *pki.Store {
	t.Helper()
	store, err := pki.Open(dir, pki.Options{})
	must(t, err)
	_, err = store.Create(pki.RoleClient, "prod", pki.Spec{}, time.Now(), rand.Reader)
	must(t, err)
	return store
}

// named is a server's pair with a common name, as pki does not issue it.
func named(t *testing.T, dir, name string) pki.Pair {
	t.Helper()
	ca, err := tls.LoadX509KeyPair(filepath.Join(dir, "client-1.pem"), filepath.Join(dir, "client-1.key"))
	must(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.Leaf, key.Public(), ca.PrivateKey)
	must(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	return pki.Pair{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}),
	}
}

// gateway is a lone member with authentication on, in which patroni has a password and may write below /service/.
type gateway struct {
	store *pki.Store
	url   string
}

const gatewayPassword = "of patroni"

func startGateway(t *testing.T, version string, store *pki.Store, server pki.Pair) gateway {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "etcd")
	folder, err := mirror()
	must(t, err)
	name := fmt.Sprintf("etcd-v%s-linux-%s", version, runtime.GOARCH)
	out, err := exec.CommandContext(t.Context(), "tar", "-xzf", filepath.Join(folder, "v"+version, name+".tar.gz"),
		"-C", dir, "--strip-components=1", name+"/etcd").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for file, data := range map[string][]byte{
		"server.pem": server.Cert, "server.key": server.Key, "ca.pem": store.CAs()[0].PEM,
	} {
		must(t, os.WriteFile(filepath.Join(dir, file), data, 0o600))
	}
	g := gateway{store, "https://" + vacant(t)}
	peer := "http://" + vacant(t)
	var said buffer
	cmd := exec.CommandContext(t.Context(), program, "--name=etcd-1", "--data-dir="+filepath.Join(dir, "data"),
		"--listen-client-urls="+g.url, "--advertise-client-urls="+g.url, "--listen-peer-urls="+peer,
		"--initial-advertise-peer-urls="+peer, "--initial-cluster=etcd-1="+peer, "--client-cert-auth",
		"--cert-file="+filepath.Join(dir, "server.pem"), "--key-file="+filepath.Join(dir, "server.key"),
		"--trusted-ca-file="+filepath.Join(dir, "ca.pem"))
	cmd.Stdout, cmd.Stderr = &said, &said
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(clip(said.String()))
		}
	})
	g.rights(t, "anybody", facts.Rights{Known: true})
	g.permit(t)
	return g
}

// rights checks what is found out of what a client may do.
func (g gateway) rights(t *testing.T, client string, want facts.Rights) {
	t.Helper()
	c := quorum.New(quorum.Config{TLS: g.config(t, client)})
	defer c.Close()
	var got facts.Rights
	var err error
	until(t, "etcd to say what "+client+" may do", func() bool {
		got, err = c.Rights(t.Context(), g.url)
		return err == nil
	})
	if got != want {
		t.Errorf("%s has the rights %+v, want %+v", client, got, want)
	}
}

// observed is what an observer sees.
func (g gateway) observed(t *testing.T) {
	t.Helper()
	g.rights(t, etcd.Observer, facts.Rights{Known: true, On: true})
	g.rights(t, "root", facts.Rights{Known: true, On: true, Reads: true})
	c := quorum.New(quorum.Config{TLS: g.config(t, etcd.Observer)})
	defer c.Close()
	status, err := c.Status(t.Context(), g.url)
	if err != nil || status.Leader == 0 || !version.ShowsToAll(status.Version) {
		t.Errorf("an observer is shown the status %+v, %v", status, err)
	}
	if list, _, err := c.Members(t.Context(), g.url, true); err != nil || len(list) != 1 {
		t.Errorf("an observer is shown the members %+v, %v", list, err)
	}
	if said, err := c.ServerVersion(t.Context(), g.url); err != nil || said != status.Version {
		t.Errorf("it says that it is of %q, %v", said, err)
	}
	if err := c.ReadLinearizable(t.Context(), g.url); err != nil {
		t.Errorf("that there is a quorum is not shown: %v", err)
	}
	if err := c.Canary(t.Context(), g.url, "clusterup/canary/observed", "x"); !errors.Is(err, facts.ErrPermission) {
		t.Errorf("an observer writes: %v", err)
	}
}

// vacant is an address of this machine at which nobody listens.
func vacant(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

// config shows a certificate as cert issue makes it for a client: that of patroni has no common name.
func (g gateway) config(t *testing.T, client string) *tls.Config {
	t.Helper()
	leaf := pki.Leaf{Kind: "client", CN: client}
	if client == "patroni" {
		leaf.CN, leaf.OU = "", client
	}
	pair, err := g.store.Issue(leaf, time.Now(), rand.Reader)
	must(t, err)
	return secure(t, g.store, pki.RoleClient, pair.Cert, pair.Key)
}

// permit switches authentication on.
func (g gateway) permit(t *testing.T) {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{
		Endpoints: []string{g.url}, TLS: g.config(t, "root"), Logger: zap.NewNop(), DialTimeout: patience,
	})
	must(t, err)
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	steps := []func() error{
		func() error {
			_, err := c.UserAddWithOptions(ctx, "root", "", &clientv3.UserAddOptions{NoPassword: true})
			return err
		},
		func() error { _, err := c.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := c.UserAdd(ctx, "patroni", gatewayPassword); return err },
		func() error { _, err := c.RoleAdd(ctx, "patroni"); return err },
		func() error {
			_, err := c.RoleGrantPermission(ctx, "patroni", "/service/", clientv3.GetPrefixRangeEnd("/service/"),
				clientv3.PermissionType(clientv3.PermReadWrite))
			return err
		},
		func() error { _, err := c.UserGrantRole(ctx, "patroni", "patroni"); return err },
		func() error { _, err := c.AuthEnable(ctx); return err },
	}
	for _, step := range steps {
		must(t, step())
	}
}

// asked puts a key as a client, without a token. may says by Accept header whether that is let through; "": it has
// none.
func (g gateway) asked(t *testing.T, client string, may map[string]bool) {
	t.Helper()
	for accept, want := range may {
		code, body := g.post(t, client, "/v3/kv/put", put("/elsewhere"), accept, "")
		if got := code == http.StatusOK; got != want {
			t.Errorf("%s, with the Accept header %q: %d %s", client, accept, code, body)
		}
	}
}

// asksWithPassword: with a token patroni may do what it is to do, and no more.
func (g gateway) asksWithPassword(t *testing.T) {
	t.Helper()
	code, body := g.post(t, "patroni", "/v3/auth/authenticate",
		map[string]string{"name": "patroni", "password": gatewayPassword}, "*/*", "")
	var answer struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Token == "" {
		t.Fatalf("it gets no token: %d %s, %v", code, body, err)
	}
	for key, want := range map[string]bool{"/service/main/leader": true, "/elsewhere": false} {
		code, body := g.post(t, "patroni", "/v3/kv/put", put(key), "*/*", answer.Token)
		if got := code == http.StatusOK; got != want {
			t.Errorf("with its password it puts %s: %d %s", key, code, body)
		}
	}
}

func put(key string) map[string]string {
	return map[string]string{"key": base64.StdEncoding.EncodeToString([]byte(key)), "value": "eA=="}
}

func (g gateway) post(t *testing.T, client, path string, question any, accept, token string) (int, string) {
	t.Helper()
	raw, err := json.Marshal(question)
	must(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url+path, bytes.NewReader(raw))
	must(t, err)
	if accept != "" {
		request.Header.Set("Accept", accept)
	}
	if token != "" {
		request.Header.Set("Authorization", token)
	}
	transport := &http.Transport{TLSClientConfig: g.config(t, client)}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	must(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(t, err)
	return response.StatusCode, strings.TrimSpace(string(body))
}
