package remote

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// errFirstContact ends a handshake so that the operator can be asked with no clock running.
var errFirstContact = errors.New("host key is not known yet")

// Host key algorithms in the order of preference; SHA-1 and DSA are not among them.
var (
	plainAlgorithms = []string{
		ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512,
	}
	certAlgorithms = []string{
		ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01,
		ssh.CertAlgoRSASHA256v01, ssh.CertAlgoRSASHA512v01,
	}
)

// knownHosts serializes writers of known_hosts files within this process; a file lock does so between processes. With Dialer.Forget
// it holds what was accepted instead.
type knownHosts struct {
	mu  sync.Mutex
	met map[string]ssh.PublicKey // by endpoint
}

// held is the key that was accepted for an endpoint and not written down; nil: none.
func (n *knownHosts) held(endpoint string) ssh.PublicKey {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.met[endpoint]
}

func (n *knownHosts) hold(endpoint string, key ssh.PublicKey) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.met == nil {
		n.met = map[string]ssh.PublicKey{}
	}
	n.met[endpoint] = key
}

// hostKeys judges the keys of one host.
type hostKeys struct {
	cfg   Config
	check ssh.HostKeyCallback
	known []knownhosts.KnownKey // keys and authorities that some line names for this host
	cas   map[string]bool       // "file:line" of authorities
	held  ssh.PublicKey         // accepted in this run and not written down
}

// hostKeys is readHostKeys with what this run has accepted.
func (d *Dialer) hostKeys(cfg Config) (*hostKeys, error) {
	k, err := readHostKeys(cfg)
	if err == nil {
		k.held = d.known.held(cfg.endpoint())
	}
	return k, err
}

// readHostKeys reads the known_hosts files anew, so that what another host's first contact wrote is seen.
func readHostKeys(cfg Config) (*hostKeys, error) {
	k := &hostKeys{cfg: cfg, cas: map[string]bool{}}
	var files []string
	for _, file := range cfg.KnownHosts {
		err := k.readAuthorities(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read known hosts: %w", err)
		}
		files = append(files, file)
	}
	check, err := knownhosts.New(files...)
	if err != nil {
		return nil, fmt.Errorf("read known hosts: %w", err)
	}
	k.check = check
	// A key that nobody has makes the library say which keys it would have liked: the algorithms to ask for (golang/go#29286).
	nobody, err := ssh.NewPublicKey(ed25519.PublicKey(make([]byte, ed25519.PublicKeySize)))
	if err != nil {
		return nil, err
	}
	var wrong *knownhosts.KeyError
	if errors.As(k.verify(nobody), &wrong) {
		k.known = wrong.Want
	}
	return k, nil
}

func (k *hostKeys) readAuthorities(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		if strings.HasPrefix(strings.TrimLeft(lines.Text(), " \t"), "@cert-authority") {
			k.cas[place(file, n)] = true
		}
	}
	return lines.Err()
}

func place(file string, line int) string { return fmt.Sprintf("%s:%d", file, line) }

// verify never asks: nil, *knownhosts.KeyError, *knownhosts.RevokedError, or what is wrong with a certificate.
func (k *hostKeys) verify(key ssh.PublicKey) error {
	return k.check(k.cfg.endpoint(), &net.TCPAddr{}, key)
}

// algorithms to ask the host for: those of the known keys, so that it does not show another key than the one on file.
func (k *hostKeys) algorithms() []string {
	var certs, plain []string
	for _, known := range k.known {
		if k.cas[place(known.Filename, known.Line)] {
			certs = certAlgorithms
			continue
		}
		switch t := known.Key.Type(); t {
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

// judge is verify with the answer in the operator's words. It returns errFirstContact for a host that no line names.
func (k *hostKeys) judge(key ssh.PublicKey) error {
	err := k.verify(key)
	if err == nil {
		return nil
	}
	var revoked *knownhosts.RevokedError
	if errors.As(err, &revoked) {
		return k.refuse(fmt.Errorf("the key %s is revoked at %s", describe(key), place(revoked.Revoked.Filename, revoked.Revoked.Line)),
			"have the host given a new key; a revoked one may be in foreign hands")
	}
	var wrong *knownhosts.KeyError
	if !errors.As(err, &wrong) {
		return k.refuse(fmt.Errorf("host certificate: %w", err), "check principals and validity of the host's certificate")
	}
	if len(wrong.Want) == 0 {
		if k.held != nil && bytes.Equal(k.held.Marshal(), key.Marshal()) {
			return nil
		}
		return errFirstContact
	}
	var known *knownhosts.KnownKey
	for i, want := range wrong.Want {
		authority := k.cas[place(want.Filename, want.Line)]
		if !authority && (known == nil || want.Key.Type() == key.Type()) {
			known = &wrong.Want[i]
		}
	}
	if known != nil {
		return k.changed(key, *known)
	}
	ca := wrong.Want[0]
	return k.refuse(fmt.Errorf("it shows the plain key %s, and no certificate by the authority at %s", describe(key), place(ca.Filename, ca.Line)),
		"set HostCertificate in the host's sshd_config, or add the host's key to "+k.cfg.KnownHosts[0])
}

func (k *hostKeys) changed(key ssh.PublicKey, want knownhosts.KnownKey) error {
	err := fmt.Errorf("the host key has changed: it shows %s, known is %s at %s", describe(key), describe(want.Key), place(want.Filename, want.Line))
	return k.refuse(err, fmt.Sprintf("if the host was reinstalled, and only then: ssh-keygen -f %s -R %s",
		Quote(want.Filename), Quote(knownhosts.Normalize(k.cfg.endpoint()))))
}

func (k *hostKeys) unknown(key ssh.PublicKey) error {
	file := "a known_hosts file"
	if len(k.cfg.KnownHosts) > 0 {
		file = k.cfg.KnownHosts[0]
	}
	return k.refuse(fmt.Errorf("the host key is not known: %s", describe(key)),
		fmt.Sprintf("compare the fingerprint with the host's own (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub); then run again with "+
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
	k, err := d.hostKeys(cfg)
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
		remember := "remember it in " + cfg.KnownHosts[0]
		if d.Forget {
			remember = "forget it after this run"
		}
		yes, err := d.Ask(ctx, fmt.Sprintf("%s (%s) is not known yet. Its key is %s. Trust it, and %s?",
			cfg.name(), cfg.endpoint(), describe(key), remember))
		if err != nil {
			return fmt.Errorf("ask about the host key: %w", err)
		}
		if !yes {
			return k.unknown(key)
		}
	}
	if d.Forget {
		d.known.hold(cfg.endpoint(), key)
		return nil
	}
	return d.known.add(cfg.KnownHosts[0], knownhosts.Line([]string{cfg.endpoint()}, key))
}

// add appends one line, in one write, under a lock that other processes honour.
func (n *knownHosts) add(file, line string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("remember host key: %w", err)
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("remember host key: %w", err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", file, err)
	}
	text := line + "\n"
	if info, err := f.Stat(); err == nil && info.Size() > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, info.Size()-1); err == nil && last[0] != '\n' {
			text = "\n" + text // someone's editor left the last line open
		}
	}
	if _, err := f.WriteString(text); err != nil {
		return fmt.Errorf("remember host key: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("remember host key: %w", err)
	}
	return nil
}
