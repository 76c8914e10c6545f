package release

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/clusterup/clusterup/download"
)

// get fetches a file and hands its bytes to keep, which may fail only for reasons of this machine. It tries again where
// that can help, each time from the start.
func (m *mirror) get(ctx context.Context, r download.Request, keep func(io.Reader) error) error {
	err := m.client.Get(ctx, r, func(body io.Reader, _ int64) error { return cacheError(keep(body)) })
	var failed *download.Error
	if !errors.As(err, &failed) {
		return err
	}
	return explain(failed, r)
}

// explain says what to do about a file that a mirror did not give.
func explain(failed *download.Error, r download.Request) error {
	switch {
	case failed.Again:
		return networkError(failed.URL, failed.Err)
	case errors.Is(failed.Kind, download.ErrAbsent):
		return &notFoundError{
			What: path.Base(r.URL.Path), Where: download.Show(r.URL.JoinPath("..")),
			Remedy: "check the version, the architecture and release.mirror",
		}
	case errors.Is(failed.Kind, download.ErrLarge):
		return fmt.Errorf("get %s: %w; check release.mirror", failed.URL, failed.Err)
	case errors.Is(failed.Kind, download.ErrRefused):
		return &fetchError{
			url: failed.URL, err: failed.Err,
			remedy: "check release.mirror and the proxy, or give the archive by release.archive",
		}
	case errors.Is(failed.Kind, download.ErrUntrusted):
		return &fetchError{
			url: failed.URL, err: failed.Err,
			remedy: "check release.mirror; if the mirror has a CA of its own, name its certificate in SSL_CERT_FILE",
		}
	}
	return fmt.Errorf("read the mirror: %w; check release.mirror and the permissions there", failed.Err)
}
