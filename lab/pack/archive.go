package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

const readme = `etcd %s, packed for clusterup's lab from the Go modules go.etcd.io/etcd/{server,etcdctl,etcdutl}/v3.
Not the binaries that the etcd project publishes: those are at https://github.com/etcd-io/etcd/releases.
`

// packedAt stands for every file, so that the same binaries give the same archive.
var packedAt = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// writeArchive writes the release archive of the programs in dir, in etcd's layout.
func writeArchive(w io.Writer, r rel, dir string) error {
	zw, err := gzip.NewWriterLevel(w, gzip.DefaultCompression)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(zw)
	err = writeEntries(tw, r, dir)
	return errors.Join(err, tw.Close(), zw.Close())
}

func writeEntries(tw *tar.Writer, r rel, dir string) error {
	add := func(name string, kind byte, mode int64, data []byte) error {
		err := tw.WriteHeader(&tar.Header{
			Typeflag: kind, Name: r.dir() + "/" + name, Mode: mode, Size: int64(len(data)),
			ModTime: packedAt, Uname: "root", Gname: "root", Format: tar.FormatUSTAR,
		})
		if err == nil {
			_, err = tw.Write(data)
		}
		return err
	}
	if err := add("", tar.TypeDir, 0o755, nil); err != nil {
		return err
	}
	if err := add("README.md", tar.TypeReg, 0o644, fmt.Appendf(nil, readme, r.version)); err != nil {
		return err
	}
	for _, p := range programs {
		data, err := os.ReadFile(filepath.Join(dir, p.name))
		if err == nil {
			err = add(p.name, tar.TypeReg, 0o755, data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
