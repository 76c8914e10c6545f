package pki

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"strings"
)

// Held is a client's pair as somebody has it. Its record says since when it is revoked; of a certificate that was not
// recorded here, the kind and the name are "".
type Held struct {
	Record
	Organization string // "": none
	Algorithm    string // as in [Spec]
}

// Held reads a client's pair in PEM. Its generation is 0 where no client CA of the directory has signed it. It is an
// error when the two cannot be read, or do not belong together; no error shows the key.
func (s *Store) Held(cert, key []byte) (_ Held, err error) {
	defer explain(&err, "read the pair")
	certs, err := parseCerts(cert)
	if err != nil {
		return Held{}, err
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		return Held{}, err
	}
	leaf := certs[0]
	held := Held{Record: s.recordOf(RoleClient, leaf), Algorithm: algorithmOf(leaf.PublicKey)}
	held.Organization = strings.Join(leaf.Subject.Organization, ", ")
	clients, err := s.Clients()
	if err != nil {
		return Held{}, err
	}
	for _, r := range clients {
		if r.SHA256 == held.SHA256 {
			held.Record = r
		}
	}
	return held, nil
}

// recordOf is what a certificate says of itself, and which CA of a role has signed it.
func (s *Store) recordOf(role Role, cert *x509.Certificate) Record {
	r := Record{
		User: cert.Subject.CommonName, Serial: cert.SerialNumber.Text(16), SHA256: fingerprint(cert.Raw),
		Issuer: cert.Issuer.String(), NotBefore: cert.NotBefore, NotAfter: cert.NotAfter,
	}
	r.Generation = signedBy(cert, s.of(role))
	return r
}

// signedBy is the generation of the CA that signed a certificate; 0: it is none of them. Checking a signature takes far
// longer than anything else that is done with a record, and there may be many of both: so the CA that the certificate
// names is tried, and the others only if it was not that one.
func signedBy(cert *x509.Certificate, cas []authority) (generation int) {
	for _, named := range []bool{true, false} {
		for _, ca := range cas {
			if namesKey(cert, ca.cert) == named && cert.CheckSignatureFrom(ca.cert) == nil {
				generation = ca.Generation
			}
		}
		if generation > 0 {
			break
		}
	}
	return generation
}

// namesKey says that a certificate names the key of a CA as that which signed it.
func namesKey(cert, ca *x509.Certificate) bool {
	return len(cert.AuthorityKeyId) > 0 && bytes.Equal(cert.AuthorityKeyId, ca.SubjectKeyId)
}
