package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strconv"
)

const defaultAlgorithm = "ecdsa-p256"

// newKey makes a private key. cfssl could, too, but writes Ed25519 in a form that OpenSSL cannot read.
func newKey(algorithm string, rand io.Reader) (crypto.Signer, error) {
	switch algorithm {
	case "", defaultAlgorithm:
		return ecdsa.GenerateKey(elliptic.P256(), rand)
	case "ecdsa-p384":
		return ecdsa.GenerateKey(elliptic.P384(), rand)
	case "ed25519":
		_, key, err := ed25519.GenerateKey(rand)
		return key, err
	case "rsa-3072":
		return rsa.GenerateKey(rand, 3072)
	case "rsa-4096":
		return rsa.GenerateKey(rand, 4096)
	default:
		return nil, fmt.Errorf("unknown algorithm %q: use ecdsa-p256, ecdsa-p384, ed25519, rsa-3072 or rsa-4096", algorithm)
	}
}

// algorithmOf names the algorithm of a public key as [Spec] does, also for those that newKey does not make.
func algorithmOf(public crypto.PublicKey) string {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		return "ecdsa-p" + strconv.Itoa(k.Curve.Params().BitSize)
	case ed25519.PublicKey:
		return "ed25519"
	case *rsa.PublicKey:
		return "rsa-" + strconv.Itoa(k.N.BitLen())
	default:
		return fmt.Sprintf("%T", public)
	}
}

// encodeKey writes a key as PKCS #8, which every TLS library reads.
func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// parseKey reads the private key of a certificate, as encodeKey or another program has written it. Its errors never
// show the data.
func parseKey(data []byte, cert *x509.Certificate) (crypto.Signer, error) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		var key any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("the key has a passphrase, which is not supported")
		default:
			continue // such as EC PARAMETERS, or the certificate
		}
		signer, ok := key.(crypto.Signer)
		switch {
		case err != nil || !ok:
			return nil, errors.New("not a private key that can sign, or one with a passphrase")
		case !samePublic(cert.PublicKey, signer):
			return nil, fmt.Errorf("the key does not belong to the certificate of %q", cert.Subject)
		}
		return signer, nil
	}
	return nil, errors.New("holds no private key in PEM (PKCS #8, PKCS #1 or SEC 1)")
}

// samePublic tells whether a certificate's public key is that of the private key.
func samePublic(certified crypto.PublicKey, key crypto.Signer) bool {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(certified)
}
