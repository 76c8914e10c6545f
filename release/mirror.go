package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	github    = "https://github.com/etcd-io/etcd/releases/download"
	sumsName  = "SHA256SUMS"
	sumsMax   = 1 << 20 // bytes; etcd's have about 2 kB
	downloads = 1 << 30 // bytes that an archive may have
)

// mirror is where archives and their SHA256SUMS are fetched.
type mirror struct {
	base     *url.URL
	client   *http.Client
	progress func(done, total int64)
	pace     pace
}

func newMirror(src Source) (*mirror, error) {
	base := src.Mirror
	if base == "" {
		base = github
	}
	u, err := url.Parse(base)
	if err != nil {
		// The URL is not repeated: it may hold a password.
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return nil, fmt.Errorf("read release.mirror: %w; write it as https://HOST/PATH or file:///PATH", err)
	}
	web := (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
	file := u.Scheme == "file" && (u.Host == "" || u.Host == "localhost") && strings.HasPrefix(u.Path, "/")
	if !web && !file {
		return nil, fmt.Errorf("read release.mirror: %q is not a mirror; write it as https://HOST/PATH or file:///PATH",
			show(u))
	}
	m := &mirror{base: u, client: src.Client, progress: src.Progress, pace: src.pace.orDefault()}
	if m.client == nil {
		m.client = defaultClient()
	}
	return m, nil
}

// defaultClient limits every wait but the transfer itself, which mirror.get watches for silence. A redirect from https
// to http is not followed: SHA256SUMS would be anyone's.
func defaultClient() *http.Client {
	dialer := &net.Dialer{Timeout: 15 * time.Second}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           dialer.DialContext,
			ForceAttemptHTTP2:     true,
			TLSHandshakeTimeout:   15 * time.Second,
			ResponseHeaderTimeout: 30 * time.Second,
			IdleConnTimeout:       30 * time.Second,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) >= 10 {
				return errRedirects
			}
			if req.URL.Scheme != "https" && via[0].URL.Scheme == "https" {
				return errDowngrade
			}
			return nil
		},
	}
}

var (
	errRedirects = errors.New("redirected ten times")
	errDowngrade = errors.New("redirected from https to http")
)

func (m *mirror) url(n name, file string) string {
	return m.base.JoinPath("v"+n.version, file).String()
}

// show is the URL as it may be printed: without user, password and query, which may hold a token.
func show(u *url.URL) string {
	c := *u
	c.User, c.RawQuery, c.Fragment = nil, "", ""
	return c.String()
}

// sums fetches SHA256SUMS and returns the digest of n in it.
func (m *mirror) sums(ctx context.Context, n name) (digest, error) {
	u := m.base.JoinPath("v"+n.version, sumsName)
	var text []byte
	err := m.get(ctx, request{url: u, max: sumsMax}, func(body io.Reader) (err error) {
		text, err = io.ReadAll(body)
		return err
	})
	if err != nil {
		var gone *notFoundError
		if errors.As(err, &gone) {
			gone.Remedy = "check the version and release.mirror, or, if the mirror has no SHA256SUMS, give the digest by release.sha256"
		}
		return digest{}, fmt.Errorf("learn the digest of %s: %w", n.file(), err)
	}
	if is := noSums(text); is != "" {
		return digest{},
			fmt.Errorf("read %s: it is %s; check release.mirror and the proxy, or give the digest by release.sha256", show(u),
				is)
	}
	hex, err := sumOf(text, n.file())
	if err != nil {
		return digest{}, fmt.Errorf("read %s: %w; check the mirror, or give the digest by release.sha256", show(u), err)
	}
	if hex == "" {
		return digest{}, &notFoundError{
			What: n.file(), Where: show(u),
			Remedy: "check the version and the architecture, or give the digest by release.sha256",
		}
	}
	return digest{hex, show(u)}, nil
}

// sumOf finds file in the lines of a SHA256SUMS: DIGEST, two blanks or a blank and an asterisk, NAME.
func sumOf(text []byte, file string) (string, error) {
	found := ""
	for line := range bytes.Lines(text) {
		hex, rest, _ := strings.Cut(strings.TrimRight(string(line), "\r\n"), " ")
		if len(rest) == 0 || rest[0] != ' ' && rest[0] != '*' || strings.TrimPrefix(rest[1:], "./") != file {
			continue
		}
		hex = strings.ToLower(hex)
		switch {
		case !digestForm.MatchString(hex):
			return "", fmt.Errorf("%q is not the sha256 of %s", hex, file)
		case found != "" && found != hex:
			return "", fmt.Errorf("two digests for %s", file)
		}
		found = hex
	}
	return found, nil
}

// archive leaves the archive of n in the file partial, which is gone when there is an error.
func (m *mirror) archive(ctx context.Context, n name, partial string) error {
	r := request{url: m.base.JoinPath("v"+n.version, n.file()), max: downloads, progress: m.progress}
	err := m.get(ctx, r, func(body io.Reader) error {
		f, err := os.OpenFile(partial, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, body)
		return errors.Join(err, f.Sync(), f.Close())
	})
	if err != nil {
		return errors.Join(err, cacheError(os.RemoveAll(partial)))
	}
	return nil
}
