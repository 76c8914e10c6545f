package snapshot

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/clusterup/clusterup/durable"
	"github.com/clusterup/clusterup/facts"
)

// Fill writes a whole snapshot, and says what it is. Its error ends a Save.
type Fill func(io.Writer) (facts.SavedSnapshot, error)

// partSuffix ends the name of a snapshot that is not whole yet.
const partSuffix = ".snapshot-part"

// Save has fill write a snapshot, and gives it its name only when fill says that it is whole, and its description lies
// beside it. Until then it lies under a temporary name, mode 0600 from its first byte; so it does when the process is
// killed, and the next Save in the same directory takes it away. It replaces nothing. What fill returns is the
// description; Save adds what the sealed file is. A nil seal leaves the snapshot plain.
func Save(path string, seal Seal, fill Fill) (d facts.SavedSnapshot, err error) {
	if err := absent(path); err != nil {
		return d, err
	}
	if err := describable(path); err != nil {
		return d, err
	}
	err = inPart(path, func(part *os.File) error {
		if d, err = written(part, seal, fill); err != nil {
			return err
		}
		d.Path = path
		return place(part, path, &d)
	})
	return d, err
}

// inPart has do write a snapshot under a temporary name, and give it another one, or remove it.
func inPart(path string, do func(part *os.File) error) error {
	dir, base := filepath.Split(path)
	if err := durable.Sweep(filepath.Clean(dir), ".*"+partSuffix); err != nil {
		return err
	}
	part := filepath.Join(dir, "."+base+partSuffix)
	held, err := durable.Create(part)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("another run is writing %s", path)
	}
	if err != nil {
		return err
	}
	defer held.Unlock()
	if err := do(held.File); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return nil
}

// place gives a whole snapshot its name, beside its description; nil: it has none.
func place(part *os.File, path string, d *facts.SavedSnapshot) error {
	if d != nil { // the description first: nothing shows a description without its snapshot
		if err := Describe(*d); err != nil {
			return err
		}
	}
	if err := absent(path); err != nil {
		return err
	}
	return durable.Rename(part.Name(), path)
}

func absent(path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fmt.Errorf("%s is there already: choose another name", path)
		}
		return err
	}
	return nil
}

// describable refuses to replace a file that is no description of a snapshot. One without its snapshot is replaced.
func describable(path string) error {
	name := description(path)
	if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if d, err := ReadDescription(name); err != nil || d.Path != path {
		return fmt.Errorf("%s, where the description is to lie, is there already: choose another name", name)
	}
	return nil
}

// written has all of a snapshot on the disk.
func written(f *os.File, seal Seal, fill Fill) (facts.SavedSnapshot, error) {
	sum := &counted{hash: sha256.New()}
	buffered := bufio.NewWriterSize(f, maxRead)
	w, end := io.Writer(buffered), func() error { return nil }
	if seal != nil {
		sealing, err := seal(io.MultiWriter(buffered, sum))
		if err != nil {
			return facts.SavedSnapshot{}, err
		}
		w, end = sealing, sealing.Close
	}
	d, err := fill(w)
	if err == nil {
		err = errors.Join(end(), buffered.Flush())
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil && seal != nil {
		d.FileSize, d.FileSHA256 = sum.size, hexOf(sum.hash.Sum(nil))
	}
	return d, err
}

// counted digests what passes, and counts it.
type counted struct {
	hash hash.Hash
	size int64
}

func (c *counted) Write(p []byte) (int, error) {
	c.size += int64(len(p))
	return c.hash.Write(p)
}
