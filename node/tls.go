package node

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// pair is the TLS of one state of the files, and a digest that tells it from the next.
type pair struct {
	config *tls.Config // nil: there are no files, for http
	digest [sha256.Size]byte
}

// loadTLS reads the files as they are now.
func loadTLS(c Config) (pair, error) {
	if c.CA == "" {
		return pair{}, nil
	}
	var files [3][]byte
	for i, path := range []string{c.CA, c.Certificate, c.Key} {
		b, err := os.ReadFile(path)
		if err != nil {
			return pair{}, fmt.Errorf("read certificates: %w", err)
		}
		files[i] = b
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(files[0]) {
		return pair{}, fmt.Errorf("read certificates: %w", errors.New(c.CA+" has none"))
	}
	leaf, err := tls.X509KeyPair(files[1], files[2])
	if err != nil {
		return pair{}, fmt.Errorf("read certificates: %s with %s: %w", c.Certificate, c.Key, err)
	}
	return pair{
		config: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: []tls.Certificate{leaf}},
		digest: sha256.Sum256(bytes.Join(files[:], []byte{0})),
	}, nil
}
