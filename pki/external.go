package pki

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cloudflare/cfssl/api/client"
	"github.com/cloudflare/cfssl/auth"
	"github.com/cloudflare/cfssl/info"
	"github.com/cloudflare/cfssl/signer"
)

// externalTimeout bounds each request to a cfssl server.
const externalTimeout = 30 * time.Second

// ParseAuthKey reads the key of a cfssl server as its configuration has it: hexadecimal digits. Its errors never show
// the key.
func ParseAuthKey(text string) ([]byte, error) {
	key, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) < 16 {
		return nil, errors.New("read auth key: not at least 32 hexadecimal digits")
	}
	return key, nil
}

func (e *External) check() error {
	u, err := url.Parse(e.URL)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || strings.Contains(e.URL, ","):
		return errors.New("the server's URL is not one such as https://ca.example.com:8888")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return fmt.Errorf("%s: the server has to be reached over https", e.URL)
	case len(e.AuthKey) == 0:
		return fmt.Errorf("%s: there is no auth key for it", e.URL)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback() || host == "localhost"
}

func (e *External) dial() (client.Remote, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if e.CAFile != "" {
		data, err := os.ReadFile(e.CAFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("read %s: no certificate in PEM", e.CAFile)
		}
	}
	remote := client.NewServerTLS(e.URL, config)
	if remote == nil {
		return nil, fmt.Errorf("%q is not a URL", e.URL)
	}
	remote.SetRequestTimeout(externalTimeout)
	return remote, nil
}

// remoteCA asks a server for the certificate of its CA.
func remoteCA(e *External) (cert *x509.Certificate, err error) {
	defer func() {
		if recover() != nil { // cfssl's client takes the types of the answer for granted
			cert, err = nil, fmt.Errorf("ask %s for its CA: the answer is not that of a cfssl server", e.URL)
		}
	}()
	remote, err := e.dial()
	if err != nil {
		return nil, err
	}
	question, err := json.Marshal(info.Req{Label: e.Label, Profile: e.Profile})
	if err != nil {
		return nil, err
	}
	answer, err := remote.Info(question)
	if err != nil {
		return nil, fmt.Errorf("ask %s for its CA: %w", e.URL, err)
	}
	if cert, err = parseCert([]byte(answer.Certificate)); err == nil {
		err = checkChain([]*x509.Certificate{cert})
	}
	if err != nil {
		return nil, unfit("ask %s for its CA: %w", e.URL, err)
	}
	return cert, nil
}

// signRemote sends a request, and nothing else, to the issuer's server. How long the certificate lives is up to the
// profile there; all else must be as it was asked for.
func signRemote(r request, key crypto.Signer, issuer *authority, rand io.Reader) (*x509.Certificate, error) {
	e := issuer.external
	csr, err := r.csr(key, rand)
	if err != nil {
		return nil, err
	}
	question, err := json.Marshal(signer.SignRequest{Request: csr, Label: e.Label, Profile: e.Profile})
	if err != nil {
		return nil, err
	}
	provider, err := auth.New(hex.EncodeToString(e.AuthKey), nil)
	if err != nil {
		return nil, errors.New("the auth key of the server cannot be used")
	}
	remote, err := e.dial()
	if err != nil {
		return nil, err
	}
	answer, err := remote.AuthSign(question, nil, provider)
	if err != nil {
		return nil, fmt.Errorf("ask %s to sign: %w", e.URL, err)
	}
	cert, err := parseCert(answer)
	if err == nil {
		err = r.answeredBy(cert, key, issuer)
	}
	if err != nil { // it answers, and would do so again
		return nil, unfit("ask %s to sign: %w", e.URL, err)
	}
	return cert, nil
}

// answeredBy says how a certificate differs from what was asked for.
func (r request) answeredBy(cert *x509.Certificate, key crypto.Signer, issuer *authority) error {
	now := r.notBefore.Add(backdate)
	var problem string
	switch {
	case cert.CheckSignatureFrom(issuer.cert) != nil:
		problem = fmt.Sprintf("is signed by %q, and not by %q (%s)", cert.Issuer, issuer.Subject, issuer.SHA256[:8])
	case !samePublic(cert.PublicKey, key):
		problem = "is for another key"
	case cert.IsCA:
		problem = "is that of a CA"
	case cert.Subject.CommonName != r.subject.CommonName ||
		!slices.Equal(cert.Subject.Organization, r.subject.Organization):
		problem = fmt.Sprintf("is for %q", cert.Subject)
	case !slices.EqualFunc(sortedIPs(cert.IPAddresses), r.ips, net.IP.Equal) ||
		!slices.Equal(sortedNames(cert.DNSNames), r.dns) ||
		len(cert.URIs)+len(cert.EmailAddresses) > 0:
		problem = fmt.Sprintf("is for %v %v, and not for %v %v", cert.IPAddresses, cert.DNSNames, r.ips, r.dns)
	case !r.allows(cert):
		problem = fmt.Sprintf("is not for %s: the profile of the server has to have these usages",
			strings.Join(r.usages, ", "))
	case cert.NotBefore.After(now) || !cert.NotAfter.After(now):
		problem = fmt.Sprintf("is valid from %s to %s, and not now: are both clocks right?",
			cert.NotBefore.Format(time.RFC3339), cert.NotAfter.Format(time.RFC3339))
	default:
		return nil
	}
	return errors.New("the certificate in the answer " + problem)
}

func (r request) allows(cert *x509.Certificate) bool {
	for usage, extended := range map[string]x509.ExtKeyUsage{
		"server auth": x509.ExtKeyUsageServerAuth,
		"client auth": x509.ExtKeyUsageClientAuth,
	} {
		if slices.Contains(r.usages, usage) && !slices.Contains(cert.ExtKeyUsage, extended) {
			return false
		}
	}
	return cert.KeyUsage&x509.KeyUsageDigitalSignature != 0
}
