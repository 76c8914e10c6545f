package look

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/clusterup/clusterup/facts"
)

// readLeaf reads the first certificate of a PEM file.
func readLeaf(raw []byte) (facts.Leaf, error) {
	cert, err := certificate(raw)
	if err != nil {
		return facts.Leaf{}, err
	}
	return leafOf(cert), nil
}

func leafOf(cert *x509.Certificate) facts.Leaf {
	leaf := facts.Leaf{
		Serial: fmt.Sprintf("%x", cert.SerialNumber), SHA256: fmt.Sprintf("%x", sha256.Sum256(cert.Raw)),
		Subject: facts.Whose(cert), CN: cert.Subject.CommonName, Algorithm: algorithm(cert),
		NotBefore: cert.NotBefore.UTC(), NotAfter: cert.NotAfter.UTC(), Certificate: cert,
	}
	for _, ip := range cert.IPAddresses {
		leaf.Names = append(leaf.Names, ip.String())
	}
	leaf.Names = append(leaf.Names, cert.DNSNames...)
	slices.Sort(leaf.Names)
	return leaf
}

func certificate(raw []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(raw)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("no PEM certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}

// algorithm names a certificate's key as the inventory does.
func algorithm(cert *x509.Certificate) string {
	switch key := cert.PublicKey.(type) {
	case *ecdsa.PublicKey:
		return fmt.Sprintf("ecdsa-p%d", key.Curve.Params().BitSize)
	case *rsa.PublicKey:
		return fmt.Sprintf("rsa-%d", key.N.BitLen())
	case ed25519.PublicKey:
		return "ed25519"
	}
	return "unknown"
}

// issuers finds, for each leaf, the CA of the operator directory that really signed it. Several CAs may have one key,
// as where a CA from elsewhere was issued anew: then it is the newest that is not retired.
func issuers(leaves map[string]facts.Leaf, cas []facts.CA) {
	signers := make([]*x509.Certificate, len(cas)) // nil: it cannot be read
	for i, ca := range cas {
		signers[i], _ = certificate(ca.PEM)
	}
	for role, leaf := range leaves {
		leaf.Issuer = ""
		retired := true
		for i, ca := range cas {
			signer := signers[i]
			signed := signer != nil && leaf.Certificate != nil && leaf.Certificate.CheckSignatureFrom(signer) == nil
			if signed && (retired || !ca.Retired) {
				leaf.Issuer, retired = ca.SHA256, ca.Retired
			}
		}
		leaves[role] = leaf
	}
}
