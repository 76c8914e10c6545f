package release

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"time"
)

// pace says how patient a transfer is. Zero fields stand for the defaults.
type pace struct {
	tries   int           // 3
	backoff time.Duration // after the first failure, doubled after each further one; 500 ms
	idle    time.Duration // how long a server may be silent; 30 s
}

func (p pace) orDefault() pace {
	return pace{cmp.Or(p.tries, 3), cmp.Or(p.backoff, 500*time.Millisecond), cmp.Or(p.idle, 30*time.Second)}
}

// request is one file to get.
type request struct {
	url      *url.URL
	max      int64                   // bytes that it may have
	progress func(done, total int64) // may be nil
}

// get fetches a file and hands its bytes to keep, which may fail only for reasons of this machine. It tries again where
// that can help, each time from the start.
func (m *mirror) get(ctx context.Context, r request, keep func(io.Reader) error) error {
	wait := m.pace.backoff
	for try := 1; ; try++ {
		err := m.once(ctx, r, keep)
		var failed *fetchError
		if err == nil || try == m.pace.tries || !errors.As(err, &failed) || !failed.again {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return fmt.Errorf("get %s: %w", show(r.url), context.Cause(ctx))
		}
		wait *= 2
	}
}

var errSilent = errors.New("the server fell silent")

// once makes one try.
func (m *mirror) once(ctx context.Context, r request, keep func(io.Reader) error) error {
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(m.pace.idle, func() { cancel(errSilent) })
	defer silence.Stop()

	body, total, err := m.open(limited, r)
	if err != nil {
		return explain(ctx, limited, r, err)
	}
	defer body.Close()
	src := &arriving{r: body, total: total, progress: r.progress, alive: func() { silence.Reset(m.pace.idle) }}
	err = keep(io.LimitReader(src, r.max+1))
	switch {
	case src.err != nil:
		return explain(ctx, limited, r, src.err)
	case err != nil:
		return cacheError(err)
	case src.done > r.max:
		return fmt.Errorf("get %s: more than %d bytes; check release.mirror", show(r.url), r.max)
	}
	return nil
}

// open asks a server, or a folder, for a file of total bytes (-1: unknown).
func (m *mirror) open(ctx context.Context, r request) (body io.ReadCloser, total int64, err error) {
	if r.url.Scheme == "file" {
		f, id, err := openRegular(r.url.Path)
		return f, id.Size, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url.String(), http.NoBody)
	if err != nil {
		return nil, 0, err
	}
	// Some servers call a .tar.gz a gzip-encoded tar, and net/http would then unpack it.
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := m.client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	if err := refused(resp.StatusCode, show(r.url)); err != nil {
		return nil, 0, errors.Join(err, resp.Body.Close())
	}
	return resp.Body, resp.ContentLength, nil
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
		return networkError(where, says)
	}
	return &fetchError{
		url: where, err: says,
		remedy: "check release.mirror and the proxy, or give the archive by release.archive",
	}
}

// explain makes what went wrong in a try one of the package's errors. limited is ctx with the limit on silence.
func explain(ctx, limited context.Context, r request, err error) error {
	where := show(r.url)
	if ue := (*url.Error)(nil); errors.As(err, &ue) {
		err = ue.Err // the rest of a url.Error repeats the URL, query and all
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("get %s: %w", where, context.Cause(ctx))
	case errors.Is(context.Cause(limited), errSilent):
		return networkError(where, errSilent)
	case errors.As(err, new(*fetchError)):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return &notFoundError{
			What: path.Base(r.url.Path), Where: show(r.url.JoinPath("..")),
			Remedy: "check the version, the architecture and release.mirror",
		}
	case r.url.Scheme == "file":
		return fmt.Errorf("read the mirror: %w; check release.mirror and the permissions there", err)
	}
	if errors.Is(err, errDowngrade) || errors.Is(err, errRedirects) ||
		errors.As(err, new(*tls.CertificateVerificationError)) {
		return &fetchError{
			url: where, err: err,
			remedy: "check release.mirror; if the mirror has a CA of its own, name its certificate in SSL_CERT_FILE",
		}
	}
	return networkError(where, err)
}

// arriving is a file on its way: it counts what comes, and keeps an error other than io.EOF.
type arriving struct {
	r           io.Reader
	done, total int64
	progress    func(done, total int64) // may be nil
	alive       func()
	err         error
}

func (a *arriving) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	if n > 0 {
		a.alive()
		a.done += int64(n)
		if a.progress != nil {
			a.progress(a.done, a.total)
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		a.err = err
	}
	return n, err
}
