package facts

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"time"
)

// Leaf is a certificate in use by a member, or by a balancer's node.
type Leaf struct {
	Role      string    `json:"role"` // peer or server; client on a node
	Dir       string    `json:"dir"`  // what the role's symbolic link points at, absolute
	Intact    bool      `json:"intact"`
	Serial    string    `json:"serial"`
	SHA256    string    `json:"sha256"`
	Subject   string    `json:"subject"`      // see Whose
	CN        string    `json:"cn,omitempty"` // its common name; empty: it has none
	Issuer    string    `json:"issuer"`       // SHA-256 of the CA of the operator directory that signed it; empty: none of them
	Algorithm string    `json:"algorithm"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Names     []string  `json:"names"` // all SANs, IP addresses and DNS names, sorted

	Certificate *x509.Certificate `json:"-"`
}

// Whose is whose a certificate is: its common name, or, where it has none, its first organizational unit. Server
// certificates of members have none: etcd's HTTP gateway dials its own member with the server certificate, and a
// request to it that has neither a token nor an Accept header acts as the user of that name (AuthInfoFromTLS in
// server/auth/store.go).
func Whose(cert *x509.Certificate) string {
	if cert.Subject.CommonName == "" && len(cert.Subject.OrganizationalUnit) > 0 {
		return cert.Subject.OrganizationalUnit[0]
	}
	return cert.Subject.CommonName
}

// Certificates are the SHA-256 digests (hexadecimal, of the DER form) of every certificate in a PEM bundle, in its
// order.
func Certificates(bundle []byte) []string {
	var sums []string
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			sum := sha256.Sum256(block.Bytes)
			sums = append(sums, hex.EncodeToString(sum[:]))
		}
	}
	return sums
}
