package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// rel is one release for one architecture.
type rel struct{ version, arch string }

func (r rel) dir() string     { return fmt.Sprintf("etcd-v%s-linux-%s", r.version, r.arch) }
func (r rel) archive() string { return r.dir() + ".tar.gz" }

// packer fills the mirror folder out. build leaves etcd, etcdctl and etcdutl in the folder it is given.
type packer struct {
	out   string
	build func(ctx context.Context, r rel, dir string) error
}

// pack leaves the archive and its line in SHA256SUMS below p.out, and says whether it had to make them. A second run that
// packs the same version waits for the first.
func (p packer) pack(ctx context.Context, r rel) (path string, made bool, err error) {
	dir := filepath.Join(p.out, "v"+r.version)
	path = filepath.Join(dir, r.archive())
	if intact(dir, r.archive()) {
		return path, false, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", false, err
	}
	unlock, err := lock(filepath.Join(dir, ".lock"))
	if err != nil {
		return "", false, err
	}
	defer unlock()
	if intact(dir, r.archive()) {
		return path, false, nil
	}

	scratch, err := os.MkdirTemp("", "etcdbuild-")
	if err != nil {
		return "", false, err
	}
	defer os.RemoveAll(scratch)
	if err := p.build(ctx, r, scratch); err != nil {
		return "", false, err
	}
	if err := replace(path, func(f *os.File) error { return writeArchive(f, r, scratch) }); err != nil {
		return "", false, err
	}
	return path, true, addSum(dir, r.archive())
}

// intact says whether the archive name in dir has the digest that SHA256SUMS beside it gives.
func intact(dir, name string) bool {
	sums, err := readSums(filepath.Join(dir, sumsName))
	if err != nil || sums[name] == "" {
		return false
	}
	got, err := fileDigest(filepath.Join(dir, name))
	return err == nil && got == sums[name]
}

// lock takes the lock file path, waiting for whoever holds it. The lock falls with the process.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return func() {
		_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) // a process that is just being started may have a copy of f
		_ = f.Close()
	}, nil
}

// replace writes path through a temporary file beside it, so that path is never seen half written.
func replace(path string, write func(*os.File) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreGone(os.Remove(f.Name())))
		}
	}()
	if err := errors.Join(write(f), f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
