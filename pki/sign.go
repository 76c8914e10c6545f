package pki

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"time"

	"github.com/cloudflare/cfssl/config"
	"github.com/cloudflare/cfssl/signer"
	"github.com/cloudflare/cfssl/signer/local"
)

// request is a certificate to be signed.
type request struct {
	subject             pkix.Name
	ips                 []net.IP
	dns                 []string
	usages              []string // in cfssl's words
	ca                  bool
	notBefore, notAfter time.Time
}

// sign lets cfssl sign a certificate for the key, by the issuer, or by itself when there is none (its own key then
// signs).
func sign(r request, key crypto.Signer, issuer *authority, rand io.Reader) (*x509.Certificate, error) {
	csr, err := r.csr(key, rand)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial(rand)
	if err != nil {
		return nil, err
	}

	usages := r.usages
	if _, ok := key.(*rsa.PrivateKey); ok && !r.ca {
		usages = append([]string{"key encipherment"}, usages...) // for TLS 1.2 without forward secrecy; other keys cannot
	}
	policy := &config.Signing{Default: &config.SigningProfile{
		Usage:                       usages,
		Expiry:                      r.notAfter.Sub(r.notBefore),
		CAConstraint:                config.CAConstraint{IsCA: r.ca, MaxPathLenZero: r.ca},
		ClientProvidesSerialNumbers: true,
	}}
	signKey, parent := key, (*x509.Certificate)(nil)
	if issuer != nil {
		if signKey, err = issuer.key(); err != nil {
			return nil, err
		}
		parent = issuer.cert
	}
	s, err := local.NewSigner(signKey, parent, signer.DefaultSigAlgo(signKey), policy)
	if err != nil {
		return nil, err
	}
	out, err := s.Sign(signer.SignRequest{
		Request:   csr,
		Serial:    serial,
		NotBefore: r.notBefore,
		NotAfter:  r.notAfter,
	})
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(out)
	if block == nil {
		return nil, fmt.Errorf("sign certificate %q: the signer gave no PEM", r.subject)
	}
	return x509.ParseCertificate(block.Bytes)
}

// csr is the request in PEM, as both cfssl's own signer and its server take it.
func (r request) csr(key crypto.Signer, rand io.Reader) (string, error) {
	der, err := x509.CreateCertificateRequest(rand, &x509.CertificateRequest{
		Subject: r.subject, IPAddresses: r.ips, DNSNames: r.dns,
	}, key)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), nil
}

// newSerial is a random number of 128 bits. The first two bits are fixed, so that it is positive and always has 32
// hexadecimal digits: however a tool prints it, it reads the same.
func newSerial(rand io.Reader) (*big.Int, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(rand, b); err != nil {
		return nil, fmt.Errorf("read random serial number: %w", err)
	}
	b[0] = b[0]&0x3f | 0x40
	return new(big.Int).SetBytes(b), nil
}
