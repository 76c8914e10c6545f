package pki

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/clusterup/clusterup/durable"
)

// TokenKey is one generation of the key by which members sign the tokens of users that log in with a password. It is
// kept and sealed as the key of a CA is. Once the next one is made only its digest stays, which tells a member that
// runs with it from one whose key was made elsewhere.
type TokenKey struct {
	Generation int    // 1, 2, …
	SHA256     string // of the plain key in PEM, lower-case hexadecimal
	Here       bool   // the key is here, sealed or not

	sealed   bool
	sealedTo []string
}

// The names of the files of a token key end so, after token-GENERATION; those of the key itself are as those of a CA's.
const (
	tokenPrefix  = "token-"
	digestSuffix = ".sha256"
)

// errTokenKey covers a token key that is not here, or is another one than its digest says.
var errTokenKey = errors.New("the key is not here that signs tokens")

// TokenKeys are all that there have been, the oldest first. Nothing is unlocked.
func (s *Store) TokenKeys() []TokenKey { return slices.Clone(s.tokens) }

// CreateTokenKey makes the next one, and deletes those before. Killed at any point, it can be run again: a key exists
// once its digest does, which is written last.
func (s *Store) CreateTokenKey(rand io.Reader) (err error) {
	defer explain(&err, "create the key for tokens")
	return s.change(func() error {
		if err := s.mayHold(s.sealTo); err != nil {
			return err
		}
		generation := 1
		if n := len(s.tokens); n > 0 {
			generation = s.tokens[n-1].Generation + 1
		}
		base := s.tokenBase(generation)
		if err := clearLeft(base); err != nil {
			return err
		}
		signer, err := newKey(defaultAlgorithm, rand)
		if err != nil {
			return err
		}
		files, err := keyFiles(signer, s.sealTo)
		if err != nil {
			return err
		}
		for _, f := range files {
			if err := durable.WriteAlone(base+f.suffix, f.data, f.mode); err != nil {
				return err
			}
		}
		plain, err := encodeKey(signer)
		if err != nil {
			return err
		}
		if err := durable.WriteAlone(base+digestSuffix, []byte(digestOf(plain)+"\n"), 0o644); err != nil {
			return err
		}
		return s.dropTokenKeys(generation)
	})
}

// dropTokenKeys deletes the keys of generations before one.
func (s *Store) dropTokenKeys(before int) error {
	for _, old := range s.tokens {
		if old.Generation < before {
			if err := clearLeft(s.tokenBase(old.Generation)); err != nil {
				return err
			}
		}
	}
	return nil
}

// TokenKey is a generation's key in PEM, as members read it. It may ask for a passphrase.
func (s *Store) TokenKey(generation int) (plain []byte, err error) {
	defer explain(&err, "read the key for tokens")
	at := slices.IndexFunc(s.tokens, func(k TokenKey) bool { return k.Generation == generation })
	if at < 0 || !s.tokens[at].Here {
		return nil, fmt.Errorf("%s: %w", s.tokenBase(generation), errTokenKey)
	}
	return s.openTokenKey(s.tokens[at], s.unlock)
}

func (s *Store) openTokenKey(k TokenKey, unlock *unlocker) (plain []byte, err error) {
	base := s.tokenBase(k.Generation)
	if k.sealed {
		plain, err = unlock.bytes(base + sealedSuffix)
	} else {
		plain, err = readPrivate(base + keySuffix)
	}
	if err == nil && digestOf(plain) != k.SHA256 {
		err = fmt.Errorf("%s is of another key: %w", base+digestSuffix, errTokenKey)
	}
	return plain, err
}

func (s *Store) tokenBase(generation int) string {
	return filepath.Join(s.dir, tokenPrefix+strconv.Itoa(generation))
}

func digestOf(plain []byte) string {
	sum := sha256.Sum256(plain)
	return hex.EncodeToString(sum[:])
}

// loadTokenKeys reads the digests, and which keys are here.
func (s *Store) loadTokenKeys() ([]TokenKey, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var keys []TokenKey
	for _, e := range entries {
		number, ok := strings.CutSuffix(strings.TrimPrefix(e.Name(), tokenPrefix), digestSuffix)
		generation, err := strconv.Atoi(number)
		if !ok || err != nil || generation < 1 || e.Name() != tokenPrefix+strconv.Itoa(generation)+digestSuffix {
			continue
		}
		k, err := s.loadTokenKey(generation)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b TokenKey) int { return a.Generation - b.Generation })
	return keys, nil
}

func (s *Store) loadTokenKey(generation int) (TokenKey, error) {
	base := s.tokenBase(generation)
	text, err := os.ReadFile(base + digestSuffix)
	if err != nil {
		return TokenKey{}, err
	}
	k := TokenKey{Generation: generation, SHA256: strings.TrimSpace(string(text))}
	if raw, err := hex.DecodeString(k.SHA256); err != nil || len(raw) != sha256.Size {
		return TokenKey{}, fmt.Errorf("read %s: not a SHA-256 in hexadecimal", base+digestSuffix)
	}
	plain, err := readPrivate(base + keySuffix)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return TokenKey{}, err
	case digestOf(plain) != k.SHA256:
		return TokenKey{}, fmt.Errorf("read %s: %s is of another key: %w", base+keySuffix, base+digestSuffix, errTokenKey)
	default:
		k.Here = true
	}
	if k.sealed, err = exists(base + sealedSuffix); err != nil || !k.sealed {
		return k, err
	}
	left := k.Here // a plain key beside it was left by a Reseal that did not end
	k.Here = true
	if k.sealedTo, err = readSealedTo(base + recipientsSuffix); err != nil || left {
		k.sealedTo = nil
	}
	return k, nil
}

// parseTokenKey reads a plain token key.
func parseTokenKey(plain []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(plain)
	if block == nil {
		return nil, errors.New("holds no private key in PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, errors.New("not a private key that can sign")
	}
	return signer, nil
}
