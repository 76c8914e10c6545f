package remote

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // OpenSSH hashes host names with it; nothing rests on its strength
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// The markers of known_hosts lines.
const (
	markAuthority = "cert-authority"
	markRevoked   = "revoked"
)

// knownKey is one line of a known_hosts file.
type knownKey struct {
	key       ssh.PublicKey
	authority bool
	file      string
	line      int // from 1
}

func (k knownKey) place() string { return fmt.Sprintf("%s:%d", k.file, k.line) }

// readHostKeys reads the known_hosts files anew, so that what another host's first contact wrote is seen. As ssh does,
// it passes over lines that it cannot read (keys of SSH 1, types that nobody knows here, stray words), and over files
// that do not exist.
func readHostKeys(cfg Config) (*hostKeys, error) {
	k := &hostKeys{cfg: cfg}
	name := strings.ToLower(knownhosts.Normalize(cfg.endpoint()))
	for _, file := range cfg.KnownHosts {
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read known hosts: %w", err)
		}
		for i, line := range bytes.Split(text, []byte("\n")) {
			k.read(name, line, knownKey{file: file, line: i + 1})
		}
	}
	return k, nil
}

// read takes what one line says of the host of that name. A key that is revoked for any host is revoked for all.
func (k *hostKeys) read(name string, line []byte, known knownKey) {
	fields := bytes.Fields(line)
	if len(fields) == 0 || fields[0][0] == '#' {
		return
	}
	marker, hosts, key, _, _, err := ssh.ParseKnownHosts(line)
	known.key, known.authority = key, marker == markAuthority
	if err != nil {
		hosts = strings.Split(string(fields[0]), ",")
	}
	switch {
	case err == nil && marker == markRevoked:
		k.revoked = append(k.revoked, known)
	case !names(hosts, name):
	case err == nil && (known.authority || marker == "" && slices.Contains(plainTypes, key.Type())):
		k.known = append(k.known, known)
	default:
		k.passed = append(k.passed, known.place())
	}
}

// names says whether the patterns of a line are for a host; the name is as knownhosts.Normalize writes it, in lower
// case.
func names(patterns []string, name string) bool {
	if len(patterns) == 1 && strings.HasPrefix(patterns[0], "|") {
		return hashed(patterns[0], name)
	}
	found := false
	for _, pattern := range patterns {
		positive := strings.TrimPrefix(pattern, "!")
		glob := strings.NewReplacer(`\`, `\\`, "[", `\[`).Replace(strings.ToLower(knownhosts.Normalize(positive)))
		if ok, err := path.Match(glob, name); err != nil || !ok {
			continue
		}
		if positive != pattern {
			return false
		}
		found = true
	}
	return found
}

// hashed says whether |1|SALT|HASH stands for a name.
func hashed(pattern, name string) bool {
	parts := strings.Split(pattern, "|")
	if len(parts) != 4 || parts[1] != "1" {
		return false
	}
	salt, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return false
	}
	want, err := base64.StdEncoding.DecodeString(parts[3])
	if err != nil {
		return false
	}
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(name)) //nolint:errcheck // a hash cannot fail
	return hmac.Equal(mac.Sum(nil), want)
}
