package acceptance

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// laterPatch is a version of etcd that does not exist: release, whose programs were made to say so.
const laterPatch = "3.6.99"

// patchVersion takes a cluster to a later patch version, and back.
func patchVersion(t *testing.T, s *site, inv inventory) {
	from := s.write(t, "prod.hcl", inv)
	inv.Version, inv.Mirror = laterPatch, patchMirror(t)
	to := s.write(t, "patch.hcl", inv)
	s.ok(t, "apply", "--yes", to).says(t, "etcd "+release+" → "+laterPatch)
	s.inSync(t, to, inv)
	s.ok(t, "apply", "--yes", from)
}

// patchMirror is a folder with that version alone.
func patchMirror(t *testing.T) string {
	t.Helper()
	dir, err := mirror()
	must(t, err)
	name := func(version string) string { return "etcd-v" + version + "-linux-" + runtime.GOARCH }
	archive, err := os.Open(filepath.Join(dir, "v"+release, name(release)+".tar.gz"))
	must(t, err)
	defer archive.Close()
	var packed bytes.Buffer
	must(t, renumber(&packed, archive))
	folder := t.TempDir()
	must(t, os.Mkdir(filepath.Join(folder, "v"+laterPatch), 0o755))
	put := func(file string, data []byte) {
		must(t, os.WriteFile(filepath.Join(folder, "v"+laterPatch, file), data, 0o644))
	}
	put(name(laterPatch)+".tar.gz", packed.Bytes())
	put("SHA256SUMS", fmt.Appendf(nil, "%x  %s.tar.gz\n", sha256.Sum256(packed.Bytes()), name(laterPatch)))
	return folder
}

// renumber repacks an archive with another number of the same length wherever its own is said.
func renumber(to io.Writer, from io.Reader) error {
	unzipped, err := gzip.NewReader(from)
	if err != nil {
		return err
	}
	zipped, err := gzip.NewWriterLevel(to, gzip.BestSpeed)
	if err != nil {
		return err
	}
	in, out := tar.NewReader(unzipped), tar.NewWriter(zipped)
	other := func(text []byte) []byte { return bytes.ReplaceAll(text, []byte(release), []byte(laterPatch)) }
	for {
		head, err := in.Next()
		if errors.Is(err, io.EOF) {
			return errors.Join(out.Close(), zipped.Close())
		}
		if err != nil {
			return err
		}
		data, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		head.Name = string(other([]byte(head.Name)))
		if err := out.WriteHeader(head); err != nil {
			return err
		}
		if _, err := out.Write(other(data)); err != nil {
			return err
		}
	}
}
