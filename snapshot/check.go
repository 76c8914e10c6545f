package snapshot

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
)

// Checked is a snapshot that is whole.
type Checked struct {
	Contents

	Path      string
	Sealed    bool
	Size      int64                // bytes of the snapshot itself, plain, its digest included
	SHA256    string               // of the same, hexadecimal
	Described *facts.SavedSnapshot // what lies beside it; nil: nothing does
}

// maxRead is how much is read at a time: age seals 64 KiB at a time.
const maxRead = 1 << 20

// Check reads all of a snapshot, and says whether it is whole and what it holds. Its error is one of this package
// (ErrCut, ErrAltered, ErrForeign, ErrMismatched), that of unseal, or that of reading the file. It needs unseal only
// for a sealed file, and nothing of that is written anywhere.
func Check(path string, unseal Unseal) (Checked, error) {
	described, err := Described(path)
	if err != nil {
		return Checked{}, err
	}
	c := Checked{Path: path, Described: described}
	if err := c.check(unseal); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func (c *Checked) check(unseal Unseal) error {
	f, err := Open(c.Path, func(at io.ReaderAt, size int64) (io.ReaderAt, int64, error) {
		c.Sealed = true
		if err := c.sealedBytes(at, size); err != nil {
			return nil, 0, err
		}
		return unseal(at, size)
	})
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	c.Size = f.Size()
	if d := c.Described; d != nil && c.Size < d.Size {
		return fmt.Errorf("%w: %d of its %d bytes", ErrCut, c.Size, d.Size)
	}
	sum := NewSum()
	if _, err := io.Copy(sum, bufio.NewReaderSize(io.NewSectionReader(f, 0, c.Size), maxRead)); err != nil {
		return torn(err)
	}
	if err := sum.Check(); err != nil {
		return err
	}
	c.SHA256 = sum.SHA256()
	if d := c.Described; d != nil && c.SHA256 != d.SHA256 {
		return fmt.Errorf("%w: its SHA-256 is %s, and %s was described", ErrMismatched, c.SHA256, d.SHA256)
	}
	c.Contents, err = readContents(f, c.Size-sha256.Size)
	return err
}

// sealedBytes compares the bytes on the disk with what was noted of them, which needs no key.
func (c *Checked) sealedBytes(at io.ReaderAt, size int64) error {
	d := c.Described
	switch {
	case d == nil || d.FileSHA256 == "":
		return nil
	case size < d.FileSize:
		return fmt.Errorf("%w: %d of its %d bytes", ErrCut, size, d.FileSize)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(at, 0, size)); err != nil {
		return err
	}
	if got := hexOf(sum.Sum(nil)); got != d.FileSHA256 {
		return fmt.Errorf("%w: its SHA-256 is %s, and was %s", ErrAltered, got, d.FileSHA256)
	}
	return nil
}

// torn is an error of reading what was opened: either the disk fails, or what is sealed does not fit its seal.
func torn(err error) error {
	if errors.As(err, new(*fs.PathError)) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrAltered, err)
}

// Fits says whether a snapshot can take the place of the data of a cluster with these members, which is to run that
// version of etcd. Its error is [ErrOther] or [ErrMinor].
func (c Checked) Fits(cluster string, members []string, version string) error {
	switch d := c.Described; {
	case d != nil && d.Cluster != "" && d.Cluster != cluster:
		return fmt.Errorf("%s: %w: it is of %s, and not of %s", c.Path, ErrOther, d.Cluster, cluster)
	case (d == nil || d.Cluster == "") && len(members) > 0 && !slices.ContainsFunc(c.Members, func(m facts.Listed) bool {
		return slices.Contains(members, m.Name)
	}):
		return fmt.Errorf("%s: %w: its members are %s, and those of %s are %s", c.Path, ErrOther,
			cmp.Or(strings.Join(namesOf(c.Members), ", "), "nobody"), cluster, strings.Join(members, ", "))
	}
	if !c.SameMinor(version) {
		return fmt.Errorf("%s: %w: it is of etcd %s, and %s is to run %s", c.Path, ErrMinor, minor(c.Etcd()), cluster,
			minor(version))
	}
	return nil
}

// Etcd is the version of etcd that it was taken from: that of the member, if it was described, else the minor version
// of the cluster.
func (c Checked) Etcd() string {
	if c.Described != nil && c.Described.Version != "" {
		return c.Described.Version
	}
	return minor(c.Version)
}

// SameMinor says whether it was taken from that minor version.
func (c Checked) SameMinor(version string) bool { return minor(c.Etcd()) == minor(version) }

func namesOf(members []facts.Listed) []string {
	var names []string
	for _, m := range members {
		names = append(names, cmp.Or(m.Name, m.ID.String()))
	}
	slices.Sort(names)
	return names
}

// minor is 3.6 of 3.6.16.
func minor(version string) string {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	return first + "." + second
}
