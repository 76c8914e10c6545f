package pki

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"golang.org/x/crypto/ssh"
)

// unlocker opens sealed keys. The identity files are read once, when the first key is opened; what they hold stays in
// memory.
type unlocker struct {
	Unlock
	mu         sync.Mutex
	read       bool
	identities []identity
	notes      []string // why files are of no use
}

type identity struct {
	age.Identity
	file   string
	locked *lockedKey // nil: it needs no passphrase
}

// lockedKey keeps the error of asking for a passphrase, which age passes on as text only.
type lockedKey struct{ err error }

// key opens a sealed key file, which must hold the key of that certificate.
func (u *unlocker) key(path string, cert *x509.Certificate) (signer crypto.Signer, err error) {
	plain, err := u.bytes(path)
	if err != nil {
		return nil, err
	}
	if signer, err = parseKey(plain, cert); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return signer, nil
}

// bytes are those of a sealed file, opened.
func (u *unlocker) bytes(path string) (plain []byte, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	err = u.open(func(id identity) (err error) {
		plain, err = id.open(data)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return plain, nil
}

// open tries one identity after another, until one fits.
func (u *unlocker) open(with func(identity) error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.readIdentities()
	for _, id := range u.identities {
		err := with(id)
		var none *age.NoIdentityMatchError
		switch {
		case errors.As(err, &none):
			continue
		case err != nil:
			return fmt.Errorf("with %s: %w", id.file, id.why(err))
		}
		return nil
	}
	return fmt.Errorf("%w (%s); age cannot use keys that only an SSH agent holds", ErrSealed, u.tried())
}

func (u *unlocker) tried() string {
	tried := slices.Clone(u.notes)
	for _, id := range u.identities {
		tried = append(tried, id.file+": it is not sealed to this key")
	}
	if len(tried) == 0 {
		return "none was named"
	}
	return strings.Join(tried, "; ")
}

func (id identity) open(data []byte) ([]byte, error) {
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(data)), id.Identity)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// why is the error of asking for a passphrase, where that was in the way.
func (id identity) why(err error) error {
	if id.locked != nil && id.locked.err != nil {
		return id.locked.err
	}
	return err
}

// readIdentities puts the keys that need a passphrase last, so that nobody is asked in vain.
func (u *unlocker) readIdentities() {
	if u.read {
		return
	}
	u.read = true
	var last []identity
	for _, file := range u.IdentityFiles {
		found, err := u.identitiesOf(file)
		if err != nil {
			u.notes = append(u.notes, file+": "+err.Error())
		}
		for _, id := range found {
			if id.locked != nil {
				last = append(last, id)
			} else {
				u.identities = append(u.identities, id)
			}
		}
	}
	u.identities = append(u.identities, last...)
}

func (u *unlocker) identitiesOf(file string) ([]identity, error) {
	data, err := readPrivate(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errors.New("no such file")
	case err != nil:
		return nil, err
	case bytes.Contains(data, []byte("AGE-SECRET-KEY-")):
		parsed, err := age.ParseIdentities(bytes.NewReader(data))
		if err != nil {
			return nil, errors.New("not a file of age identities") // the error of age may show a line of it
		}
		var all []identity
		for _, one := range parsed {
			all = append(all, identity{Identity: one, file: file})
		}
		return all, nil
	}
	var locked *ssh.PassphraseMissingError
	switch parsed, err := agessh.ParseIdentity(data); {
	case err == nil:
		return []identity{{Identity: parsed, file: file}}, nil
	case errors.As(err, &locked):
		return u.lockedIdentity(file, data, locked.PublicKey)
	default:
		return nil, errors.New("neither an SSH private key (ed25519 or rsa) nor age identities")
	}
}

func (u *unlocker) lockedIdentity(file string, data []byte, public ssh.PublicKey) ([]identity, error) {
	switch {
	case u.Passphrase == nil:
		return nil, errors.New("it has a passphrase, and nobody can be asked for it")
	case public == nil:
		return nil, errors.New("it has a passphrase and an old format; ssh-keygen -p -f FILE writes it in the new one")
	}
	locked := &lockedKey{}
	parsed, err := agessh.NewEncryptedSSHIdentity(public, data, func() ([]byte, error) {
		var passphrase []byte
		passphrase, locked.err = u.ask(file, data)
		return passphrase, locked.err
	})
	if err != nil {
		return nil, errors.New("age cannot use " + public.Type() + " keys")
	}
	return []identity{{parsed, file, locked}}, nil
}

// ask asks up to three times for a passphrase that is right.
func (u *unlocker) ask(file string, data []byte) ([]byte, error) {
	for try := 1; ; try++ {
		passphrase, err := u.Passphrase(file)
		if err != nil {
			return nil, fmt.Errorf("ask for the passphrase: %w", err)
		}
		_, err = ssh.ParseRawPrivateKeyWithPassphrase(data, passphrase)
		switch {
		case err == nil:
			return passphrase, nil
		case !errors.Is(err, x509.IncorrectPasswordError):
			return nil, errors.New("the key file is damaged")
		case try == 3:
			return nil, ErrPassphrase
		}
	}
}
