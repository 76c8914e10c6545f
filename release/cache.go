package release

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/clusterup/clusterup/download"
	"github.com/clusterup/clusterup/durable"
)

// cache is the folder of downloads:
//
//	releases/sha256/DIGEST/etcd-vVERSION-linux-ARCH.tar.gz   complete and verified; arrives by rename
//	releases/sha256/DIGEST/binaries.json                     what verifying it found
//	releases/sha256/DIGEST/partial                           a download, under way or cut off, of the holder of lock
//	releases/sha256/DIGEST/lock
//	releases/origins/HASH.json                               archive URL → digest, from the SHA256SUMS it came with
//	releases/local/HASH.json                                 what verifying a local archive found
//
// All of it may be deleted at any time when no clusterup runs, or copied to another machine.
type cache struct{ dir string }

func (c cache) folder(d digest) string { return filepath.Join(c.dir, "releases", "sha256", d.Hex) }

func (c cache) record(d digest) string { return filepath.Join(c.folder(d), "binaries.json") }

func (c cache) localRecord(path string) string { return c.hashed("local", path) }

func (c cache) originPath(url string) string { return c.hashed("origins", url) }

func (c cache) hashed(folder, text string) string {
	return filepath.Join(c.dir, "releases", folder, fmt.Sprintf("%x.json", sha256.Sum256([]byte(text))))
}

// get returns the archive with the digest d. See absent for the error when it has to be fetched.
func (c cache) get(n name, d digest) (*Archive, error) {
	path := filepath.Join(c.folder(d), n.file())
	return verified(path, path, c.record(d), n, d)
}

// absent says whether an error of get means that the archive must be fetched. A file in the cache with another digest
// is damaged, and counts as absent.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.As(err, new(*mismatchError))
}

// fill fetches the archive with the digest d from m, unless another run does so at this moment: then it waits for that
// one.
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
	// An archive that fails verification is removed, so errors name what was fetched.
	a, err := verified(partial, download.Show(m.base.JoinPath("v"+n.version, n.file())), "", n, d)
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
	_ = writeRecord(c.record(d), a)
	return a, nil
}

// origin is what SHA256SUMS said of the archive at url when it was fetched; the zero digest if it never was.
func (c cache) origin(url string) digest {
	text, err := os.ReadFile(c.originPath(url))
	if err != nil {
		return digest{}
	}
	var d digest
	if err := json.Unmarshal(text, &d); err != nil || !digestForm.MatchString(d.Hex) {
		return digest{}
	}
	return d
}

// setOrigin writes no URL with credentials: the name of the file stands for the archive's URL.
func (c cache) setOrigin(url string, d digest) error {
	text, err := json.Marshal(d)
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
	return fmt.Errorf("write the cache: %w; free some space there, or set XDG_CACHE_HOME to a folder that can be written",
		err)
}
