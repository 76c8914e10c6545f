package release

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

// pace says how patient a transfer is. Zero fields stand for the defaults.
type pace struct {
	tries   int           // in a row, without much arriving; 4
	backoff time.Duration // after the first failure, doubled after each further one; 500 ms
	idle    time.Duration // how long a server may be silent; 30 s
}

func (p pace) orDefault() pace {
	if p.tries == 0 {
		p.tries = 4
	}
	if p.backoff == 0 {
		p.backoff = 500 * time.Millisecond
	}
	if p.idle == 0 {
		p.idle = 30 * time.Second
	}
	return p
}

// much is how many bytes a try must bring for the count of tries to start over.
const much = 256 << 10

// request is one file to get.
type request struct {
	url      *url.URL
	max      int64                   // bytes that it may have
	progress func(done, total int64) // may be nil
}

// sink takes a file and knows how much of it is there.
type sink interface {
	io.Writer
	size() (int64, error)
	reset() error
}

// get brings a file into to, which may hold the beginning of it already; resumed says that this beginning was built upon.
// It tries again where that can help.
func (m *mirror) get(ctx context.Context, r request, to sink) (resumed bool, err error) {
	best, err := to.size()
	if err != nil {
		return false, cacheError(err)
	}
	wait := m.pace.backoff
	for try := 1; ; try++ {
		again, err := m.once(ctx, r, to)
		resumed = resumed || again
		var network *NetworkError
		if err == nil || !errors.As(err, &network) || network.final {
			return resumed, err
		}
		now, sizeErr := to.size()
		if sizeErr != nil {
			return resumed, cacheError(sizeErr)
		}
		if now >= best+much {
			best, try, wait = now, 1, m.pace.backoff
		}
		if try >= m.pace.tries {
			return resumed, err
		}
		if err := pause(ctx, wait); err != nil {
			return resumed, fmt.Errorf("get %s: %w", show(r.url), err)
		}
		wait *= 2
	}
}

// pause waits, or returns why ctx ended first.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

var (
	errSilent = errors.New("the server fell silent")
	errRange  = errors.New("the server sent another part of the file than it was asked for")
)

// once makes one try.
func (m *mirror) once(ctx context.Context, r request, to sink) (resumed bool, err error) {
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(m.pace.idle, func() { cancel(errSilent) })
	defer silence.Stop()

	body, err := m.open(limited, r, to)
	if errors.Is(err, errRange) {
		return false, errors.Join(&NetworkError{URL: show(r.url), Err: errRange}, cacheError(to.reset()))
	}
	if err != nil {
		return false, explain(ctx, limited, r, err)
	}
	if body.r == nil { // all of it is there
		return true, nil
	}
	defer body.r.Close()
	if body.from == 0 {
		if err := to.reset(); err != nil {
			return false, cacheError(err)
		}
	}
	w := &meter{w: to, done: body.from, total: body.total, progress: r.progress}
	src := &watched{r: body.r, alive: func() { silence.Reset(m.pace.idle) }, failed: func(err error) error { return explain(ctx, limited, r, err) }}
	if _, err = io.Copy(w, io.LimitReader(src, r.max+1-body.from)); err == nil && w.done > r.max {
		return false, errors.Join(fmt.Errorf("get %s: more than %d bytes; check release.mirror", show(r.url), r.max), to.reset())
	}
	if w.failed != nil {
		return false, cacheError(w.failed)
	}
	return body.from > 0, err
}

// body is what a server, or a folder, gives of a file: the bytes from from on, of total (-1: unknown). r is nil when there is
// nothing after from.
type body struct {
	r           io.ReadCloser
	from, total int64
}

