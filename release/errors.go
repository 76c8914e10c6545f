package release

import "fmt"

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
		return fmt.Sprintf("verify %s: it is %s, and no archive; check release.mirror, release.archive and the proxy", e.What,
			e.Is)
	}
	return fmt.Sprintf("verify %s: its sha256 is %s, but %s says %s; %s", e.What, e.Got, e.Source, e.Want, remedy)
}

// notFoundError says that a mirror answered, or a folder was read, and what was looked for is not there. Trying again
// does not help.
type notFoundError struct {
	What   string // the file that was looked for
	Where  string // the folder, archive, SHA256SUMS or URL that does not have it
	Remedy string
}

func (e *notFoundError) Error() string {
	return fmt.Sprintf("find %s: not in %s; %s", e.What, e.Where, e.Remedy)
}

// fetchError says that a mirror did not give a file.
type fetchError struct {
	url    string // without credentials
	err    error
	again  bool // trying again may help; Resolve has done so already
	remedy string
}

// networkError is for failures that may pass: of name lookup, connections and TLS, silence, cut transfers, and servers
// that say to come back later.
func networkError(url string, err error) error {
	return &fetchError{
		url: url, err: err, again: true,
		remedy: "check the connection, HTTPS_PROXY and NO_PROXY, and release.mirror, or give the archive by release.archive",
	}
}

func (e *fetchError) Error() string { return fmt.Sprintf("get %s: %v; %s", e.url, e.err, e.remedy) }
func (e *fetchError) Unwrap() error { return e.err }

// archiveError says that an archive is not the etcd release it should be, whatever its digest.
func archiveError(what string, err error) error {
	return fmt.Errorf("read %s: %w; use the archive that etcd published for this version and architecture", what, err)
}
