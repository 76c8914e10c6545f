package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/clusterup/clusterup/durable"
	"github.com/clusterup/clusterup/shellword"
)

// errFirstContact ends a handshake so that the operator can be asked with no clock running.
var errFirstContact = errors.New("host key is not known yet")

// Host key algorithms in the order of preference, and the types of key that they sign with; SHA-1 and DSA are not among
// them.
var (
	plainTypes = []string{
		ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSA,
	}
	plainAlgorithms = []string{
		ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512,
	}
	certAlgorithms = []string{
		ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01,
		ssh.CertAlgoRSASHA256v01, ssh.CertAlgoRSASHA512v01,
	}
)

// hostKeys judges the keys of one host.
type hostKeys struct {
	cfg     Config
	known   []knownKey // keys and authorities that some line names for this host
	revoked []knownKey // for whichever host
	passed  []string   // "FILE:LINE" that names this host, and cannot be read or used
}

// algorithms to ask the host for: those of the known keys, so that it does not show another key than the one on file.
func (k *hostKeys) algorithms() []string {
	var certs, plain []string
	for _, known := range k.known {
		if known.authority {
			certs = certAlgorithms
			continue
		}
		switch t := known.key.Type(); t {
		case ssh.KeyAlgoRSA:
			plain = append(plain, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512)
		default:
			plain = append(plain, t)
		}
	}
	if all := slices.Concat(certs, plain); len(all) > 0 {
		return all
	}
	return plainAlgorithms
}

// judge says whether the host may show this key, in the operator's words. It never asks, and returns errFirstContact
// for a host that no line names.
func (k *hostKeys) judge(key ssh.PublicKey) error {
	cert, _ := key.(*ssh.Certificate)
	for _, revoked := range k.revoked {
		is := func(key ssh.PublicKey) bool { return same(revoked.key, key) }
		if is(key) || cert != nil && (is(cert.Key) || is(cert.SignatureKey)) {
			return k.refuse(fmt.Errorf("the key %s is revoked at %s", describe(revoked.key), revoked.place()),
				"give the host a new key: somebody else may have the revoked one")
		}
	}
	if cert != nil {
		checker := ssh.CertChecker{IsHostAuthority: k.authority}
		if err := checker.CheckHostKey(k.cfg.endpoint(), &net.TCPAddr{}, cert); err != nil {
			return k.refuse(fmt.Errorf("host certificate: %w", err),
				"check principals and validity of the host's certificate")
		}
		return nil
	}
	var other *knownKey // a known key, of the same type if there is one
	for i, known := range k.known {
		switch {
		case known.authority:
		case same(known.key, key):
			return nil
		case other == nil || known.key.Type() == key.Type():
			other = &k.known[i]
		}
	}
	switch {
	case other != nil:
		return k.changed(key, *other)
	case len(k.known) > 0:
		return k.refuse(fmt.Errorf("it shows the plain key %s, and no certificate by the authority at %s",
			describe(key), k.known[0].place()),
			"set HostCertificate in the host's sshd_config, or add the host's key to "+k.cfg.KnownHosts[0])
	}
	return errFirstContact
}

// authority says whether a line names a key as one that signs for this host.
func (k *hostKeys) authority(key ssh.PublicKey, _ string) bool {
	return slices.ContainsFunc(k.known, func(known knownKey) bool { return known.authority && same(known.key, key) })
}

func same(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }

func (k *hostKeys) changed(key ssh.PublicKey, want knownKey) error {
	err := fmt.Errorf("the host key has changed: it shows %s, known is %s at %s",
		describe(key), describe(want.key), want.place())
	return &Error{
		Host: k.cfg.name(), Op: "verify host key", Kind: ErrKeyChanged, Err: err,
		Remedy: fmt.Sprintf("a machine that was installed anew has a new key; if this one was, and only then, take the old key out: "+
			"ssh-keygen -f %s -R %s", shellword.Quote(want.file), shellword.Quote(knownhosts.Normalize(k.cfg.endpoint()))),
	}
}

func (k *hostKeys) unknown(key ssh.PublicKey) error {
	file := "a known_hosts file"
	if len(k.cfg.KnownHosts) > 0 {
		file = k.cfg.KnownHosts[0]
	}
	passed := ""
	if len(k.passed) > 0 {
		passed = fmt.Sprintf(" (%s names the host with a key that cannot be used)", strings.Join(k.passed, ", "))
	}
	return k.refuse(fmt.Errorf("the host key is not known: %s%s", describe(key), passed),
		fmt.Sprintf(
			"compare the fingerprint with the host's own (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub); then run again with "+
				"--accept-new-host-keys, or add this line to %s: %s", file, knownhosts.Line([]string{k.cfg.endpoint()}, key)))
}

func (k *hostKeys) refuse(err error, remedy string) error {
	return &Error{Host: k.cfg.name(), Op: "verify host key", Kind: ErrHostKey, Err: err, Remedy: remedy}
}

// describe names a key as ssh-keygen -l does.
func describe(key ssh.PublicKey) string {
	name := strings.ToUpper(strings.TrimPrefix(key.Type(), "ssh-"))
	if strings.HasPrefix(name, "ECDSA") {
		name = "ECDSA"
	}
	return name + " " + ssh.FingerprintSHA256(key)
}

// meet settles a first contact: it writes the key down if policy or operator accept it.
func (d *Dialer) meet(ctx context.Context, cfg Config, key ssh.PublicKey) error {
	done, err := take(ctx, d.asking)
	if err != nil {
		return err
	}
	defer done()
	k, err := readHostKeys(cfg)
	if err != nil {
		return err
	}
	// While this one waited for its turn, the answer may have come from another host behind the same address.
	if err := k.judge(key); !errors.Is(err, errFirstContact) {
		return err
	}
	if len(cfg.KnownHosts) == 0 {
		return k.unknown(key)
	}
	if !d.AcceptNewHostKeys {
		if d.Ask == nil {
			return k.unknown(key)
		}
		yes, err := d.Ask(ctx, fmt.Sprintf("%s (%s) is not known yet. Its key is %s. Trust it, and remember it in %s?",
			cfg.name(), cfg.endpoint(), describe(key), cfg.KnownHosts[0]))
		if err != nil {
			return fmt.Errorf("ask about the host key: %w", err)
		}
		if !yes {
			return k.unknown(key)
		}
	}
	line := knownhosts.Line([]string{cfg.endpoint()}, key)
	err = os.MkdirAll(filepath.Dir(cfg.KnownHosts[0]), 0o700)
	if err == nil {
		err = durable.Append(cfg.KnownHosts[0], line)
	}
	if err != nil {
		return k.refuse(fmt.Errorf("remember host key: %w", err),
			fmt.Sprintf("make %s writable, or add this line to another file of known_hosts: %s", cfg.KnownHosts[0], line))
	}
	return nil
}
