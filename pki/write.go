package pki

import (
	"crypto"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/clusterup/clusterup/durable"
)

// lock makes the directory, and takes it for this process until unlock is called or the process ends, however it ends.
// It does not wait.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := durable.SyncDir(filepath.Dir(dir)); err != nil {
		return nil, err
	}
	held, err := durable.TryLock(filepath.Join(dir, ".lock"))
	if errors.Is(err, durable.ErrLocked) {
		return nil, fmt.Errorf("%s: %w", dir, errChanged)
	}
	return held.Unlock, err
}

// The names of the files of a CA end so, after ROLE-GENERATION.
const (
	certSuffix       = ".pem"
	keySuffix        = ".key"
	sealedSuffix     = ".key.age"
	recipientsSuffix = ".sealed"
	chainSuffix      = ".chain.pem"
	retiredSuffix    = ".retired"
	givenSuffix      = ".given" // where the key of a CA lies that was given
)

// writeCA writes the key, then the certificate, each so that it is there as a whole and on the disk, or not at all. The
// directory must be locked.
func (s *Store) writeCA(a authority, signer crypto.Signer) error {
	if err := s.mayHold(s.sealTo); err != nil {
		return err
	}
	base := s.base(a.Role, a.Generation)
	if err := clearLeft(base); err != nil {
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
	return durable.WriteAlone(base+certSuffix, a.PEM, 0o644)
}

// clearLeft removes what a killed run has left of a CA: its key would be taken for that of the next one.
func clearLeft(base string) error {
	for _, suffix := range []string{keySuffix, sealedSuffix, recipientsSuffix, chainSuffix, retiredSuffix, givenSuffix} {
		if err := durable.Remove(base + suffix); err != nil {
			return err
		}
	}
	return nil
}

// mayHold is an error when keys are to be plain, and others can look into the directory.
func (s *Store) mayHold(sealTo []recipient) error {
	if len(sealTo) > 0 {
		return nil
	}
	info, err := os.Stat(s.dir)
	if err != nil {
		return err
	}
	return private(s.dir, info, "0700")
}
