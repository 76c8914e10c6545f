// Package release turns a version of etcd into a verified archive on this machine, and opens the programs in it.
//
// It owns where archives come from (a mirror over http, https or file, or a local file), which digest they must have,
// the download cache, and the lock file that pins digests. Nothing that it hands out is unverified: the digest is the
// one that the inventory, the lock file or the mirror's SHA256SUMS names, and the archive holds etcd, etcdctl and
// etcdutl for the wanted architecture. Only a local archive that nobody names a digest for is taken at its word, for
// the caller to pin. It must not know hosts, ssh or inventories, and it never unpacks to disk.
package release

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/clusterup/clusterup/download"
)

// Source says where archives come from and which digests they must have. The zero value is etcd's releases on GitHub,
// but a mirror, GitHub included, needs a CacheDir.
type Source struct {
	// Mirror is the base URL of MIRROR/vVERSION/{etcd-vVERSION-linux-ARCH.tar.gz,SHA256SUMS}: http, https or file. Empty:
	// GitHub.
	Mirror string
	// Archives are paths of local archives by architecture, "" standing for any. An entry wins over Mirror.
	Archives map[string]string
	// SHA256 are the digests that the inventory wants, by architecture. An entry wins over SHA256SUMS.
	SHA256 map[string]string
	// Pinned are the digests that were given before, as in a Lock. They hold for every kind of source.
	Pinned map[string]string
	// CacheDir is the folder of the download cache, made when needed. Local archives work without one, only slower.
	CacheDir string
	// Client makes the requests. Nil: one that honours the proxy environment, gives up on servers that fall silent, and
	// has no limit on the whole transfer.
	Client *http.Client
	// Progress is told the bytes that are there and the bytes wanted (-1: unknown) while an archive arrives. It is called
	// from the goroutine of Resolve and may be nil.
	Progress func(done, total int64)

	pace download.Pace
}

// Archive is a verified release archive on this machine. Its methods may be used from several goroutines.
type Archive struct {
	Version string // without "v"
	Arch    string // Go's name, as in etcd's file names: amd64, arm64, …
	Path    string `json:"-"` // of this run
	SHA256  string // of the archive, 64 lower-case hex digits
	Size    int64  `json:"-"` // of the archive, bytes: what the file has
	Folder  string // in it, that holds the programs, as tar names it: "etcd-v3.6.16-linux-amd64", or with "./" before that
	// Binaries are etcd, etcdctl and etcdutl, always all three.
	Binaries map[string]Binary

	id fileID
}

// Binary is one program of an archive.
type Binary struct {
	SHA256 string // 64 lower-case hex digits
	Size   int64  // bytes
}

// Resolve returns the archive of a version for an architecture. It blocks while the archive is downloaded, by this run
// or by another one, and tries again by itself where that can help. When the archive is in the cache and its digest is
// known, it needs no network and does not read the archive.
//
// Errors end in what to do.
func Resolve(ctx context.Context, src Source, version, arch string) (*Archive, error) {
	n, err := newName(version, arch)
	if err != nil {
		return nil, err
	}
	want, err := src.wanted(n)
	if err != nil {
		return nil, err
	}
	if path := cmp.Or(src.Archives[arch], src.Archives[""]); path != "" {
		return resolveLocal(src.CacheDir, path, n, want)
	}
	return resolveMirror(ctx, src, n, want)
}

// digest is what an archive must hash to, and who says so. The zero value: not known yet.
type digest struct {
	Hex    string `json:"sha256"`
	Source string `json:"source"`
}

// wanted is the digest that was given for n beforehand, if any.
func (src Source) wanted(n name) (digest, error) {
	pinned, err := newDigest(src.Pinned[n.key()], FromLock)
	if err != nil {
		return digest{}, err
	}
	given, err := newDigest(src.SHA256[n.arch], FromInventory)
	if err != nil {
		return digest{}, err
	}
	if given.Hex == "" {
		return pinned, nil
	}
	if pinned.Hex != "" && pinned.Hex != given.Hex {
		return digest{}, &mismatchError{
			What: n.file() + " as the inventory gives it (release.sha256)", Want: pinned.Hex,
			Got: given.Hex, Source: FromLock,
		}
	}
	return given, nil
}

var digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

func newDigest(text, source string) (digest, error) {
	if text == "" {
		return digest{}, nil
	}
	d := digest{strings.ToLower(text), source}
	if !digestForm.MatchString(d.Hex) {
		return digest{},
			fmt.Errorf("read the digest in %s: %q is not a sha256; write its 64 hex digits, as sha256sum prints them", source,
				text)
	}
	return d, nil
}

// resolveLocal verifies an archive where it lies. The result is kept in the cache, so that the next run need not read
// the archive again.
func resolveLocal(cacheDir, path string, n name, want digest) (*Archive, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w; write release.archive as an absolute path", path, err)
	}
	record := ""
	if cacheDir != "" {
		record = cache{cacheDir}.localRecord(path)
	}
	a, err := verified(path, path, record, n, want)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &notFoundError{
			What: filepath.Base(path), Where: filepath.Dir(path),
			Remedy: "put the archive there, or correct release.archive in the inventory",
		}
	}
	return a, err
}

// resolveMirror takes the archive from the cache, or else from the mirror into the cache.
func resolveMirror(ctx context.Context, src Source, n name, want digest) (*Archive, error) {
	if src.CacheDir == "" {
		return nil, errors.New("resolve a release: no cache folder; set XDG_CACHE_HOME or HOME")
	}
	m, err := newMirror(src)
	if err != nil {
		return nil, err
	}
	c := cache{src.CacheDir}
	given := want.Hex != ""
	if !given {
		want = c.origin(m.url(n, n.file()))
	}
	if want.Hex != "" {
		a, err := c.get(n, want)
		if err == nil || !absent(err) {
			return a, err
		}
	}
	if !given {
		if want, err = m.sums(ctx, n); err != nil {
			return nil, err
		}
	}
	a, err := c.fill(ctx, m, n, want)
	if err == nil && !given {
		err = c.setOrigin(m.url(n, n.file()), want)
	}
	return a, err
}
