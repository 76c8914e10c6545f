package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// File is a small file as it shall be on a host.
type File struct {
	Path    string // absolute; its directory must exist
	Owner   string // user name or number; "" means the user that scripts run as
	Group   string // group name or number; "" likewise
	Mode    fs.FileMode
	Content []byte
	// Secret content must not be readable by everybody: a Mode that allows it is an error.
	Secret bool
	// New is a file in a directory that nobody reads yet: it is written in place, and is an error where there is one.
	New bool
}

// Part is a part of a Put: files, a script that runs before any file of the whole Put is in place, and one that runs
// when the files of this part are.
type Part struct {
	Before string // "": none
	Files  []File
	Then   string // "": none
}

// Put brings files to the host, part by part, in one script, and blocks until that has ended. First it runs the Before
// scripts of all parts; what they make stays. Then it writes all files under temporary names. If a script fails (as
// with set -e), or one of the files cannot be written, no file is replaced. From there on each part is done before the
// next begins: its files are renamed, and its Then runs. done says how many parts are done, failed which one the error
// is of.
//
// A temporary file lies beside its target, has mode 0600 from its first byte, and is checked by its digest on the host
// and synced before it is renamed. A New file is written in its place. If sudo logs what it is given to read, secret
// content goes by SFTP, to a directory that only the user can enter; the host must have an SFTP server then.
//
// Errors are of kind [errFile] or [errNoSpace] if a file could not be placed, and of [ErrScript] if a script failed. If
// several files could not be placed, the error names all of them.
func (h *Host) Put(ctx context.Context, parts ...Part) (done, failed int, err error) {
	if len(parts) == 0 {
		return 0, 0, nil
	}
	p := &putting{parts: parts, first: -1, token: h.dialer.token()}
	for i, part := range parts {
		for range part.Files {
			p.part = append(p.part, i)
		}
		p.files = append(p.files, part.Files...)
	}
	if i, err := checkFiles(p.files); err != nil {
		return 0, p.part[i], h.fail("put files", errFile, err)
	}
	if secret := slices.IndexFunc(p.files, func(f File) bool { return f.Secret }); secret >= 0 {
		if err := h.aside(ctx, p); err != nil {
			return 0, p.part[secret], err
		}
	}
	out := &limited{limit: saysLimit}
	err = h.run(ctx, command{op: "put files", script: p.script(), stdout: out})
	if err != nil && len(out.said()) == 0 && !errors.Is(err, ErrLost) {
		_ = h.unaside(ctx, p) // the script may not have begun; if this fails, too, a later Put removes it
	}
	return p.outcome(h, string(out.said()), err)
}

// outcome makes the results of Put from what its script said, and how it ended.
func (p *putting) outcome(h *Host, said string, err error) (done, failed int, _ error) {
	var told []error
	for line := range strings.Lines(said) {
		line = strings.TrimSuffix(line, "\n")
		switch at, is := p.at(line); {
		case is == "at" && len(told) == 0:
			failed = at
		case is == "done":
			done = at + 1
		case errors.Is(err, ErrScript):
			if e := p.explain(h, line, err); e != nil {
				told = append(told, e)
			}
		}
	}
	switch {
	case err == nil && done == len(p.parts):
		return done, done, nil
	case err == nil:
		err = h.fail("put files", ErrScript, errors.New("its script ended early"))
	case len(told) == 1:
		failed, err = p.part[p.first], told[0]
	case len(told) > 1:
		failed, err = p.part[p.first], errors.Join(told...)
	}
	done = min(done, len(p.parts)-1)
	return done, max(done, failed), err
}

// checkFiles says which of the files cannot be put, and why.
func checkFiles(files []File) (int, error) {
	seen := map[string]bool{}
	for i, f := range files {
		switch {
		case !path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path || f.Path == "/" || strings.ContainsAny(f.Path, "\x00\n"):
			return i, fmt.Errorf("%q is not a clean absolute path", f.Path)
		case seen[f.Path]:
			return i, fmt.Errorf("%s is named twice", f.Path)
		case f.Mode&^fs.ModePerm != 0:
			return i, fmt.Errorf("%s has mode %s, which is more than permissions", f.Path, f.Mode)
		case f.Secret && f.Mode&0o007 != 0:
			return i, fmt.Errorf("%s is secret, and mode %04o lets everybody read it", f.Path, f.Mode)
		case len(f.Content) > fileLimit:
			return i, fmt.Errorf("%s has %d bytes, and small files have at most %d", f.Path, len(f.Content), fileLimit)
		}
		seen[f.Path] = true
	}
	return 0, nil
}
