package remote

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

// passphraseTries is how often the operator may mistype.
const passphraseTries = 3

var usualKeys = []string{"id_ed25519", "id_ecdsa", "id_rsa"}

// offer is the keys for one login, and what an operator must know when none of them is accepted.
type offer struct {
	signers []ssh.Signer
	names   []string // "FILE" or "agent: COMMENT", one for each signer
	notes   []string // why something is not offered
}

func (o *offer) add(name string, signers ...ssh.Signer) {
	for _, s := range signers {
		o.signers = append(o.signers, s)
		o.names = append(o.names, name)
	}
}

// offers collects the keys for cfg. Only a named file that is unusable is an error; everything else becomes a note.
// around runs a conversation with the operator with the clock of the login stopped.
func (d *Dialer) offers(ctx context.Context, cfg Config, around func(func())) (*offer, error) {
	o := &offer{}
	held := d.agentKeys(ctx, cfg, o)
	if len(cfg.IdentityFiles) > 0 {
		for _, file := range cfg.IdentityFiles {
			signers, err := d.fileKeys(ctx, file, held, around)
			if err != nil {
				return nil, err
			}
			o.add(file, signers...)
		}
		return o, nil
	}
	for _, s := range held {
		o.add("agent: "+comment(s), s)
	}
	if d.Home == "" {
		return o, nil
	}
	for _, name := range usualKeys {
		file := filepath.Join(d.Home, ".ssh", name)
		signers, err := d.fileKeys(ctx, file, held, around)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			o.notes = append(o.notes, err.Error())
		default:
			for _, s := range signers {
				if find(held, s.PublicKey()) == nil {
					o.add(file, s)
				}
			}
		}
	}
	return o, nil
}

// fileKeys gives the signers of one identity file: its certificate's first, if there is one beside it. The file may
// also be the public half of a key that the agent holds.
func (d *Dialer) fileKeys(ctx context.Context, file string, held []ssh.Signer,
	around func(func()),
) ([]ssh.Signer, error) {
	signer, err := d.fileKey(ctx, file, held, around)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(strings.TrimSuffix(file, ".pub") + "-cert.pub")
	if err != nil {
		return []ssh.Signer{signer}, nil
	}
	pub, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil, fmt.Errorf("read certificate of %s: %w", file, err)
	}
	cert, ok := pub.(*ssh.Certificate)
	if !ok {
		return nil, fmt.Errorf("read certificate of %s: it is a plain public key", file)
	}
	withCert, err := ssh.NewCertSigner(cert, signer)
	if err != nil {
		return nil, fmt.Errorf("use certificate of %s: %w", file, err)
	}
	return []ssh.Signer{withCert, signer}, nil
}

func (d *Dialer) fileKey(ctx context.Context, file string, held []ssh.Signer, around func(func())) (ssh.Signer, error) {
	for _, public := range []string{file, file + ".pub"} {
		if pub := readPublic(public); pub != nil {
			if s := find(held, pub); s != nil {
				return s, nil
			}
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read identity file: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(text)
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
	case err != nil && readPublic(file) != nil:
		return nil, fmt.Errorf("read identity file %s: it is a public key, and the agent does not hold its private half",
			file)
	case err != nil:
		return nil, fmt.Errorf("read identity file %s: %w", file, err)
	default:
		return signer, nil
	}
	pub := locked.PublicKey
	if pub == nil {
		pub = readPublic(file + ".pub")
	}
	lazy := &lazySigner{pub: pub, open: func() (ssh.Signer, error) { return d.unlock(ctx, file, text, around) }}
	if pub == nil { // an old PEM file without its .pub: its public half is behind the passphrase
		return lazy.open()
	}
	return lazy, nil
}

func readPublic(file string) ssh.PublicKey {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	pub, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil
	}
	return pub
}

// unlock opens an encrypted key, asking at most once per file and run.
func (d *Dialer) unlock(ctx context.Context, file string, text []byte,
	around func(func()),
) (signer ssh.Signer, err error) {
	around(func() {
		var done func()
		if done, err = take(ctx, d.asking); err != nil {
			return
		}
		defer done()
		if signer = d.opened[file]; signer == nil {
			signer, err = d.askPassphrase(ctx, file, text)
		}
	})
	return signer, err
}

// askPassphrase runs with d.asking held.
func (d *Dialer) askPassphrase(ctx context.Context, file string, text []byte) (ssh.Signer, error) {
	if d.Passphrase == nil {
		return nil, fmt.Errorf(
			"open identity file %s: it is encrypted, and there is no terminal to ask for its passphrase; ssh-add it to an agent",
			file)
	}
	var err error
	for range passphraseTries {
		var pass []byte
		if pass, err = d.Passphrase(ctx, file); err != nil {
			return nil, fmt.Errorf("ask for the passphrase of %s: %w", file, err)
		}
		var signer ssh.Signer
		signer, err = ssh.ParsePrivateKeyWithPassphrase(text, pass)
		clear(pass)
		if err == nil {
			d.opened[file] = signer
			return signer, nil
		}
		if !errors.Is(err, x509.IncorrectPasswordError) {
			break
		}
	}
	return nil, fmt.Errorf("open identity file %s: %w", file, err)
}

// lazySigner is an encrypted key whose passphrase is asked for only when a host has accepted its public half.
type lazySigner struct {
	pub  ssh.PublicKey
	open func() (ssh.Signer, error)
	err  error
}

func (l *lazySigner) PublicKey() ssh.PublicKey { return l.pub }

func (l *lazySigner) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return l.SignWithAlgorithm(rand, data, "")
}

func (l *lazySigner) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	signer, err := l.open()
	if err != nil {
		l.err = err
		return nil, err
	}
	return signWith(signer, rand, data, algorithm)
}

func signWith(signer ssh.Signer, rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	if s, ok := signer.(ssh.AlgorithmSigner); ok {
		return s.SignWithAlgorithm(rand, data, algorithm)
	}
	return signer.Sign(rand, data)
}

// witness is a signer that tells when it has signed: the host has accepted its key then.
type witness struct {
	ssh.Signer
	signed func()
}

func (w witness) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	sig, err := signWith(w.Signer, rand, data, algorithm)
	if err == nil {
		w.signed()
	}
	return sig, err
}
