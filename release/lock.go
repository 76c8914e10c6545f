package release

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsimple"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Lock is what a release.lock.hcl holds: "VERSION/ARCH" → sha256 of the archive. It is Source.Pinned.
type Lock map[string]string

const lockTitle = "# clusterup: the releases this cluster was given; keep it in version control\n"

// ReadLock reads a lock file. A missing one is an empty Lock. Errors name the file.
func ReadLock(path string) (Lock, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Lock{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the release lock: %w; make it readable", err)
	}
	lock, err := parseLock(path, text)
	if err != nil {
		return nil, fmt.Errorf("read the release lock: %w; restore the file from version control, or delete it to pin anew",
			err)
	}
	return lock, nil
}

func parseLock(path string, text []byte) (Lock, error) {
	var file struct {
		Releases []struct {
			Version string            `hcl:"version,label"`
			Digests map[string]string `hcl:",remain"`
		} `hcl:"release,block"`
	}
	if err := hclsimple.Decode(path, text, nil, &file); err != nil {
		return nil, err
	}
	lock := Lock{}
	for _, r := range file.Releases {
		for arch, hex := range r.Digests {
			key := r.Version + "/" + arch
			if lock[key] != "" {
				return nil, fmt.Errorf("%s: %s is there twice", path, key)
			}
			lock[key] = hex
		}
	}
	if _, err := lock.text(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return lock, nil
}

// Write replaces the lock file at path, atomically. The same lock is the same bytes, and a file that has them already
// is left alone.
func (l Lock) Write(path string) error {
	text, err := l.text()
	if err != nil {
		return fmt.Errorf("write the release lock %s: %w", path, err)
	}
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	if err := write(path, text, 0o644); err != nil {
		return fmt.Errorf("write the release lock: %w; make its folder writable", err)
	}
	return nil
}

// text is one block for each version, sorted.
func (l Lock) text() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(lockTitle)
	open := ""
	for _, key := range slices.SortedFunc(maps.Keys(l), func(a, b string) int {
		return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
	}) {
		version, arch, _ := strings.Cut(key, "/")
		if _, err := newName(version, arch); err != nil {
			return nil, err
		}
		if !digestForm.MatchString(l[key]) {
			return nil, fmt.Errorf("%q of %s is not a sha256 of 64 lower-case hex digits", l[key], key)
		}
		if version != open {
			if open != "" {
				b.WriteString("}\n")
			}
			fmt.Fprintf(&b, "\nrelease %q {\n", version)
			open = version
		}
		fmt.Fprintf(&b, "%s = %q\n", arch, l[key])
	}
	if open != "" {
		b.WriteString("}\n")
	}
	return hclwrite.Format(b.Bytes()), nil
}
