package release

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Lock is what a release.lock.hcl holds: "VERSION/ARCH" → sha256 of the archive. It is Source.Pinned.
type Lock map[string]string

const (
	lockTitle = "# clusterup: the releases this cluster was given; keep it in version control\n"
	lockMax   = 1 << 20 // bytes; a thousand releases need a tenth of it
)

// ReadLock reads a lock file. A missing one is an empty Lock. It takes what Write writes, with free spacing, blank lines and
// whole-line comments, and nothing else of HCL; errors name the file and the line.
func ReadLock(path string) (Lock, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Lock{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the release lock: %w; make it readable", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, lockMax+1))
	if err != nil {
		return nil, fmt.Errorf("read the release lock: %w; make it readable", err)
	}
	lock, line, err := parseLock(text)
	if err != nil {
		return nil, fmt.Errorf("read the release lock: %s:%d: %w; restore the file from version control, or delete it to pin anew", path, line, err)
	}
	return lock, nil
}

var (
	lockOpen  = regexp.MustCompile(`^release\s+"([^"]*)"\s*\{$`)
	lockEntry = regexp.MustCompile(`^([a-z0-9]+)\s*=\s*"([^"]*)"$`)
)

// parseLock returns the number of the line that an error is about.
func parseLock(text []byte) (_ Lock, line int, err error) {
	if len(text) > lockMax {
		return nil, 1, errors.New("the file is larger than any release lock")
	}
	lock := Lock{}
	version := ""
	seen := map[string]bool{}
	for raw := range strings.Lines(string(text)) {
		line++
		s := strings.TrimSpace(raw)
		switch {
		case s == "" || strings.HasPrefix(s, "#") || strings.HasPrefix(s, "//"):
		case version == "":
			m := lockOpen.FindStringSubmatch(s)
			switch {
			case m == nil:
				return nil, line, fmt.Errorf(`wanted release "VERSION" {, found %q`, s)
			case !versionForm.MatchString(m[1]):
				return nil, line, fmt.Errorf("%q is not a version such as 3.6.16", m[1])
			case seen[m[1]]:
				return nil, line, fmt.Errorf("release %q is there twice", m[1])
			}
			version = m[1]
			seen[version] = true
		case s == "}":
			version = ""
		default:
			m := lockEntry.FindStringSubmatch(s)
			if m == nil {
				return nil, line, fmt.Errorf(`wanted ARCH = "SHA256" or }, found %q`, s)
			}
			key := version + "/" + m[1]
			switch {
			case !digestForm.MatchString(m[2]):
				return nil, line, fmt.Errorf("%q is not a sha256 of 64 lower-case hex digits", m[2])
			case lock[key] != "":
				return nil, line, fmt.Errorf("%s is there twice in release %q", m[1], version)
			}
			lock[key] = m[2]
		}
	}
	if version != "" {
		return nil, line, fmt.Errorf("release %q has no closing brace", version)
	}
	return lock, line, nil
}

// Write replaces the lock file at path, atomically. The same lock is the same bytes, and a file that has them already is left
// alone.
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

// text writes the blocks as hclfmt would align them.
func (l Lock) text() ([]byte, error) {
	arches := map[string][]string{}
	width := map[string]int{}
	for key, hex := range l {
		version, arch, _ := strings.Cut(key, "/")
		if !versionForm.MatchString(version) || !lockEntry.MatchString(arch+` = ""`) {
			return nil, fmt.Errorf("%q is not of the form VERSION/ARCH", key)
		}
		if !digestForm.MatchString(hex) {
			return nil, fmt.Errorf("%q of %s is not a sha256 of 64 lower-case hex digits", hex, key)
		}
		arches[version] = append(arches[version], arch)
		width[version] = max(width[version], len(arch))
	}
	var b bytes.Buffer
	b.WriteString(lockTitle)
	for _, version := range slices.Sorted(maps.Keys(arches)) {
		fmt.Fprintf(&b, "\nrelease %q {\n", version)
		slices.Sort(arches[version])
		for _, arch := range arches[version] {
			fmt.Fprintf(&b, "  %-*s = %q\n", width[version], arch, l[version+"/"+arch])
		}
		b.WriteString("}\n")
	}
	return b.Bytes(), nil
}
