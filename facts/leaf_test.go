package facts

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"slices"
	"testing"
)

func TestCertificates(t *testing.T) {
	text := func(kind, what string) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte(what)}) }
	var want []string
	for _, der := range []string{"peer CA 1", "client CA 1"} {
		sum := sha256.Sum256([]byte(der))
		want = append(want, hex.EncodeToString(sum[:]))
	}
	both := slices.Concat(text("CERTIFICATE", "peer CA 1"), []byte("# a remark\n"), text("PRIVATE KEY", "x"),
		text("CERTIFICATE", "client CA 1"))
	if got := Certificates(both); !slices.Equal(got, want) {
		t.Errorf("certificates %q, want %q", got, want)
	}
	if got := Certificates([]byte("nothing")); got != nil {
		t.Errorf("certificates %q in nothing", got)
	}
}

// A certificate is whose its common name says, else whose its unit says.
func TestWhose(t *testing.T) {
	for want, subject := range map[string]pkix.Name{
		"peer:a":   {CommonName: "peer:a", OrganizationalUnit: []string{"x"}},
		"server:a": {OrganizationalUnit: []string{"server:a", "x"}},
		"":         {Organization: []string{"x"}},
	} {
		if got := Whose(&x509.Certificate{Subject: subject}); got != want {
			t.Errorf("%v is of %q, want %q", subject, got, want)
		}
	}
}
