package facts

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"time"
)

// Leaf is a certificate in use by a member.
type Leaf struct {
	Role      string    `json:"role"` // peer or server
	Dir       string    `json:"dir"`  // what the role's symbolic link points at, absolute
	Intact    bool      `json:"intact"`
	Serial    string    `json:"serial"`
	SHA256    string    `json:"sha256"`
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"` // SHA-256 of the CA of the operator directory that signed it; empty: none of them
	Algorithm string    `json:"algorithm"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Names     []string  `json:"names"` // all SANs, IP addresses and DNS names, sorted

	Certificate *x509.Certificate `json:"-"`
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
