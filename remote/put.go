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

// Part is a part of what a Put does: files, a script that runs before any file is there, and one for when those of the
// part are.
type Part struct {
	Before string // "": none
	Files  []File
	Then   string // "": none
}

// Put makes files be on the host as they are described, part by part, in one trip, and blocks until that has ended. All
// scripts of before run first, and what they make stays; none of any part's files is touched where one fails (as with
// set -e), or where one of all files cannot be written. From there on each part is done before the next begins. It says
// how many are done, and which one the error is of.
//
// Content goes to a temporary file beside the target, of mode 0600 from its first byte, is checked by its digest on the
// host, synced, and renamed; that of a new file is written in its place. Where sudo logs what it is given to read,
// secret content goes by SFTP, to a directory that only the user can enter, and there has to be an SFTP server.
//
// Errors are of kind [errFile] or [errNoSpace] where a file could not be placed, and of [ErrScript] where a script
// failed; of several files, all are told.
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
		_ = h.unaside(ctx, p) // the script may not have begun; where this fails, too, the next Put removes it
	}
	return p.outcome(h, string(out.said()), err)
}

// outcome is what the script has said, and how it ended.
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
