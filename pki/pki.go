// Package pki keeps the certificate authorities of a cluster in the operator directory, and issues certificates from
// them.
//
// It owns the files below the ca directory, and what a certificate of each kind looks like. Only this package signs. It
// must not speak to a host, read the clock, or write a private key of a leaf anywhere: those live in memory and on
// their host.
package pki

import (
	"errors"
	"slices"
	"time"

	"github.com/cloudflare/cfssl/log"
)

// Role says what a CA is for. There are two, so that no client certificate can ever pass for a peer.
type Role string

// The roles there are.
const (
	RolePeer   Role = "peer"   // signs the certificates that members show each other
	RoleClient Role = "client" // signs those of clients, and those that members show clients
)

var roles = []Role{RolePeer, RoleClient}

func (r Role) valid() bool { return slices.Contains(roles, r) }

// CA is one generation of the CA of a role. Certificates of all generations that are kept are trusted.
type CA struct {
	Role       Role
	Generation int // 1, 2, …
	Subject    string
	SHA256     string // of the certificate in DER, lower-case hexadecimal
	NotBefore  time.Time
	NotAfter   time.Time
	PEM        []byte // the certificate
	Algorithm  string // as in [Spec]
	Lists      bool   // it can sign lists of revoked certificates: it signs, itself, and its fields let it
	Signing    bool   // the key is here, sealed or not, or at a server, and it is not retired: it can sign

	Retired  bool     // it signs no more, and nothing is to trust it any more
	Given    bool     // it was not made here: see [Given]
	KeyFile  string   // where the key of one that was given lay when it was taken over; "": at a server
	Trust    []byte   // what to trust for it, in PEM: PEM itself, or the root above it
	Chain    []byte   // what goes along with each certificate that it signs, in PEM; nil unless it is an intermediate
	Sealed   bool     // its key file is encrypted
	SealedTo []string // the recipients of that, sorted; nil when that is not known: reseal
}

// Spec says what a new CA is to be like.
type Spec struct {
	Algorithm  string        // ecdsa-p256 (the default), ecdsa-p384, ed25519, rsa-3072 or rsa-4096
	CALifetime time.Duration // 0 is ten years
}

const (
	day = 24 * time.Hour

	defaultCALifetime   = 3650 * day
	defaultLeafLifetime = 365 * day
	probeLifetime       = time.Hour

	// backdate keeps a certificate valid on a host whose clock is a little behind.
	backdate = 5 * time.Minute
)

var (
	// errChanged covers a ca directory that another process has changed since it was opened, or is changing now. To
	// try again, open it anew.
	errChanged = errors.New("another process is changing the CAs or has changed them")

	// ErrNoCA covers a role without any CA that can sign: none was made yet, or its key is not in this directory.
	ErrNoCA = errors.New("no CA here that can sign")

	// ErrSealed covers what is sealed to others than the identity files here. It is of no use to try again with the
	// same files.
	ErrSealed = errors.New("it is sealed, and no key file here opens it")

	// ErrTorn covers sealed bytes that are cut short, or altered.
	ErrTorn = errors.New("what is sealed is damaged")

	// ErrPassphrase covers an SSH key for which a wrong passphrase was given three times.
	ErrPassphrase = errors.New("wrong passphrase")

	// errRecipient covers a recipient that age cannot encrypt to: a mistake in the inventory.
	errRecipient = errors.New("age seals keys to SSH public keys (ssh-ed25519, ssh-rsa) and age recipients (age1…)")

	// ErrExternal covers what a CA that is not clusterup's own cannot do, such as making its own successor.
	ErrExternal = errors.New("this CA is not clusterup's own")

	// ErrUnfit covers a given CA whose files or fields are wrong, so that members could do nothing with what it
	// signs. Whoever runs the CA has to put it right.
	ErrUnfit = errors.New("this CA cannot sign what members need")

	// errNoClient covers a name or serial number that no recorded client certificate has.
	errNoClient = errors.New("no such client certificate")

	// ErrExpired covers a CA whose certificate has run out. Trying again is of no use.
	ErrExpired = errors.New("CA has expired")
)

// cfssl writes to stderr what it signs, and its level is a package variable: set once here, before anything can sign.
func init() { log.Level = log.LevelFatal }
