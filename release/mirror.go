package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/clusterup/clusterup/download"
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
	client   download.Client
	progress func(done, total int64)
}

func newMirror(src Source) (*mirror, error) {
	base := src.Mirror
	if base == "" {
		base = github
	}
	u, err := download.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("read release.mirror: %w; write it as https://HOST/PATH or file:///PATH", err)
	}
	web := (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
	file := u.Scheme == "file" && (u.Host == "" || u.Host == "localhost") && strings.HasPrefix(u.Path, "/")
	if !web && !file {
		return nil, fmt.Errorf("read release.mirror: %q is not a mirror; write it as https://HOST/PATH or file:///PATH",
			download.Show(u))
	}
	return &mirror{base: u, client: download.Client{HTTP: src.Client, Pace: src.pace}, progress: src.Progress}, nil
}

func (m *mirror) url(n name, file string) string {
	return m.base.JoinPath("v"+n.version, file).String()
}

// sums fetches SHA256SUMS and returns the digest of n in it.
func (m *mirror) sums(ctx context.Context, n name) (digest, error) {
	u := m.base.JoinPath("v"+n.version, sumsName)
	var text []byte
	err := m.get(ctx, download.Request{URL: u, Max: sumsMax}, func(body io.Reader) (err error) {
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
			fmt.Errorf("read %s: it is %s; check release.mirror and the proxy, or give the digest by release.sha256", download.Show(u),
				is)
	}
	hex, err := sumOf(text, n.file())
	if err != nil {
		return digest{}, fmt.Errorf("read %s: %w; check the mirror, or give the digest by release.sha256", download.Show(u), err)
	}
	if hex == "" {
		return digest{}, &notFoundError{
			What: n.file(), Where: download.Show(u),
			Remedy: "check the version and the architecture, or give the digest by release.sha256",
		}
	}
	return digest{hex, download.Show(u)}, nil
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
	r := download.Request{URL: m.base.JoinPath("v"+n.version, n.file()), Max: downloads, Progress: m.progress}
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

// noSums says what a file is that names no digest at all; empty: it names at least one.
func noSums(text []byte) string {
	for line := range bytes.Lines(text) {
		if hex, _, _ := strings.Cut(string(line), " "); digestForm.MatchString(strings.ToLower(hex)) {
			return ""
		}
	}
	if is := download.Instead(text); is != "" {
		return is
	}
	first, _, _ := strings.Cut(string(bytes.TrimSpace(text)), "\n")
	return fmt.Sprintf("a file without any digest: it begins with %.60q", first)
}
