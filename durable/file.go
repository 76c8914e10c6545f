// Package durable owns files that are whole whatever ends a run or its machine, and the locks with which processes of
// one machine keep out of each other's way.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Write puts data in the place of a file: after a crash the file holds the old bytes or the new ones. It has exactly
// that mode, and before it is in place only its owner can read it. Any number of processes may write one file at the
// same time. A run that is killed may leave a file behind whose name begins with "." and the name of this one.
func Write(path string, data []byte, mode fs.FileMode) error {
	return Replace(path, filled(data, mode))
}

// WriteAlone is Write for a caller whose lock keeps others from the file. Its temporary file always has the same name,
// so that the next call removes what a killed run has left, which may be a key.
func WriteAlone(path string, data []byte, mode fs.FileMode) error {
	if err := remove(path + newSuffix); err != nil {
		return err
	}
	f, err := os.OpenFile(path+newSuffix, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return replace(path, f, filled(data, mode))
}

// newSuffix ends the name of a file of WriteAlone that has not taken its place yet.
const newSuffix = ".new"

// Replace is Write of what fill writes; the mode is 0600 unless fill changes it.
func Replace(path string, fill func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	return replace(path, f, fill)
}

func filled(data []byte, mode fs.FileMode) func(*os.File) error {
	return func(f *os.File) error {
		_, err := f.Write(data)
		return errors.Join(err, f.Chmod(mode))
	}
}

// replace puts a file in the place of another as soon as it is filled and on the disk.
func replace(path string, f *os.File, fill func(*os.File) error) error {
	err := fill(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, remove(f.Name()))
	}
	return SyncDir(filepath.Dir(path))
}

// Rename gives a file that is on the disk another name in its directory, for good.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(to))
}

// Remove deletes a file durably, with what a killed WriteAlone has left of it. It is no error if there is none.
func Remove(path string) error {
	return errors.Join(remove(path), remove(path+newSuffix), SyncDir(filepath.Dir(path)))
}

func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// SyncDir makes the entries of a directory durable. It does nothing where the caller may not read the directory, or the
// file system cannot do so.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// Append adds a line to a file in one write, under the lock on the file itself, which it waits for. A file that is not
// there is made with mode 0600. A last line that an editor left without its end is ended first.
func Append(path, line string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	held := Held{f}
	defer held.Unlock()
	if err := flock(f, true); err != nil {
		return err
	}
	text := line + "\n"
	if info, err := f.Stat(); err == nil && info.Size() > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, info.Size()-1); err == nil && last[0] != '\n' {
			text = "\n" + text
		}
	}
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	return f.Sync()
}
