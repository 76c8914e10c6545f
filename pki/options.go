package pki

// Options say how the keys of a ca directory are kept. The zero value is plain files with mode 0600, and CAs that
// clusterup makes.
type Options struct {
	// SealTo are the recipients that the keys of new CAs are encrypted to: SSH public keys (ssh-ed25519 or ssh-rsa, with
	// or without a comment) and age recipients (age1…). None: keys are not sealed. Keys that exist change with
	// [Store.Reseal] only.
	SealTo []string

	// Unlock opens sealed keys. It is used when something has to be signed, and not before.
	Unlock Unlock

	// Given are CAs that come from elsewhere, by the role that they are for. See [Given].
	Given map[Role]Given

	// Names are the IP addresses and DNS names of all members: a given CA is taken over only if it can sign for them.
	// The names that every peer and server has besides need not be among them.
	Names []string

	// NoLists: no member asks for a list of revoked client certificates, so a given CA need not be able to sign one.
	NoLists bool
}

// Unlock opens sealed keys, in memory only. The zero value opens none.
type Unlock struct {
	// IdentityFiles are tried in this order: OpenSSH private keys, and files of age identities. Those that do not exist,
	// and those of a kind that age cannot use, are passed over. Keys that only an SSH agent holds cannot be used with age.
	IdentityFiles []string

	// Passphrase asks for the passphrase of an encrypted SSH key, only when a sealed key is for it. Nil: such keys are
	// passed over. It is asked once for each [Store], and at most three times while the answer is wrong.
	Passphrase func(file string) ([]byte, error)
}

// Given is a CA that is not clusterup's own: an intermediate whose key is a file, or one behind a cfssl server.
// [Store.Create] takes it over as the next generation; its key is never copied.
type Given struct {
	// path of PEM: the certificate of the CA, then its chain; a root at the end is what is trusted, else the CA itself
	Cert string
	Key  string // path of its private key in PEM (PKCS #8, PKCS #1 or SEC 1), with mode 0600

	// External signs instead of Key. Cert is then optional: where it is empty, the first answer of the server is kept.
	External *External
}

// External is a cfssl server with authentication (authsign). Only requests go there, no keys.
type External struct {
	URL     string // https://…; http is for tests on this machine
	AuthKey []byte // the server's auth key, decoded (see [ParseAuthKey]); never logged
	Label   string // which CA of the server; "": its default
	Profile string // which profile of it; "": its default
	CAFile  string // path of the CAs in PEM that the server's own certificate is checked with; "": the system's
}
