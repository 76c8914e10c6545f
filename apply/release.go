package apply

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/shellword"
)

// installRelease streams the archive into a script that unpacks it on the host as it comes, and checks every binary
// against the digest that the archive was verified with here. A script that finds the release there reads none of it.
func (r *Run) installRelease(ctx context.Context, host Host, step plan.Step) error {
	archive, err := r.Operator.Archive(ctx, *step.Release)
	if err != nil {
		return err
	}
	progress := func(done, total int64) {
		r.emit(Event{
			Type: StepProgress, Step: step.ID(), Kind: string(step.Kind), Host: step.Host, Done: done, Total: total,
		})
	}
	return host.Feed(ctx, unpackRelease(*step.Release, etcd.BinDir(*step.Release), archive),
		archive.only(step.Release.SHA256), progress)
}

// only is the archive with a check that it still has this digest, since it may have changed since it was verified. Its
// last bytes are given out only if it has.
func (a Archive) only(digest string) Input {
	open := a.Open
	a.Open = func() (io.ReadCloser, error) {
		content, err := open()
		return &hashing{ReadCloser: content, left: a.Size, hash: sha256.New(), want: digest}, err
	}
	return a.Input
}

// hashing is content whose digest is checked as it is read.
type hashing struct {
	io.ReadCloser
	left int64 // bytes to come
	hash hash.Hash
	want string
}

func (h *hashing) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	h.hash.Write(p[:n])
	if h.left -= int64(n); h.left <= 0 && n > 0 {
		if is := hex.EncodeToString(h.hash.Sum(nil)); is != h.want {
			return 0, fmt.Errorf(
				"what is sent has changed since it was verified: its sha256 is %s, and was %s: run again", is, h.want)
		}
	}
	return n, err
}

// unpackRelease takes the binaries out of an archive, checks them, and moves them to where they belong: the whole
// directory at once when it is new, else file by file. Scripts for several clusters take turns, and one that finds the
// right binaries there leaves them alone. Directories that killed runs have left are removed, since nobody else unpacks
// meanwhile.
func unpackRelease(r plan.Release, dir string, archive Archive) string {
	return fmt.Sprintf(`set -eu
dir=%s folder=%s strip=%d need=%d
etcd=%s
etcdctl=%s
etcdutl=%s
`, shellword.Quote(dir), shellword.Quote(archive.Folder), strings.Count(archive.Folder, "/")+1, archive.Unpacked,
		shellword.Quote(r.Binaries["etcd"]), shellword.Quote(r.Binaries["etcdctl"]), shellword.Quote(r.Binaries["etcdutl"])) +
		unpackScript
}

//go:embed unpack.sh
var unpackScript string
