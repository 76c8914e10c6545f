package operator

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/clusterup/clusterup/download"
	"github.com/clusterup/clusterup/durable"
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/snapshot"
)

// CheckSource says why a snapshot is not taken from where the operator says. It looks at the text alone: a file,
// "latest", or a URL.
func CheckSource(from string) error {
	_, err := sourceURL(from)
	return err
}

// sourceURL is the URL that an operator names a snapshot by; nil: it is no URL.
func sourceURL(from string) (*url.URL, error) {
	if !strings.Contains(from, "://") {
		return nil, nil
	}
	const otherwise = "; or fetch it by other means, and give the file"
	u, err := download.Parse(from)
	if err != nil {
		return nil, fmt.Errorf("read the URL of the snapshot: %w; write it as https://HOST/PATH"+otherwise, err)
	}
	switch web := u.Scheme == "https" || u.Scheme == "http"; {
	case web && u.Host == "", u.Scheme == "file" && (u.Host != "" && u.Host != "localhost" || u.Path == ""):
		return nil, fmt.Errorf("%s: it names no file; write it as https://HOST/PATH or file:///PATH", download.Show(u))
	case u.Scheme == "http":
		return nil, fmt.Errorf("%s: over http, anybody on the way can read the data and put others in their place; serve it "+
			"over https"+otherwise, download.Show(u))
	case !web && u.Scheme != "file":
		return nil, fmt.Errorf("%s: only https:// and file:// are known here"+otherwise, download.Show(u))
	}
	return u, nil
}

// Located is a snapshot that an operator has named.
type Located struct {
	Path string // here
	From string // the URL that it was fetched from, as it may be printed; empty: it lay here

	scratch *scratch // that it lies in; nil: it stays
}

// Name is what the operator knows the snapshot by.
func (l Located) Name() string {
	if l.scratch != nil {
		return l.From
	}
	return l.Path
}

// End removes what is not to stay.
func (l Located) End() error {
	if l.scratch == nil {
		return nil
	}
	return l.scratch.end()
}

// Locate finds the snapshot that an operator names: a file, "latest" of those in the operator directory, or a URL. What
// lies at an https URL is fetched into the operator directory, with its description, unless it is there already; of a
// session without a cluster into a directory that goes with End. It blocks while it is fetched.
func (s *Session) Locate(ctx context.Context, from string) (Located, error) {
	u, err := sourceURL(from)
	switch {
	case err != nil:
		return Located{}, err
	case from == "latest":
		from, err = s.Latest()
	case u != nil && u.Scheme == "file":
		from = u.Path
	case u != nil:
		return s.fetch(ctx, u)
	}
	return Located{Path: from}, err
}

func (s *Session) fetch(ctx context.Context, u *url.URL) (l Located, err error) {
	l.From = download.Show(u)
	if s.Cluster.Name == "" {
		if l.scratch, err = s.newScratch(ctx); err == nil {
			l.Path = l.scratch.path(fetchedName(u))
		}
	} else {
		l.Path, err = s.snapshotPath(fetchedName(u), false)
	}
	if err == nil {
		l.Path, err = s.fetched(ctx, u, l.Path)
	}
	if err != nil {
		return Located{}, errors.Join(unfetched(l.From, err), l.End())
	}
	return l, nil
}

