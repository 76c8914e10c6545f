package release

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
)

// Open returns the archive's bytes. It refuses a file that is no longer the one that was verified, with a
// *mismatchError.
func (a *Archive) Open() (*os.File, error) {
	f, id, err := openRegular(a.Path)
	if err != nil {
		return nil, fmt.Errorf("open the release archive: %w; run again to get it anew", err)
	}
	if a.id == (fileID{}) || id == a.id {
		return f, nil
	}
	defer f.Close()
	got, err := hashOf(f)
	if err != nil {
		return nil, fmt.Errorf("read the release archive: %w; run again to get it anew", err)
	}
	return nil, &mismatchError{What: a.Path, Want: a.SHA256, Got: got, Source: fromArchive}
}

// Binary returns the bytes of etcd, etcdctl or etcdutl, straight out of the archive. The reader ends with a
// *mismatchError instead of io.EOF when they are not the ones that were verified.
func (a *Archive) Binary(program string) (io.ReadCloser, error) {
	want, ok := a.Binaries[program]
	if !ok {
		return nil, &notFoundError{What: program, Where: a.Path, Remedy: "a release has etcd, etcdctl and etcdutl"}
	}
	f, err := a.Open()
	if err != nil {
		return nil, err
	}
	r, err := a.seek(f, program)
	if err != nil {
		return nil, errors.Join(archiveError(a.Path, err), f.Close())
	}
	return &binaryReader{what: a.Path + ": " + program, want: want.SHA256, r: r, hash: sha256.New(), file: f}, nil
}

func (a *Archive) seek(f io.Reader, program string) (io.Reader, error) {
	e, err := newEntries(f, name{a.Version, a.Arch}, defaultLimits)
	if err != nil {
		return nil, err
	}
	for {
		found, _, err := e.next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("no %s in it", program)
		}
		if err != nil {
			return nil, err
		}
		if found == program {
			return e.tar, nil
		}
	}
}

// binaryReader hashes what passes.
type binaryReader struct {
	what, want string
	r          io.Reader
	hash       hash.Hash
	file       *os.File
}

func (b *binaryReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.hash.Write(p[:n])
	if errors.Is(err, io.EOF) {
		if got := hex.EncodeToString(b.hash.Sum(nil)); got != b.want {
			return n, &mismatchError{What: b.what, Want: b.want, Got: got, Source: fromArchive}
		}
		return n, io.EOF
	}
	if err != nil {
		return n, archiveError(b.file.Name(), plain(err))
	}
	return n, nil
}

func (b *binaryReader) Close() error { return b.file.Close() }

func hashOf(r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
