package pki

import (
	"errors"
	"slices"
	"unicode/utf8"

	"software.sslmate.com/src/go-pkcs12"
)

// iterations make each guess at a password cost what 100,000 hashes do; go-pkcs12's own 2048 are for passwords that
// nobody has to remember.
const iterations = 100_000

// PKCS12 is the key, the certificate with its chain, and the CAs to trust (PEM; nil: none), in a PKCS #12 file:
// AES-256, PBKDF2 and an HMAC with SHA-256, which OpenSSL reads from 1.1.1 on, Java from 12 on and Windows from Server
// 2019 on. It takes its randomness from the system. It fails when [CheckPassword] does. The format could give the key a
// name, which go-pkcs12 does not do; where Java wants one, it is 1.
func (p Pair) PKCS12(trust []byte, password string) (_ []byte, err error) {
	defer explain(&err, "encode %s as PKCS #12", p)
	if err := CheckPassword(password); err != nil {
		return nil, err
	}
	pair, err := p.TLS()
	if err != nil {
		return nil, err
	}
	certs, err := parseCerts(slices.Concat(p.Cert, trust))
	if err != nil {
		return nil, err
	}
	return pkcs12.Modern.WithIterations(iterations).Encode(pair.PrivateKey, certs[0], certs[1:], password)
}

// CheckPassword says what keeps a password from being one for [Pair.PKCS12]. Its errors never show it.
func CheckPassword(password string) error {
	switch {
	case password == "":
		return errors.New("the password is empty")
	case !utf8.ValidString(password):
		return errors.New("the password is not UTF-8")
	case slices.ContainsFunc([]rune(password), func(r rune) bool { return r > 0xffff }):
		return errors.New("the password has a character, such as an emoji, that PKCS #12 cannot hold")
	}
	return nil
}
