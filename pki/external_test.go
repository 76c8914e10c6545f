package pki

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apiinfo "github.com/cloudflare/cfssl/api/info"
	"github.com/cloudflare/cfssl/api/signhandler"
	"github.com/cloudflare/cfssl/auth"
	"github.com/cloudflare/cfssl/config"
	"github.com/cloudflare/cfssl/signer"
	"github.com/cloudflare/cfssl/signer/local"
)

const authKey = "00112233445566778899aabbccddeeff"

// cfsslServer is the authsign and info of cfssl serve, over TLS. Its profile signs for an hour, and is valid now.
type cfsslServer struct {
	External
	asked [][]byte // the bodies of all requests
}

func serve(t *testing.T, ca company, usages ...string) *cfsslServer {
	t.Helper()
	if len(usages) == 0 {
		usages = []string{"digital signature", "server auth", "client auth"}
	}
	provider, err := auth.New(authKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	policy := &config.Signing{Default: &config.SigningProfile{
		Usage: usages, Expiry: 2 * time.Hour, NotBefore: today.Add(-time.Hour), NotAfter: today.Add(time.Hour),
		Provider: provider,
	}}
	sign, err := local.NewSigner(ca.key, ca.cert, signer.DefaultSigAlgo(ca.key), policy)
	if err != nil {
		t.Fatal(err)
	}
	authsign, err := signhandler.NewAuthHandlerFromSigner(sign)
	if err != nil {
		t.Fatal(err)
	}
	about, err := apiinfo.NewHandler(sign)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/api/v1/cfssl/authsign", authsign)
	mux.Handle("/api/v1/cfssl/info", about)
	return listen(t, mux)
}

func listen(t *testing.T, handler http.Handler) *cfsslServer {
	t.Helper()
	s := &cfsslServer{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.asked = append(s.asked, body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	key, err := ParseAuthKey(authKey + "\n")
	if err != nil {
		t.Fatal(err)
	}
	s.External = External{URL: server.URL, AuthKey: key, CAFile: filepath.Join(t.TempDir(), "server.pem")}
	write(t, s.CAFile, string(encodeCert(server.Certificate())))
	return s
}

func TestExternal(t *testing.T) {
	root := newCompany(t, "root", nil, "")
	issuing := newCompany(t, "issuing", &root, "ecdsa-p384")
	pinned := filepath.Join(t.TempDir(), "ca.pem")
	write(t, pinned, chain(issuing, root))
	for name, cert := range map[string]string{"asked for": "", "named": pinned} {
		server := serve(t, issuing)
		g := Given{Cert: cert, External: &server.External}
		s := openWith(t, caDir(t), Options{Given: map[Role]Given{RolePeer: g, RoleClient: g}})
		create(t, s, RolePeer, Spec{})
		ca := create(t, s, RoleClient, Spec{})
		if !ca.Given || !ca.Signing || ca.Subject != "CN=issuing" || s.Differs(RoleClient) != "" {
			t.Errorf("%s: %+v", name, ca)
		}
		s = openWith(t, s.dir, Options{Given: map[Role]Given{RolePeer: g, RoleClient: g}})
		for _, leaf := range []Leaf{peerLeaf(), serverLeaf(), clientLeaf(), probeLeaf()} {
			server.asked = nil
			p, err := s.Issue(leaf, today, rand.Reader)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if leaf.Kind == "peer" {
				handshakesWith(t, s, RolePeer, p)
			}
			if !p.NotAfter.Equal(today.Add(time.Hour)) {
				t.Errorf("%s: until %s, not what the profile says", name, p.NotAfter)
			}
			onlyRequests(t, server, p)
		}
		if p, err := s.IssueClient("app", Leaf{}, today, rand.Reader); err != nil || clients(t, s)[0].Serial != p.Serial {
			t.Errorf("%s: recorded %v: %v", name, clients(t, s), err)
		}
		if _, err := s.Create(RolePeer, "prod", Spec{}, today, rand.Reader); !errors.Is(err, ErrExternal) {
			t.Errorf("%s: makes its own successor: %v", name, err)
		}
		if _, err := s.CRL(RoleClient, today, rand.Reader); !errors.Is(err, ErrExternal) {
			t.Errorf("%s: makes a list of revoked certificates: %v", name, err)
		}
	}
}

// After a rotation away from a server was given up, the server signs again, even if no certificate says which CA it is.
func TestExternalAgain(t *testing.T) {
	server := serve(t, newCompany(t, "theirs", nil, ""))
	g := Given{External: &server.External}
	s := givenStore(t, caDir(t), g)
	create(t, s, RolePeer, Spec{})
	s = open(t, s.dir)
	create(t, s, RolePeer, Spec{})
	s = givenStore(t, s.dir, g)
	if s.Differs(RolePeer) == "" {
		t.Error("an own CA does not differ from a server")
	}
	if err := s.Retire(RolePeer, 2); err != nil {
		t.Fatal(err)
	}
	if _, leaf := issue(t, s, peerLeaf()); leaf.Issuer.CommonName != "theirs" || s.Differs(RolePeer) != "" {
		t.Errorf("signed by %s, differs: %q", leaf.Issuer, s.Differs(RolePeer))
	}
	if _, err := s.Create(RolePeer, "prod", Spec{}, today, rand.Reader); !errors.Is(err, ErrExternal) {
		t.Errorf("makes its own successor: %v", err)
	}
}

// onlyRequests checks that one question was asked, and that nothing secret was in it.
func onlyRequests(t *testing.T, server *cfsslServer, p Pair) {
	t.Helper()
	if len(server.asked) != 1 {
		t.Fatalf("asked %d times", len(server.asked))
	}
	var sent auth.AuthenticatedRequest
	var question struct {
		Request string `json:"certificate_request"`
	}
	if err := errors.Join(json.Unmarshal(server.asked[0], &sent), json.Unmarshal(sent.Request, &question)); err != nil {
		t.Fatal(err)
	}
	if block, _ := pem.Decode([]byte(question.Request)); block == nil || block.Type != "CERTIFICATE REQUEST" {
		t.Errorf("sent %s", question.Request)
	}
	for _, secret := range []string{"PRIVATE KEY", authKey, string(bytes.Split(p.Key, []byte("\n"))[1])} {
		if strings.Contains(string(server.asked[0])+string(sent.Request), secret) {
			t.Errorf("sent a secret: %s", sent.Request)
		}
	}
}

func TestExternalRefused(t *testing.T) {
	ca := newCompany(t, "ca", nil, "")
	wrongKey := bytes.Repeat([]byte{7}, 16)
	for name, c := range map[string]struct {
		server *cfsslServer
		change func(e *External)
		says   string
	}{
		"wrong auth key":      {serve(t, ca), func(e *External) { e.AuthKey = wrongKey }, "invalid token"},
		"server not trusted":  {serve(t, ca), func(e *External) { e.CAFile = "" }, "certificate"},
		"no server auth":      {serve(t, ca, "digital signature", "client auth"), nil, "usages"},
		"another CA":          {serve(t, newCompany(t, "imposter", nil, "")), nil, `is signed by "CN=imposter"`},
		"same name, other CA": {serve(t, newCompany(t, "ca", nil, "")), nil, "is signed by"},
		"no cfssl":            {listen(t, http.NotFoundHandler()), nil, "404"},
	} {
		e := c.server.External
		if c.change != nil {
			c.change(&e)
		}
		path := filepath.Join(t.TempDir(), "ca.pem")
		write(t, path, chain(ca))
		s := givenStore(t, caDir(t), Given{Cert: path, External: &e})
		create(t, s, RolePeer, Spec{})
		p, err := s.Issue(peerLeaf(), today, rand.Reader)
		if err == nil || !strings.Contains(err.Error(), c.says) || p.Key != nil {
			t.Errorf("%s: %v, %v", name, p, err)
		}
		if err != nil && strings.Contains(err.Error(), hex.EncodeToString(e.AuthKey)) {
			t.Errorf("%s: the error shows the key", name)
		}
	}
}

// A server that answers with something else than what it was asked for must not be believed.
func TestExternalAnswers(t *testing.T) {
	ca := newCompany(t, "ca", nil, "")
	own := newStore(t, Spec{})
	own.cas[0] = newAuthority(RolePeer, 1, ca.cert)
	own.cas[0].key = opened(ca.key)
	answer, leaf := issue(t, own, peerLeaf())
	key, err := parseKey(answer.Key, leaf)
	if err != nil {
		t.Fatal(err)
	}
	another, err := newKey("", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		says   string
		change func(r *request)
		key    crypto.Signer
	}{
		{"", func(*request) {}, key},
		{"is for another key", func(*request) {}, another},
		{`is for "CN=etcd-1"`, func(r *request) { r.subject.CommonName = "etcd-2" }, key},
		{`is for "CN=etcd-1"`, func(r *request) { r.subject.Organization = []string{"x"} }, key},
		{"and not for [10.0.0.11]", func(r *request) { r.ips = r.ips[:1] }, key},
		{"example.com localhost z]", func(r *request) { r.dns = append(r.dns, "z") }, key},
		{"are both clocks right", func(r *request) { r.notBefore = today.Add(-day) }, key},
		{"are both clocks right", func(r *request) { r.notBefore = today.Add(2 * year) }, key},
	} {
		r := wantedOf(leaf)
		c.change(&r)
		got := ""
		if err := r.answeredBy(leaf, c.key, &own.cas[0]); err != nil {
			got = err.Error()
		}
		if (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
			t.Errorf("%q, want %q", got, c.says)
		}
	}
	caOfTheirs := newCompany(t, "intermediate", &ca, "")
	if err := wantedOf(caOfTheirs.cert).answeredBy(caOfTheirs.cert, caOfTheirs.key, &own.cas[0]); err == nil ||
		!strings.Contains(err.Error(), "that of a CA") {
		t.Errorf("a CA in the answer: %v", err)
	}
	for _, body := range []string{
		"", "null", "[]", `{"success":true,"result":{}}`,
		`{"success":true,"result":{"certificate":5}}`, `{"success":true,"result":"x"}`,
	} {
		server := listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		s := givenStore(t, caDir(t), Given{External: &server.External})
		if _, err := s.Create(RolePeer, "prod", Spec{}, today, rand.Reader); err == nil {
			t.Errorf("%s is a CA", body)
		}
		path := filepath.Join(t.TempDir(), "ca.pem")
		write(t, path, chain(ca))
		s = givenStore(t, caDir(t), Given{Cert: path, External: &server.External})
		create(t, s, RolePeer, Spec{})
		if _, err := s.Issue(peerLeaf(), today, rand.Reader); err == nil {
			t.Errorf("%s is a certificate", body)
		}
	}
}

// wantedOf is the request, made today, that a certificate answers.
func wantedOf(cert *x509.Certificate) request {
	return request{
		subject: cert.Subject, ips: sortedIPs(cert.IPAddresses), dns: sortedNames(cert.DNSNames),
		usages:    kinds["peer"].usages,
		notBefore: today.Add(-backdate), notAfter: today.Add(year),
	}
}

func TestExternalAddresses(t *testing.T) {
	key := bytes.Repeat([]byte{1}, 16)
	for url, ok := range map[string]bool{
		"https://ca.example.com": true, "https://ca.example.com:8888": true, "http://127.0.0.1:8888": true,
		"http://[::1]:8888":     true,
		"http://ca.example.com": false, "ca.example.com:8888": false, "https://a,b": false, "https://u:p@ca": false,
		"ftp://ca": false, "": false,
	} {
		s := givenStore(t, caDir(t), Given{External: &External{URL: url, AuthKey: key}})
		if why := s.Unfit(RolePeer, today, rand.Reader); (why == "") != ok {
			t.Errorf("%s: %s", url, why)
		}
	}
	s := givenStore(t, caDir(t), Given{External: &External{URL: "https://ca"}})
	if err := s.Try(RolePeer, today, rand.Reader); !errors.Is(err, ErrUnfit) ||
		s.Unfit(RolePeer, today, rand.Reader) == "" {
		t.Errorf("without an auth key: %v", err)
	}
	for _, text := range []string{"", "0011", "zz112233445566778899aabbccddeeff", "env:KEY"} {
		if _, err := ParseAuthKey(text); err == nil || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
