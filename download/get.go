package download

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Request is one file to get.
type Request struct {
	URL      *url.URL                // http, https or file
	Max      int64                   // bytes that the file may have
	Progress func(done, total int64) // bytes that have come, and that will (-1: unknown); may be nil
}

// Keep takes the bytes of a file, size of them (-1: unknown). Its error ends the download, and Get returns it as it is.
// It is handed the error of a read that fails, and may return that. It is called once a try, each time with the file
// from its start.
type Keep func(body io.Reader, size int64) error

// Get has keep take a file, and blocks until that is done. It tries again where that can help. The errors of the
// download itself are *Error; that of a ctx that has ended is its cause, with the URL.
func (c Client) Get(ctx context.Context, r Request, keep Keep) error {
	if c.HTTP == nil {
		c.HTTP = HTTPClient()
	}
	c.Pace = c.Pace.orDefault()
	wait := c.Pace.Backoff
	for try := 1; ; try++ {
		err := c.once(ctx, r, keep)
		var failed *Error
		if err == nil || try == c.Pace.Tries || !errors.As(err, &failed) || !failed.Again {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ended(ctx, r)
		}
		wait *= 2
	}
}

// once makes one try.
func (c Client) once(ctx context.Context, r Request, keep Keep) error {
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(c.Pace.Idle, func() { cancel(ErrSilent) })
	defer silence.Stop()

	body, size, err := c.open(limited, r)
	if err != nil {
		return explain(ctx, limited, r, err)
	}
	defer body.Close()
	src := &arriving{
		r: body, total: size, left: r.Max, progress: r.Progress,
		waits: func() { silence.Reset(c.Pace.Idle) }, heard: func() { silence.Stop() },
	}
	src.heard()
	err = keep(src, size)
	if src.err != nil {
		return explain(ctx, limited, r, src.err)
	}
	return err
}

// open asks a server, or a folder, for a file of so many bytes (-1: unknown).
func (c Client) open(ctx context.Context, r Request) (body io.ReadCloser, size int64, err error) {
	if r.URL.Scheme == "file" {
		return openFile(r.URL.Path)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL.String(), http.NoBody)
	if err != nil {
		return nil, 0, err
	}
	// Some servers call a .tar.gz a gzip-encoded tar, and net/http would then unpack it.
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return nil, 0, err
	}
	if err := refused(resp.StatusCode, Show(r.URL)); err != nil {
		return nil, 0, errors.Join(err, resp.Body.Close())
	}
	return resp.Body, resp.ContentLength, nil
}

// openFile refuses pipes and devices instead of waiting for them.
func openFile(path string) (io.ReadCloser, int64, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &os.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// refused is the error of an answer that does not bring the file.
func refused(code int, where string) error {
	switch {
	case code == http.StatusOK:
		return nil
	case code == http.StatusNotFound || code == http.StatusGone:
		return fs.ErrNotExist
	}
	says := fmt.Errorf("the server says %d %s", code, http.StatusText(code))
	if code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout {
		return &Error{URL: where, Again: true, Err: says}
	}
	return &Error{URL: where, Kind: ErrRefused, Err: says}
}

func ended(ctx context.Context, r Request) error {
	return fmt.Errorf("get %s: %w", Show(r.URL), context.Cause(ctx))
}

// explain makes what went wrong in a try one of the package's errors. limited is ctx with the limit on silence.
func explain(ctx, limited context.Context, r Request, err error) error {
	where := Show(r.URL)
	if ue := (*url.Error)(nil); errors.As(err, &ue) {
		err = ue.Err // the rest of a url.Error repeats the URL, query and all
	}
	switch {
	case ctx.Err() != nil:
		return ended(ctx, r)
	case errors.Is(context.Cause(limited), ErrSilent):
		return &Error{URL: where, Again: true, Err: ErrSilent}
	case errors.As(err, new(*Error)):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return &Error{URL: where, Kind: ErrAbsent, Err: err}
	case errors.Is(err, ErrLarge):
		return &Error{URL: where, Kind: ErrLarge, Err: fmt.Errorf("more than %d bytes", r.Max)}
	case r.URL.Scheme == "file":
		return &Error{URL: where, Err: err}
	case errors.Is(err, errDowngrade), errors.Is(err, errRedirects),
		errors.As(err, new(*tls.CertificateVerificationError)):
		return &Error{URL: where, Kind: ErrUntrusted, Err: err}
	}
	return &Error{URL: where, Again: true, Err: err}
}

// arriving is a file on its way: it counts what comes, no more than may, and keeps an error other than io.EOF.
type arriving struct {
	r           io.Reader
	done, total int64
	left        int64                   // that may come
	progress    func(done, total int64) // may be nil
	waits       func()                  // before each read
	heard       func()                  // after it
	err         error
}

func (a *arriving) Read(p []byte) (int, error) {
	if a.err != nil {
		return 0, a.err
	}
	a.waits()
	n, err := a.r.Read(p)
	a.heard() // the time that the file's taker needs is not the server's
	if n > 0 {
		a.done += int64(n)
		a.left -= int64(n)
		if a.progress != nil {
			a.progress(a.done, a.total)
		}
	}
	if a.left < 0 {
		err = ErrLarge
	}
	if err != nil && !errors.Is(err, io.EOF) {
		a.err = err
	}
	return n, err
}
