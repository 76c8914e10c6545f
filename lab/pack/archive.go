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
	head := func(name string, kind byte, mode, size int64) error {
		return tw.WriteHeader(&tar.Header{
			Typeflag: kind, Name: name, Mode: mode, Size: size,
			ModTime: packedAt, Uname: "root", Gname: "root", Format: tar.FormatUSTAR,
		})
	}
	if err := head(r.dir()+"/", tar.TypeDir, 0o755, 0); err != nil {
		return err
	}
	text := fmt.Sprintf(readme, r.version)
	if err := head(r.dir()+"/README.md", tar.TypeReg, 0o644, int64(len(text))); err != nil {
		return err
	}
	if _, err := io.WriteString(tw, text); err != nil {
		return err
	}
	for _, p := range programs {
		err := func() error {
			f, err := os.Open(filepath.Join(dir, p.name))
			if err != nil {
				return err
			}
			defer f.Close()
			st, err := f.Stat()
			if err != nil {
				return err
			}
			if err := head(r.dir()+"/"+p.name, tar.TypeReg, 0o755, st.Size()); err != nil {
				return err
			}
			_, err = io.Copy(tw, f)
			return err
		}()
		if err != nil {
			return err
		}
	}
	return nil
}