var isFileName = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._+@=-]{0,199}$`)

// fetchedName is the name of the file that a URL ends in. Nothing else of a URL becomes a part of a path here.
func fetchedName(u *url.URL) string {
	if name := path.Base(u.Path); isFileName.MatchString(name) {
		return name
	}
	return "fetched.db"
}

// fetchSpare is how many bytes are left free beside a snapshot that is fetched.
const fetchSpare = 64 << 20

var errNoRoom = errors.New("no room")

// fetched gets a snapshot to a path, or one beside that, see [snapshot.Keep], and says which.
func (s *Session) fetched(ctx context.Context, u *url.URL, to string) (string, error) {
	d, err := s.fetchDescription(ctx, u)
	if err != nil {
		return "", err
	}
	expected := int64(-1)
	if d != nil {
		if there, ok := snapshot.Find(to, snapshot.FileDigest(*d)); ok {
			return there, nil
		}
		if expected = d.Size; d.FileSHA256 != "" {
			expected = d.FileSize
		}
	}
	room, err := durable.Room(filepath.Dir(to))
	if err != nil {
		return "", err
	}
	room -= fetchSpare
	tell := s.options.Fetching(download.Show(u))
	r := download.Request{URL: u, Max: max(0, room)}
	r.Progress = func(done, total int64) { tell(done, max(total, expected)) }
	err = s.fetcher.Get(ctx, r, func(body io.Reader, size int64) error {
		if size = max(size, expected); size > room {
			return fmt.Errorf("%w: it has %d MB, and %d MB may be written to %s", errNoRoom, size>>20, max(0, room)>>20,
				filepath.Dir(to))
		}
		ahead := bufio.NewReader(body)
		head, err := ahead.Peek(512)
		if is := download.Instead(head); is != "" && (err == nil || errors.Is(err, io.EOF)) {
			return fmt.Errorf("%w: it is %s", snapshot.ErrForeign, is)
		}
		to, err = snapshot.Keep(to, d, ahead)
		return err
	})
	return to, err
}

// maxDescription is how many bytes a description may have.
const maxDescription = 1 << 20

// fetchDescription gets the description beside a snapshot; nil: the server gives none.
func (s *Session) fetchDescription(ctx context.Context, u *url.URL) (*facts.SavedSnapshot, error) {
	beside := *u
	beside.Path += snapshot.DescriptionSuffix
	if u.RawPath != "" {
		beside.RawPath += snapshot.DescriptionSuffix
	}
	var raw []byte
	err := s.fetcher.Get(ctx, download.Request{URL: &beside, Max: maxDescription},
		func(body io.Reader, _ int64) (err error) {
			raw, err = io.ReadAll(body)
			return err
		})
	if errors.Is(err, download.ErrAbsent) || errors.Is(err, download.ErrRefused) {
		return nil, nil // a URL that is signed holds for one file
	}
	if errors.Is(err, download.ErrLarge) {
		raw, err = nil, nil // that is none
	}
	if err != nil {
		return nil, err
	}
	if len(raw) > 0 && download.Instead(raw) != "" && !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		return nil, nil // a page with status 200 says that there is none
	}
	d, err := snapshot.ParseDescription(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", download.Show(&beside), err)
	}
	c := snapshot.Checked{Path: download.Show(u), Described: d}
	if err := c.Fits(s.Cluster.Name, nil, d.Version); s.Cluster.Name != "" && errors.Is(err, snapshot.ErrOther) {
		return nil, err
	}
	return d, nil
}

// unfetched says what to do about a snapshot that could not be fetched.
func unfetched(from string, err error) error {
	const otherwise = "or fetch it by other means, and give the file"
	var remedy string
	var failed *download.Error
	switch {
	case errors.Is(err, errNoRoom), errors.Is(err, download.ErrLarge), errors.Is(err, syscall.ENOSPC),
		errors.Is(err, syscall.EDQUOT):
		remedy = "free some space there; nothing is left of what had come"
	case errors.Is(err, download.ErrAbsent):
		remedy = "check the URL"
	case errors.Is(err, download.ErrRefused):
		remedy = "check the URL, with the user or token that it may need; " + otherwise
	case errors.Is(err, download.ErrUntrusted):
		remedy = "check the URL; if the server has a CA of its own, name its certificate in SSL_CERT_FILE; " + otherwise
	case errors.As(err, &failed):
		remedy = "check the connection, HTTPS_PROXY and NO_PROXY, and run again; " + otherwise
	case errors.Is(err, snapshot.ErrCut), errors.Is(err, snapshot.ErrAltered), errors.Is(err, snapshot.ErrForeign),
		errors.Is(err, snapshot.ErrMismatched):
		remedy = "nothing of it was kept: check the URL, or take another copy of it; " + otherwise
	default:
		return err
	}
	if errors.As(err, &failed) { // which says the URL
		return fmt.Errorf("fetch snapshot: %w; %s", err, remedy)
	}
	return fmt.Errorf("fetch snapshot %s: %w; %s", from, err, remedy)
}
