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

// parseKey reads what encodeKey writes. Its errors never show the data.
func parseKey(data []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("not a PEM block of type PRIVATE KEY")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("not a PKCS #8 private key")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", key)
	}
	return signer, nil
}

// parseAnyKey reads a private key as other programs write it, too. Its errors never show the data.
func parseAnyKey(data []byte) (crypto.Signer, error) {
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errors.New("holds no private key in PEM (PKCS #8, PKCS #1 or SEC 1)")
		}
		var key any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			return parseKey(pem.EncodeToMemory(block))
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("the key has a passphrase, which is not supported")
		default:
			continue // such as EC PARAMETERS, or the certificate
		}
		if signer, ok := key.(crypto.Signer); ok && err == nil {
			return signer, nil
		}
		return nil, errors.New("not a private key that can sign, or one with a passphrase")
	}
}

// samePublic tells whether a certificate's public key is that of the private key.
func samePublic(certified crypto.PublicKey, key crypto.Signer) bool {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(certified)
}
