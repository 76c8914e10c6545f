package release

import (
	"fmt"
	"net/http"
)

// The digest that an archive must have is named by one of these, or by the URL of a SHA256SUMS.
const (
	FromLock      = "release.lock.hcl"
	FromInventory = "the inventory (release.sha256)"

	fromArchive = "the archive when it was verified"
)

// mismatchError says that something does not have the digest it must have. Trying again does not help.
type mismatchError struct {
	What      string // what was hashed
	Want, Got string // sha256, hex
	Source    string // who wants Want: FromLock, FromInventory or a URL
	Is        string // what it is instead of an archive; empty: that does not show
}

func (e *mismatchError) Error() string {
	remedy := "get it again, or from another mirror, and compare with the digest that etcd published"
	switch e.Source {
	case FromLock:
		remedy = "get the archive that was pinned, or, where the new one is meant, remove its line from release.lock.hcl"
	case FromInventory:
		remedy = "correct release.sha256 in the inventory, or the archive"
	case fromArchive:
		remedy = "it changed in between: run again"
	}
	if e.Is != "" {
		return fmt.Sprintf("verify %s: it is %s, and no archive; check release.mirror, release.archive and the proxy", e.What, e.Is)
	}
	return fmt.Sprintf("verify %s: its sha256 is %s, but %s says %s; %s", e.What, e.Got, e.Source, e.Want, remedy)
}

// notFoundError says that a mirror answered, or a folder was read, and what was looked for is not there. Trying again does
// not help.
type notFoundError struct {
	What   string // the file that was looked for
	Where  string // the folder, archive, SHA256SUMS or URL that does not have it
	Remedy string
}

func (e *notFoundError) Error() string {
	return fmt.Sprintf("find %s: not in %s; %s", e.What, e.Where, e.Remedy)
}

// networkError covers name lookup, connections, TLS, silence, cut transfers and servers that say to come back later. It does
// not cover what a server refuses (statusError, notFoundError) nor a cancelled context. Trying again may help; Resolve has
// done so already.
type networkError struct {
	URL string // without credentials
	Err error

	final bool // trying again is useless, as with a certificate that is not trusted
}

func (e *networkError) Error() string {
	remedy := "check the connection, HTTPS_PROXY and NO_PROXY, and release.mirror, or give the archive by release.archive"
	if e.final {
		remedy = "check release.mirror; if the mirror has a CA of its own, name its certificate in SSL_CERT_FILE"
	}
	return fmt.Sprintf("get %s: %v; %s", e.URL, e.Err, remedy)
}

func (e *networkError) Unwrap() error { return e.Err }

// statusError is an HTTP answer that is neither the file nor "not found", such as 403. Trying again does not help.
type statusError struct {
	URL  string // without credentials
	Code int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("get %s: the server says %d %s; check release.mirror and the proxy, or give the archive by release.archive",
		e.URL, e.Code, http.StatusText(e.Code))
}

// ArchiveError says that an archive is not the etcd release it should be, whatever its digest. Trying again does not help.
type ArchiveError struct {
	Path  string // of the archive
	Entry string // the entry in it that is wrong; empty: the archive as a whole
	Err   error
}

func (e *ArchiveError) Error() string {
	in := e.Path
	if e.Entry != "" {
		in = fmt.Sprintf("%s: entry %q", e.Path, e.Entry)
	}
	return fmt.Sprintf("read %s: %v; use the archive that etcd published for this version and architecture", in, e.Err)
}

func (e *ArchiveError) Unwrap() error { return e.Err }
