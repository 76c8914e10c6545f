package pki

import (
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lock makes the directory, and takes it for this process until unlock is called or the process ends, however it ends. It
// does not wait.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := syncDir(filepath.Dir(dir)); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", dir, ErrChanged)
		}
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return func() {
		_ = unix.Flock(int(f.Fd()), unix.LOCK_UN) // closed alone, it would stay locked by a process that is just being started and has not let go of it yet
		_ = f.Close()
	}, nil
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

// newSuffix is that of a file which has not taken its place yet.
const newSuffix = ".new"

// writeCA writes the key, then the certificate, each so that it is there as a whole and on the disk, or not at all. What an earlier run
// left that was killed goes: a key of the other kind would be taken for this CA's. The directory must be locked.
func (s *Store) writeCA(a authority, signer crypto.Signer) error {
	if err := s.mayHold(s.sealTo); err != nil {
		return err
	}
	base := s.base(a.Role, a.Generation)
	for _, suffix := range []string{keySuffix, sealedSuffix, recipientsSuffix, chainSuffix, retiredSuffix, givenSuffix} {
		if err := remove(base + suffix); err != nil {
			return err
		}
	}
	files, err := keyFiles(signer, s.sealTo)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := writeFile(base+f.suffix, f.data, f.mode); err != nil {
			return err
		}
	}
	return writeFile(base+certSuffix, a.PEM, 0o644)
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

// remove does nothing when there is no such file.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func writeFile(path string, data []byte, mode fs.FileMode) (err error) {
	temp := path + newSuffix
	if err := remove(temp); err != nil { // left by a run that was killed
		return err
	}
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp))
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
