package release

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// programs are what a release must hold. etcdutl exists since 3.5.
var programs = []string{"etcd", "etcdctl", "etcdutl"}

// limits bound what reading an archive may cost. etcd's own need 65 MB in under 100 entries.
type limits struct {
	binary  int64 // bytes of one program
	total   int64 // bytes of the whole archive, uncompressed
	entries int
	name    int // bytes of an entry's name
}

var defaultLimits = limits{binary: 256 << 20, total: 1 << 30, entries: 10_000, name: 1024}

// entries walks the programs of an archive that nobody vouches for yet.
type entries struct {
	n    name
	lim  limits
	gz   *gzip.Reader
	raw  *bounded
	tar  *tar.Reader
	seen map[string]bool

	folder string // of the program that came last, as tar names it
}

func newEntries(r io.Reader, n name, lim limits) (*entries, error) {
	gz, err := gzip.NewReader(bufio.NewReaderSize(r, 1<<16))
	if err != nil {
		return nil, plain(err)
	}
	raw := &bounded{r: gz, left: lim.total}
	return &entries{n: n, lim: lim, gz: gz, raw: raw, tar: tar.NewReader(raw), seen: map[string]bool{}}, nil
}

// next moves to the next program and returns its name and size; its bytes are read from e.tar. It returns io.EOF when
// the archive ends and its checksum holds. An entry that no release has is an error, even if it would not be used.
func (e *entries) next() (program string, size int64, err error) {
	for {
		h, err := e.tar.Next()
		if errors.Is(err, io.EOF) {
			// The rest behind the end of the tar is read too: only then does gzip compare its checksum.
			if _, err := io.Copy(io.Discard, e.raw); err != nil {
				return "", 0, plain(err)
			}
			return "", 0, io.EOF
		}
		if err != nil {
			return "", 0, plain(err)
		}
		program, err := e.admit(h)
		if err != nil {
			return "", 0, fmt.Errorf("entry %q: %w", h.Name, err)
		}
		if program != "" {
			return program, h.Size, nil
		}
	}
}

// admit checks an entry and returns which program it is, "" for none.
func (e *entries) admit(h *tar.Header) (string, error) {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return "", nil
	}
	clean := strings.TrimPrefix(strings.TrimSuffix(h.Name, "/"), "./") // as tar -C DIR . packs it
	switch {
	case h.Typeflag == tar.TypeDir && clean == ".":
		return "", nil
	case len(h.Name) > e.lim.name:
		return "", errors.New("the name is too long")
	case len(e.seen) >= e.lim.entries:
		return "", fmt.Errorf("more than %d entries", e.lim.entries)
	case h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir:
		return "", errors.New("neither a regular file nor a folder")
	case clean != path.Clean(clean):
		return "", errors.New("the path is not a plain one")
	case clean != e.n.dir() && !strings.HasPrefix(clean, e.n.dir()+"/"):
		return "", fmt.Errorf("not in %s/", e.n.dir())
	case e.seen[clean]:
		return "", errors.New("it is there twice")
	}
	e.seen[clean] = true
	base := strings.TrimPrefix(clean, e.n.dir()+"/")
	if !slices.Contains(programs, base) {
		return "", nil
	}
	if h.Typeflag != tar.TypeReg {
		return "", errors.New("not a regular file")
	}
	if h.Size > e.lim.binary {
		return "", fmt.Errorf("%d bytes are more than the %d allowed", h.Size, e.lim.binary)
	}
	folder := strings.TrimSuffix(h.Name, "/"+base)
	if e.folder != "" && folder != e.folder {
		return "", fmt.Errorf("not in %s/, as the programs before it", e.folder)
	}
	e.folder = folder
	return base, nil
}

// inspect reads a whole archive and returns the digests of its programs, and their folder as tar names it. It refuses
// whatever is not a release of n.
func inspect(r io.Reader, n name, lim limits) (found map[string]Binary, folder string, err error) {
	e, err := newEntries(r, n, lim)
	if err != nil {
		return nil, "", err
	}
	found = map[string]Binary{}
	for {
		program, size, err := e.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, "", err
		}
		if found[program], err = hashProgram(e.tar, n, size); err != nil {
			return nil, "", fmt.Errorf("entry %q: %w", n.dir()+"/"+program, err)
		}
	}
	for _, p := range programs {
		if _, ok := found[p]; !ok {
			return nil, "", fmt.Errorf("no %s in it", n.dir()+"/"+p)
		}
	}
	return found, e.folder, nil
}

func hashProgram(r io.Reader, n name, size int64) (Binary, error) {
	h := sha256.New()
	head := make([]byte, elfHead)
	if _, err := io.ReadFull(r, head); err != nil {
		if size < elfHead {
			err = errNoProgram
		}
		return Binary{}, plain(err)
	}
	if err := checkMachine(head, n.arch); err != nil {
		return Binary{}, err
	}
	h.Write(head)
	said := &versionFinder{}
	if _, err := io.Copy(io.MultiWriter(h, said), r); err != nil {
		return Binary{}, plain(err)
	}
	if said.found != "" && said.found != n.version {
		return Binary{}, fmt.Errorf("it was built from etcd %s, wanted %s", said.found, n.version)
	}
	return Binary{SHA256: hex.EncodeToString(h.Sum(nil)), Size: size}, nil
}

// plain says in an operator's words what gzip and tar make of damage.
func plain(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("the archive is cut short: %w", io.ErrUnexpectedEOF)
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, tar.ErrHeader):
		return fmt.Errorf("not a .tar.gz archive: %w", err)
	case errors.Is(err, gzip.ErrChecksum):
		return fmt.Errorf("the archive is damaged: %w", err)
	}
	return err
}

var errTooBig = errors.New("unpacked, it is larger than any etcd release")

// bounded fails where more than left bytes come out of r.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		// One byte more tells an archive that ends here from one that goes on.
		var one [1]byte
		n, err := b.r.Read(one[:])
		if n > 0 {
			return 0, errTooBig
		}
		return 0, err
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	return n, err
}
