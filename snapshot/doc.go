// Package snapshot knows what a snapshot of etcd is as a file: a database of bbolt and the digest that etcd appends to
// it, perhaps sealed, with a description beside it.
//
// It owns the check that such a file is whole, what can be read of the database itself, the description, and how both
// come to lie under their names. It must not speak to a member, run anything, or know keys: sealing and opening are
// functions that it is given.
package snapshot

import "errors"

// Why a file is no snapshot that can be restored. Trying again helps with none of them.
var (
	// ErrCut: the end of the file is missing, or a digest was never there.
	ErrCut = errors.New("cut short")
	// ErrAltered: all of it is there, and does not fit its digest, or is damaged inside.
	ErrAltered = errors.New("altered")
	// ErrForeign: it is something else, and never was a snapshot of etcd.
	ErrForeign = errors.New("not a snapshot of etcd")
	// ErrMismatched: the file is whole, and the description beside it is of another one.
	ErrMismatched = errors.New("not what its description says")
	// ErrOther: it is a snapshot of another cluster. See [Checked.Fits].
	ErrOther = errors.New("of another cluster")
	// ErrMinor: it was taken from another minor version of etcd than is wanted. See [Checked.Fits].
	ErrMinor = errors.New("of another minor version")
)
