package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/clusterup/clusterup/durable"
	"github.com/clusterup/clusterup/facts"
)

// Seal is what a snapshot passes through on its way to a disk. Closing it ends the sealed bytes, and leaves w open.
type Seal func(w io.Writer) (io.WriteCloser, error)

// Unseal opens what Seal has sealed: size bytes at at. It returns the plain bytes, and how many they are.
type Unseal func(at io.ReaderAt, size int64) (io.ReaderAt, int64, error)

// sealedHead begins every file that age has sealed.
const sealedHead = "age-encryption.org/"

// File is a snapshot that is open for reading, plain.
type File struct {
	*io.SectionReader // the database and its digest

	Sealed bool // on the disk

	file *os.File
	raw  int64 // bytes on the disk
}

// Open opens a snapshot, with unseal if it is sealed. Only its first bytes were looked at: see [Check].
func Open(path string, unseal Unseal) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s, err := opened(f, unseal)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

func opened(f *os.File, unseal Unseal) (*File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: no regular file", ErrForeign)
	}
	head := make([]byte, pageHead+4)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	s := &File{SectionReader: io.NewSectionReader(f, 0, info.Size()), file: f, raw: info.Size()}
	switch s.Sealed = strings.HasPrefix(string(head[:n]), sealedHead); {
	case s.Sealed:
		at, size, err := unseal(f, info.Size())
		if err != nil {
			return nil, err
		}
		s.SectionReader = io.NewSectionReader(at, 0, size)
	case n < len(head):
		return nil, fmt.Errorf("%w: %d bytes", ErrCut, n)
	case !isDatabase(head):
		return nil, fmt.Errorf("%w: it does not begin as a database does", ErrForeign)
	}
	return s, nil
}

// Close ends the reading.
func (f *File) Close() error { return f.file.Close() }

// description is where the description of a snapshot lies, or is to lie: beside it. Clusterup once wrote X.json for
// X.db.
func description(path string) string {
	before := strings.TrimSuffix(path, ".db") + DescriptionSuffix
	if _, err := os.Lstat(path + DescriptionSuffix); errors.Is(err, fs.ErrNotExist) {
		if d, err := ReadDescription(before); err == nil && d.Path == path {
			return before
		}
	}
	return path + DescriptionSuffix
}

// Described reads the description beside a snapshot; nil when there is none.
func Described(path string) (*facts.SavedSnapshot, error) {
	d, err := ReadDescription(description(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		d.Path = path // the file may have been renamed, together with its description
	}
	return d, err
}

// ReadDescription reads a description. The error is [ErrMismatched] where it is none.
func ReadDescription(name string) (*facts.SavedSnapshot, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	raw, err := io.ReadAll(io.LimitReader(f, maxRead))
	if err != nil {
		return nil, err
	}
	d, err := ParseDescription(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; take it away to go on without it", name, err)
	}
	d.Path = filepath.Join(filepath.Dir(name), d.File())
	return d, nil
}

// ParseDescription reads a description that lies elsewhere. The error is [ErrMismatched] where it is none. Its Path is
// the name alone.
func ParseDescription(raw []byte) (*facts.SavedSnapshot, error) {
	var d facts.SavedSnapshot
	if err := json.Unmarshal(raw, &d); err != nil || !isSHA256(d.SHA256) || d.Path == "" {
		return nil, fmt.Errorf("%w: it describes no snapshot", ErrMismatched)
	}
	d.Path = d.File()
	return &d, nil
}

// Describe puts the description beside a snapshot.
func Describe(d facts.SavedSnapshot) error {
	path := d.Path
	d.Path = d.File()
	raw, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	if err := durable.Write(description(path), append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("describe snapshot: %w", err)
	}
	return nil
}

// DescriptionSuffix is what the name of a snapshot's description has more than that of the snapshot.
const DescriptionSuffix = ".json"

// isSHA256 says whether a text is a digest. That of a description may become a part of a file's name.
func isSHA256(text string) bool {
	sum, err := hex.DecodeString(text)
	return err == nil && len(sum) == sha256.Size
}

func hexOf(sum []byte) string { return hex.EncodeToString(sum) }
