package units

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
)

// Trust is the bundle of CA certificates that a member accepts from peers (role "peer") or clients (role "client"). Its
// name holds the first 8 hex digits of its SHA-256: etcd reads a bundle only when it starts (etcd issue 11555), so
// another bundle has to be another command line.
func Trust(configDir, role string, pem []byte) File {
	sum := sha256.Sum256(pem)
	name := "trust-" + role + "-" + hex.EncodeToString(sum[:4]) + ".pem"
	return Plain(path.Join(configDir, name), pem)
}

// CRL is the list of revoked certificates of the CA of a role, signed by that CA. Its path never changes, and a member
// needs no restart for another list: etcd reads the file anew at each handshake (client/pkg/transport/listener_tls.go,
// checkCRL). der is DER, the only encoding that etcd 3.5, 3.6 and 3.7 all take: since 3.6 there is no PEM. While the
// file is missing or cannot be read, a member that names it refuses everybody, so it has to be there before the flag.
// etcd looks at serial numbers alone: not at who signed the list, nor at when the next one is due.
func CRL(configDir, role string, der []byte) File {
	return Plain(path.Join(configDir, "revoked-"+role+"s.crl"), der)
}

// LeafDir is the directory of one certificate and its key; role is "peer" or "server". It is never changed once it is
// complete.
func LeafDir(configDir, role, serialHex string) string {
	return LeafLink(configDir, role) + "-" + serialHex
}

// SerialDigits is the greatest length of a certificate's serial number (RFC 5280: 20 bytes), which the name of its
// directory ends in; a cfssl server draws its own, which may be shorter.
const SerialDigits = 40

// IsLeafDir says that a path is one that LeafDir gives to a pair of the role whose link this is: it ends in a serial
// number, of at least 16 hexadecimal digits.
func IsLeafDir(link, path string) bool {
	serial, ok := strings.CutPrefix(path, link+"-")
	return ok && len(serial) >= 16 && len(serial) <= SerialDigits && strings.Trim(serial, "0123456789abcdef") == ""
}

// LeafLink is the symlink to the [LeafDir] in use. etcd reads certificate and key from the disk, one after the other,
// at every handshake; swapping one symlink is what keeps it from seeing a mixed pair.
func LeafLink(configDir, role string) string { return path.Join(configDir, "tls", role) }

// Leaf is the content of a [LeafDir]: the PEM certificate, its PEM key, and the digests of both in the format that
// "sha256sum -c" reads from within that directory, so that a host can tell a whole pair without the key leaving it. The
// key is for the user that the member runs as, and for nobody else.
func Leaf(dir, user string, cert, key []byte) []File {
	certFile := Plain(path.Join(dir, "cert.pem"), cert)
	certFile.New = true
	return []File{
		certFile,
		{Path: path.Join(dir, "key.pem"), Owner: user, Group: user, Mode: 0o600, Data: key, Secret: true, New: true},
		{
			Path: path.Join(dir, "sums"), Owner: "root", Group: "root", Mode: 0o600,
			Data: []byte(sumLine("cert.pem", cert) + sumLine("key.pem", key)), New: true,
		},
	}
}

func sumLine(name string, data []byte) string {
	return fmt.Sprintf("%x  %s\n", sha256.Sum256(data), name)
}
