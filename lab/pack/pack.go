package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/clusterup/clusterup/durable"
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

// pack leaves the archive and its line in SHA256SUMS below p.out, and says whether it had to make them. A second run
// that packs the same version waits for the first.
func (p packer) pack(ctx context.Context, r rel) (path string, made bool, err error) {
	dir := filepath.Join(p.out, "v"+r.version)
	path = filepath.Join(dir, r.archive())
	if intact(dir, r.archive()) {
		return path, false, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", false, err
	}
	held, err := durable.Lock(ctx, filepath.Join(dir, ".lock"))
	if err != nil {
		return "", false, err
	}
	defer held.Unlock()
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
	archive := func(f *os.File) error { return errors.Join(writeArchive(f, r, scratch), f.Chmod(0o644)) }
	if err := durable.Replace(path, archive); err != nil {
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
