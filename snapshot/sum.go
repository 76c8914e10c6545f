package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
)

// page is what the size of a database is a multiple of, in bytes.
const page = 512

// Sum takes a whole snapshot as a writer, and then says whether it is one: etcd appends to the database a digest of it.
// Memory stays small.
type Sum struct {
	body hash.Hash
	tail []byte // of the stream, so far
	size int64
}

// NewSum begins a Sum.
func NewSum() *Sum { return &Sum{body: sha256.New()} }

// Write takes the next bytes. It never fails.
func (s *Sum) Write(p []byte) (int, error) {
	s.size += int64(len(p))
	s.tail = append(s.tail, p...)
	if n := len(s.tail) - sha256.Size; n > 0 {
		s.body.Write(s.tail[:n])
		s.tail = s.tail[:copy(s.tail, s.tail[n:])]
	}
	return len(p), nil
}

// Size is how many bytes were written, the digest at their end included.
func (s *Sum) Size() int64 { return s.size }

// SHA256 is that of all bytes, hexadecimal.
func (s *Sum) SHA256() string {
	whole, err := s.body.(hash.Cloner).Clone() // cheaper than a second digest of all that passes
	if err != nil {
		panic(err) // the standard library's own can
	}
	whole.Write(s.tail)
	return hex.EncodeToString(whole.Sum(nil))
}

// Check is nil when what was written ends in its digest; else [ErrCut] or [ErrAltered].
func (s *Sum) Check() error {
	switch {
	case s.size > 0 && s.size%page == 0 && !s.fits():
		return fmt.Errorf("%w: %d bytes, and no digest at their end: it is a copy of a member's own database, or a "+
			"snapshot that lacks its end", ErrCut, s.size)
	case s.size%page != sha256.Size || s.size == sha256.Size:
		return fmt.Errorf("%w: %d bytes, which is not a database and a digest", ErrCut, s.size)
	case !s.fits():
		return fmt.Errorf("%w: its %d bytes do not fit the digest at their end", ErrAltered, s.size)
	}
	return nil
}

func (s *Sum) fits() bool { return string(s.body.Sum(nil)) == string(s.tail) }
