// Package units turns one wanted member into the files and the command line that a host needs for it: the systemd unit,
// the flags of etcd, the trust bundles, the revocation list, the certificate directories and the birth marker.
//
// It owns how these look and where they lie. It is pure: the same member always gives the same bytes. It must not do
// any I/O, read the clock, or decide what is to be changed.
package units

import "io/fs"

// File is one regular file as it should be on a host. Path is absolute, with forward slashes.
type File struct {
	Path   string      `json:"path"`
	Owner  string      `json:"owner"`
	Group  string      `json:"group"`
	Mode   fs.FileMode `json:"mode"` // permission bits only
	Data   []byte      `json:"data"`
	Secret bool        `json:"secret,omitempty"` // Data must never be shown, not in a plan, a log or an error
	New    bool        `json:"new,omitempty"`    // nobody reads its directory yet, so that it is written in place
}

// Plain is a file that anyone on the host may read and only root may change.
func Plain(path string, data []byte) File {
	return File{Path: path, Owner: "root", Group: "root", Mode: 0o644, Data: data}
}
