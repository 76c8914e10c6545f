package pki

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
)

// recipient is one that keys are sealed to.
type recipient struct {
	age.Recipient
	text string // as it was given, without the comment
}

// parseRecipients never shows what it cannot read: it may be a private key.
func parseRecipients(texts []string) ([]recipient, error) {
	var all []recipient
	for i, text := range texts {
		words := append(strings.Fields(text), "", "")
		if parsed, err := agessh.ParseRecipient(text); err == nil && strings.HasPrefix(words[0], "ssh-") {
			all = append(all, recipient{parsed, words[0] + " " + words[1]})
		} else if parsed, err := age.ParseRecipients(strings.NewReader(text)); err == nil && len(parsed) == 1 {
			all = append(all, recipient{parsed[0], words[0]})
		} else {
			return nil, fmt.Errorf("read recipient %d: %w", i+1, errRecipient)
		}
	}
	return all, nil
}

// names are the recipients in an order of their own, each once.
func names(all []recipient) []string {
	var texts []string
	for _, r := range all {
		texts = append(texts, r.text)
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}

// keyFile is one of the files that a key is kept in.
type keyFile struct {
	suffix string
	data   []byte
	mode   fs.FileMode
}

// keyFiles are those of a key that is sealed to the recipients, or plain where there are none. Sealing takes its
// randomness from the system: age has no other.
func keyFiles(signer crypto.Signer, to []recipient) ([]keyFile, error) {
	plain, err := encodeKey(signer)
	if err != nil {
		return nil, err
	}
	if len(to) == 0 {
		return []keyFile{{keySuffix, plain, 0o600}}, nil
	}
	var recipients []age.Recipient
	for _, r := range to {
		recipients = append(recipients, r.Recipient)
	}
	var sealed bytes.Buffer
	armored := armor.NewWriter(&sealed)
	w, err := age.Encrypt(armored, recipients...)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = armored.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("seal key: %w: %w", errRecipient, err) // such as post-quantum recipients beside others
	}
	list := strings.Join(names(to), "\n") + "\n"
	return []keyFile{{sealedSuffix, sealed.Bytes(), 0o600}, {recipientsSuffix, []byte(list), 0o644}}, nil
}

// Seal is a writer of bytes of any number that only the recipients can open again, with w behind it; recipients are as
// in [Options]. It is to be closed, which leaves w open.
func Seal(w io.Writer, recipients []string) (io.WriteCloser, error) {
	to, err := parseRecipients(recipients)
	if err != nil {
		return nil, err
	}
	var all []age.Recipient
	for _, r := range to {
		all = append(all, r.Recipient)
	}
	sealed, err := age.Encrypt(w, all...)
	if err != nil {
		return nil, fmt.Errorf("seal: %w: %w", errRecipient, err) // such as post-quantum recipients beside others
	}
	return sealed, nil
}

// Unsealer opens any number of files that [Seal] has sealed, with what Unlock names, and asks for a passphrase once. A
// file is size bytes at at; returned are the plain bytes, and how many they are. It fails with [ErrSealed], and with
// [ErrTorn] where the bytes at its ends are not those that were sealed; reading the plain bytes fails where others are
// not. Nothing is written.
func Unsealer(u Unlock) func(at io.ReaderAt, size int64) (plain io.ReaderAt, plainSize int64, err error) {
	unlocker := &unlocker{Unlock: u}
	return unlocker.unseal
}

func (u *unlocker) unseal(at io.ReaderAt, size int64) (plain io.ReaderAt, plainSize int64, err error) {
	err = u.open(func(id identity) (err error) {
		plain, plainSize, err = age.DecryptReaderAt(at, size, id.Identity)
		if err != nil && !errors.As(err, new(*age.NoIdentityMatchError)) && (id.locked == nil || id.locked.err == nil) {
			err = fmt.Errorf("%w: %w", ErrTorn, err)
		}
		return err
	})
	return plain, plainSize, err
}

func readSealedTo(path string) ([]string, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return strings.FieldsFunc(string(data), func(r rune) bool { return r == '\n' }), err
}

// IsSealedTo tells whether all keys here are sealed to exactly these recipients, or plain where there are none. When
// they are not, [Store.Reseal] makes it so.
func (s *Store) IsSealedTo(recipients []string) bool {
	to, err := parseRecipients(recipients)
	if err != nil {
		return false
	}
	for _, a := range s.cas {
		own := a.key != nil && !a.Given
		if own && (a.Sealed != (len(to) > 0) || !slices.Equal(a.SealedTo, names(to))) {
			return false
		}
	}
	for _, k := range s.tokens {
		if k.Here && (k.sealed != (len(to) > 0) || !slices.Equal(k.sealedTo, names(to))) {
			return false
		}
	}
	return true
}
