package snapshot

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/clusterup/clusterup/facts"
)

// Keep copies a snapshot that lies elsewhere as it is, plain or sealed, and says where to: path, or, where another
// snapshot lies there, a path with the beginning of its digest in the name. It gets its name only when it is whole, as
// with [Save], with its description beside it; a nil described: it has none. A plain one fits the digest at its end and
// its description, a sealed one what the description says of the sealed file, which needs no key. Where the same
// snapshot lies already, that one stays. The errors are those of [Check], that of body as it is, or of this machine.
func Keep(path string, described *facts.SavedSnapshot, body io.Reader) (kept string, err error) {
	err = inPart(path, func(part *os.File) error {
		sum, err := copied(part, body)
		if err == nil {
			err = keepable(part.Name(), described)
		}
		if err != nil {
			return err
		}
		var there bool
		if kept, there = Find(path, sum); there {
			return os.Remove(part.Name())
		}
		if kept, err = free(path, sum, described != nil); err != nil {
			return err
		}
		if described != nil {
			d := *described
			d.Path, described = kept, &d
		}
		return place(part, kept, described)
	})
	return kept, err
}

// copied has all of body on the disk, and returns its digest.
func copied(part *os.File, body io.Reader) (string, error) {
	sum, buffered := sha256.New(), bufio.NewWriterSize(part, maxRead)
	_, err := io.Copy(io.MultiWriter(buffered, sum), body)
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		err = part.Sync()
	}
	return hexOf(sum.Sum(nil)), err
}

// keepable says why a file is no snapshot that is whole, as far as that shows without a key.
func keepable(path string, described *facts.SavedSnapshot) error {
	errSealed := errors.New("sealed")
	c := Checked{Path: path, Described: described}
	err := c.check(func(io.ReaderAt, int64) (io.ReaderAt, int64, error) { return nil, 0, errSealed })
	if errors.Is(err, errSealed) {
		return nil
	}
	return err
}

// FileDigest is the SHA-256 of a described file as it lies on a disk, sealed or plain.
func FileDigest(d facts.SavedSnapshot) string { return cmp.Or(d.FileSHA256, d.SHA256) }

// Find is where [Keep] has put, or would leave, a file of that SHA-256: it reads all of what lies there.
func Find(path, sha256 string) (string, bool) {
	for _, one := range places(path, sha256) {
		if got, err := digestOf(one); err == nil && got == sha256 {
			return one, true
		}
	}
	return "", false
}

// free is where a file may be put. One that comes without a description gets no place beside that of another file,
// which would be taken for its own.
func free(path, sha256 string, described bool) (string, error) {
	all := places(path, sha256)
	for _, one := range all {
		d, err := Described(one)
		alone := described || err == nil && (d == nil || FileDigest(*d) == sha256)
		if alone && absent(one) == nil && describable(one) == nil {
			return one, nil
		}
	}
	return "", fmt.Errorf("other files lie at %s: move them away", strings.Join(all, " and "))
}

// places are where a file may lie: under its own name, or with its digest in that.
func places(path, sha256 string) []string {
	if !isSHA256(sha256) {
		return []string{path}
	}
	stem := strings.TrimSuffix(strings.TrimSuffix(path, ".age"), ".db")
	return []string{path, stem + "-" + sha256[:8] + path[len(stem):]}
}

func digestOf(path string) (string, error) {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return "", errors.Join(err, ErrForeign)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // it was only read
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return hexOf(sum.Sum(nil)), err
}
