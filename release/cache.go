package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/clusterup/clusterup/durable"
)

// cache is the folder of downloads:
//
//	releases/sha256/DIGEST/etcd-vVERSION-linux-ARCH.tar.gz   complete and verified; arrives by rename
//	releases/sha256/DIGEST/binaries.json                     what verifying it found
//	releases/sha256/DIGEST/partial                           a download under way, or of a run that was killed; belongs to whoever holds lock
//	releases/sha256/DIGEST/lock
//	releases/origins/HASH.json                               archive URL → digest, from the SHA256SUMS it came with
//	releases/local/HASH.json                                 what verifying a local archive found
//
// All of it may be deleted at any time when no clusterup runs, or copied to another machine.
type cache struct{ dir string }

func (c cache) folder(d digest) string { return filepath.Join(c.dir, "releases", "sha256", d.hex) }

func (c cache) record(d digest) string { return filepath.Join(c.folder(d), "binaries.json") }

func (c cache) localRecord(path string) string {
	return filepath.Join(c.dir, "releases", "local", hashText(path)+".json")
}

func (c cache) originPath(url string) string {
	return filepath.Join(c.dir, "releases", "origins", hashText(url)+".json")
}

func hashText(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// get returns the archive with the digest d, which is known. See absent for the error when it has to be fetched.
func (c cache) get(n name, d digest) (*Archive, error) {
	return verified(filepath.Join(c.folder(d), n.file()), c.record(d), n, d)
}

// absent says that an error of get means: fetch it. A file in the cache with another digest is damage.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.As(err, new(*mismatchError))
}

// fill fetches the archive with the digest d from m, unless another run does so at this moment: then it waits for that one.
func (c cache) fill(ctx context.Context, m *mirror, n name, d digest) (*Archive, error) {
	dir := c.folder(d)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, cacheError(err)
	}
	lock := filepath.Join(dir, "lock")
	held, err := durable.Lock(ctx, lock)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("wait for another download of the same release (%s): %w", lock, context.Cause(ctx))
	case err != nil:
		return nil, cacheError(err)
	}
	defer held.Unlock()
	if a, err := c.get(n, d); err == nil || !absent(err) {
		return a, err
	}
	partial := filepath.Join(dir, "partial")
	if err := m.archive(ctx, n, partial); err != nil {
		return nil, err
	}
	a, err := c.keep(partial, n, d)
	var (
		mismatch *mismatchError
		bad      *ArchiveError
	)
	switch { // name what was fetched, not the file that is gone
	case errors.As(err, &mismatch):
		mismatch.What = m.shown(n)
	case errors.As(err, &bad):
		bad.Path = m.shown(n)
	}
	return a, err
}

// keep moves the complete download to its place once it is verified. What fails verification is removed.
func (c cache) keep(partial string, n name, d digest) (*Archive, error) {
	a, err := verified(partial, "", n, d)
	if err != nil {
		return nil, errors.Join(err, cacheError(os.Remove(partial)))
	}
	a.Path = filepath.Join(c.folder(d), n.file())
	if err := durable.Rename(partial, a.Path); err != nil {
		return nil, cacheError(err)
	}
	f, id, err := openRegular(a.Path)
	if err != nil {
		return nil, cacheError(err)
	}
	defer f.Close()
	a.id = id // renaming has changed the ctime
	_ = writeRecord(c.record(d), newRecord(a))
	return a, nil
}

// origin is what SHA256SUMS said of the archive at url when it was fetched; the zero digest if it never was.
func (c cache) origin(url string) digest {
	text, err := os.ReadFile(c.originPath(url))
	if err != nil {
		return digest{}
	}
	var o originRecord
	if err := json.Unmarshal(text, &o); err != nil || !digestForm.MatchString(o.SHA256) {
		return digest{}
	}
	return digest{o.SHA256, o.Source}
}

// originRecord holds no URL with credentials; its file name stands for the archive's URL.
type originRecord struct {
	SHA256 string `json:"sha256"`
	Source string `json:"source"`
}

func (c cache) setOrigin(url string, d digest) error {
	text, err := json.Marshal(originRecord{d.hex, d.source})
	if err != nil {
		return err
	}
	return cacheError(write(c.originPath(url), append(text, '\n'), 0o600))
}

// write makes the folder, too.
func write(path string, data []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return durable.Write(path, data, mode)
}

func cacheError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("write the cache: %w; free some space there, or set XDG_CACHE_HOME to a folder that can be written", err)
}
