package remote

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed sh/put.sh
var putScript string

const (
	// bigFile and larger go over SFTP, and an upload that was cut goes on where it stopped.
	bigFile = 1 << 20
	// resumeBlock is the unit in which host and sender compare what an earlier upload left.
	resumeBlock = 4 << 20
)

// File is a file as it shall be on a host.
type File struct {
	Path   string // absolute; its directory must exist
	Owner  string // user name or number; "" means the user that scripts run as
	Group  string // group name or number; "" likewise
	Mode   fs.FileMode
	Size   int64  // bytes
	SHA256 string // of the content, 64 hexadecimal digits
	// Open gives the content from its start. It may be called several times, and not at all.
	Open func() (io.ReadCloser, error)
	// Secret content must not be readable by everybody: a Mode that allows it is an error.
	Secret bool
}

// Put makes the files be on the host as they are described, all or none of them as far as anything can fail before the
// last step, and returns the paths that had to be changed. A file that is there with the same content, owner, group and
// mode is not sent and not touched.
//
// Content goes to a temporary file beside the target, of mode 0600 from its first byte, is checked against SHA256 on
// the host, synced, and renamed. Where the host lacks an SFTP server, everything goes through the script's input, with
// the same promises. Files of 1 MiB and more leave PATH.DIGEST8.part behind when they are cut, and the next Put goes on
// from what of it is right.
//
// progress is told, from one goroutine at a time, the bytes sent and the bytes to be sent; it may be nil.
func (h *Host) Put(ctx context.Context, files []File, progress func(done, total int64)) (changed []string, err error) {
	if len(files) == 0 {
		return nil, nil
	}
	if err := checkFiles(files); err != nil {
		return nil, h.fail("put files", ErrFile, err)
	}
	token, err := h.dialer.token()
	if err != nil {
		return nil, h.fail("put files", nil, err)
	}
	fromHost, out := io.Pipe()
	toHost, in := io.Pipe()
	p := &putting{
		h: h, files: files, token: token, in: in, progress: progress, need: map[int]*need{}, looked: make(chan struct{}),
	}
	ended := make(chan error, 1)
	go func() {
		err := h.run(ctx, command{op: "put files", script: p.script(), stdin: toHost, stdout: out})
		out.CloseWithError(io.EOF)
		toHost.CloseWithError(io.ErrClosedPipe)
		ended <- err
	}()
	read := make(chan struct{})
	go func() {
		defer close(read)
		p.listen(fromHost)
	}()
	sendErr := p.send(ctx)
	in.Close()
	runErr := <-ended
	<-read
	return p.changed, p.outcome(ctx, sendErr, runErr)
}

func checkFiles(files []File) error {
	seen := map[string]bool{}
	for _, f := range files {
		switch {
		case !path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path || f.Path == "/" || strings.ContainsAny(f.Path, "\x00\n"):
			return fmt.Errorf("%q is not a clean absolute path", f.Path)
		case seen[f.Path]:
			return fmt.Errorf("%s is named twice", f.Path)
		case len(f.SHA256) != 64 || strings.Trim(f.SHA256, "0123456789abcdef") != "":
			return fmt.Errorf("%s has no SHA-256 of 64 lower-case digits", f.Path)
		case f.Size < 0 || f.Open == nil:
			return fmt.Errorf("%s has no content", f.Path)
		case f.Mode&^fs.ModePerm != 0:
			return fmt.Errorf("%s has mode %s, which is more than permissions", f.Path, f.Mode)
		case f.Secret && f.Mode&0o007 != 0:
			return fmt.Errorf("%s is secret, and mode %04o lets everybody at it", f.Path, f.Mode)
		}
		seen[f.Path] = true
	}
	return nil
}

// script is the program for the host, with the table of files as a function.
func (p *putting) script() string {
	var b strings.Builder
	fmt.Fprintf(&b, "put_token=%s\nput_block=%d\nfiles() {\n", p.token, resumeBlock)
	for i, f := range p.files {
		keep := "whole"
		if f.Size >= bigFile {
			keep = "keep"
		}
		fmt.Fprintf(&b, "\"$@\" %d %s %s %s %o %d %s %s\n",
			i, Quote(f.Path), Quote(f.Owner), Quote(f.Group), f.Mode.Perm(), f.Size, f.SHA256, keep)
	}
	b.WriteString("}\n")
	b.WriteString(putScript)
	return b.String()
}

// outcome picks the error that says most: what the host said of a file, else what went wrong here, else the script's
// end.
func (p *putting) outcome(ctx context.Context, sendErr, runErr error) error {
	switch {
	case len(p.errs) == 1:
		return p.errs[0]
	case len(p.errs) > 1:
		return errors.Join(p.errs...)
	case runErr != nil && (ctx.Err() != nil || sendErr == nil || errors.Is(sendErr, errHostEnded)):
		return runErr
	case errors.Is(sendErr, errHostEnded):
		return p.h.fail("put files", ErrLost, sendErr)
	}
	return sendErr
}

// listen reads the script's answers until it ends.
func (p *putting) listen(answers *io.PipeReader) {
	lines := newHostLines(answers, saysLimit)
	looked := false
	for {
		line, err := lines.next()
		if err == nil && line == "." && !looked {
			looked = true
			p.refused = len(p.errs) > 0
			close(p.looked)
			continue
		}
		if err == nil {
			err = p.answer(line, looked)
		}
		switch {
		case err == nil:
			continue
		case errors.Is(err, errTooMuch), errors.Is(err, errUnasked):
			p.errs = append(p.errs, p.h.fail("put files", ErrFile, err))
			answers.CloseWithError(err) // ends the script
		case errors.Is(err, io.EOF):
		case len(p.errs) < errsLimit:
			p.errs = append(p.errs, err)
			continue
		default:
			continue
		}
		break
	}
	if !looked {
		p.refused = true
		close(p.looked)
	}
}

func (p *putting) replaced(i int) {
	if path := p.files[i].Path; !slices.Contains(p.changed, path) {
		p.changed = append(p.changed, path)
		slices.Sort(p.changed)
	}
}