// open asks for the part of the file that to does not have.
func (m *mirror) open(ctx context.Context, r request, to sink) (body, error) {
	if r.url.Scheme == "file" {
		f, id, err := openRegular(r.url.Path)
		return body{r: f, total: id.Size}, err
	}
	have, err := to.size()
	if err != nil {
		return body{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url.String(), http.NoBody)
	if err != nil {
		return body{}, err
	}
	// Some servers call a .tar.gz a gzip-encoded tar, and net/http would then unpack it.
	req.Header.Set("Accept-Encoding", "identity")
	if have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	resp, err := m.client.Do(req)
	if err != nil {
		return body{}, err
	}
	b, err := answer(resp, show(r.url), have)
	if err != nil || b.r == nil {
		return b, errors.Join(err, resp.Body.Close())
	}
	return b, nil
}

// answer reads the head of a response to a request for the bytes after the first have.
func answer(resp *http.Response, where string, have int64) (body, error) {
	code := resp.StatusCode
	switch {
	case code == http.StatusOK:
		return body{r: resp.Body, total: resp.ContentLength}, nil
	case code == http.StatusPartialContent && have > 0:
		from, total, ok := contentRange(resp.Header.Get("Content-Range"))
		if !ok || from != have {
			return body{}, errRange
		}
		return body{r: resp.Body, from: from, total: total}, nil
	case code == http.StatusRequestedRangeNotSatisfiable && have > 0:
		return body{from: have, total: have}, nil
	case code == http.StatusNotFound || code == http.StatusGone:
		return body{}, fs.ErrNotExist
	case code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout:
		return body{}, &NetworkError{URL: where, Err: fmt.Errorf("the server says %d %s", code, http.StatusText(code))}
	}
	return body{}, &StatusError{URL: where, Code: code}
}

// contentRange reads "bytes FROM-TO/TOTAL"; a TOTAL of * is -1.
func contentRange(text string) (from, total int64, ok bool) {
	text, ok = strings.CutPrefix(text, "bytes ")
	if !ok {
		return 0, 0, false
	}
	span, all, _ := strings.Cut(text, "/")
	first, _, _ := strings.Cut(span, "-")
	from, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return 0, 0, false
	}
	if all == "*" {
		return from, -1, true
	}
	total, err = strconv.ParseInt(all, 10, 64)
	return from, total, err == nil
}

// explain makes what went wrong in a try one of the package's errors. limited is ctx with the limit on silence.
func explain(ctx, limited context.Context, r request, err error) error {
	var (
		ue      *url.Error
		status  *StatusError
		network *NetworkError
	)
	where := show(r.url)
	if errors.As(err, &ue) {
		err = ue.Err // the rest of a url.Error repeats the URL, query and all
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("get %s: %w", where, context.Cause(ctx))
	case errors.Is(context.Cause(limited), errSilent):
		return &NetworkError{URL: where, Err: errSilent}
	case errors.As(err, &status), errors.As(err, &network):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return &NotFoundError{What: path.Base(r.url.Path), Where: show(r.url.JoinPath("..")), Remedy: "check the version, the architecture and release.mirror"}
	case r.url.Scheme == "file":
		return fmt.Errorf("read the mirror: %w; check release.mirror and the permissions there", err)
	}
	return &NetworkError{URL: where, Err: err, final: hopeless(err)}
}

// hopeless says that the same connection would be refused again.
func hopeless(err error) bool {
	return errors.Is(err, errDowngrade) || errors.Is(err, errRedirects) || errors.As(err, new(*tls.CertificateVerificationError))
}

// watched tells of every read that brings bytes, and explains the one that fails.
type watched struct {
	r      io.Reader
	alive  func()
	failed func(error) error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.alive()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = w.failed(err)
	}
	return n, err
}

// meter counts what arrives and tells progress; failed is an error of the writing side.
type meter struct {
	w           io.Writer
	done, total int64
	progress    func(done, total int64)
	failed      error
}

func (m *meter) Write(p []byte) (int, error) {
	n, err := m.w.Write(p)
	m.done += int64(n)
	m.failed = err
	if m.progress != nil {
		m.progress(m.done, m.total)
	}
	return n, err
}

// memory is a sink for small files.
type memory struct{ bytes.Buffer }

func (m *memory) size() (int64, error) { return int64(m.Len()), nil }
func (m *memory) reset() error         { m.Reset(); return nil }

// disk is a sink at the end of a file.
type disk struct{ f *os.File }

func (d *disk) Write(p []byte) (int, error) { return d.f.Write(p) }
func (d *disk) size() (int64, error)        { return d.f.Seek(0, io.SeekEnd) }

func (d *disk) reset() error {
	if err := d.f.Truncate(0); err != nil {
		return err
	}
	_, err := d.f.Seek(0, io.SeekStart)
	return err
}
