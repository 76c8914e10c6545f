package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// parseCerts reads certificates in PEM, each once, in their order. Text around the blocks is passed over, such as
// comments and what openssl writes before each; anything else that is not a certificate is an error.
func parseCerts(data []byte) ([]*x509.Certificate, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // as Windows programs begin a file
	if err := checkEncoding(data); err != nil {
		return nil, err
	}
	var certs []*x509.Certificate
	blocks := 0
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		blocks++
		switch {
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return nil, errors.New("holds a private key: it belongs in a file of its own")
		case block.Type != "CERTIFICATE":
			return nil, fmt.Errorf("holds a PEM block of type %.40q, and only CERTIFICATE can be read", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d in it cannot be read: %w", blocks, err)
		}
		if !slices.ContainsFunc(certs, cert.Equal) {
			certs = append(certs, cert)
		}
	}
	if begun := bytes.Count(data, []byte("-----BEGIN ")); begun != blocks {
		return nil, fmt.Errorf("%d PEM blocks begin in it, and %d can be read: "+
			"one is cut short or damaged, or begins in the middle of a line", begun, blocks)
	}
	return certs, nil
}

// parseCert reads the only certificate there is to be.
func parseCert(data []byte) (*x509.Certificate, error) {
	certs, err := parseCerts(data)
	if err == nil && len(certs) != 1 {
		err = errors.New("not exactly one certificate in PEM")
	}
	if err != nil {
		return nil, err
	}
	return certs[0], nil
}

// checkEncoding says what a file is if it is not text; nil: it is text, or empty.
func checkEncoding(data []byte) error {
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		return errors.New("is UTF-16 text, and has to be plain ASCII or UTF-8")
	case len(data) == 0 || data[0] != 0x30: // the tag that DER begins with, which is a digit in text
		return nil
	}
	if _, err := x509.ParseCertificate(data); err == nil {
		return errors.New("is a certificate in DER, and has to be PEM: openssl x509 -inform DER makes it that")
	}
	if !bytes.Contains(data, []byte("-----BEGIN ")) {
		return errors.New("is not PEM")
	}
	return nil
}

// checkCA says whether a certificate is one of a CA at all.
func checkCA(cert *x509.Certificate) error {
	if !cert.BasicConstraintsValid || !cert.IsCA {
		return fmt.Errorf("certificate %q is not that of a CA: its basicConstraints lack CA:TRUE", cert.Subject)
	}
	return nil
}

// checkChain is an error unless each certificate is that of a CA, and signed the one before it.
func checkChain(certs []*x509.Certificate) error {
	if len(certs) == 0 {
		return errors.New("holds no certificate")
	}
	for i, cert := range certs {
		if err := checkCA(cert); err != nil {
			return err
		}
		if cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0 {
			return fmt.Errorf("the keyUsage of %q lacks keyCertSign", cert.Subject)
		}
		if i == 0 {
			continue
		}
		if err := checkSigner(certs[i-1], cert); err != nil {
			return err
		}
	}
	return nil
}

// checkSigner says why a CA did not sign a certificate, or did so in a way that etcd refuses. etcd finds it by its
// name, byte for byte.
func checkSigner(cert, by *x509.Certificate) error {
	err := cert.CheckSignatureFrom(by)
	var weak x509.InsecureAlgorithmError
	switch {
	case !bytes.Equal(cert.RawIssuer, by.RawSubject) && cert.Issuer.String() == by.Subject.String():
		return fmt.Errorf("the issuer of %q and the subject of %q are encoded in two ways, which etcd tells apart",
			cert.Subject, by.Subject)
	case !bytes.Equal(cert.RawIssuer, by.RawSubject):
		return fmt.Errorf("%q did not sign %q, which is issued by %q: "+
			"the CA comes first, then each that signed the one before it",
			by.Subject, cert.Subject, cert.Issuer)
	case errors.As(err, &weak):
		return fmt.Errorf("the certificate of %q is signed with %s, which etcd refuses",
			cert.Subject, cert.SignatureAlgorithm)
	case err != nil:
		return fmt.Errorf("%q did not sign %q with the key that it has: %w", by.Subject, cert.Subject, err)
	}
	return nil
}

// selfSigned says whether a certificate is a root. The signature of a root proves nothing, so it may be one with SHA-1,
// which cannot be checked.
func selfSigned(cert *x509.Certificate) bool {
	if !bytes.Equal(cert.RawIssuer, cert.RawSubject) {
		return false
	}
	err := cert.CheckSignatureFrom(cert)
	var weak x509.InsecureAlgorithmError
	own := len(cert.AuthorityKeyId) == 0 || bytes.Equal(cert.AuthorityKeyId, cert.SubjectKeyId)
	return err == nil || errors.As(err, &weak) && own
}
