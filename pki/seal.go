package pki

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
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
		one, err := parseRecipient(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("read recipient %d: %w", i+1, err)
		}
		all = append(all, one)
	}
	return all, nil
}

func parseRecipient(text string) (recipient, error) {
	kind, rest, _ := strings.Cut(text, " ")
	switch {
	case strings.HasPrefix(strings.ToUpper(text), "AGE-SECRET-KEY-") || strings.Contains(text, "PRIVATE KEY"):
		return recipient{}, fmt.Errorf("this is a private key; give the public one, and make a new pair if others have seen this: %w", errRecipient)
	case kind == "ssh-ed25519" || kind == "ssh-rsa":
		parsed, err := agessh.ParseRecipient(text)
		if err != nil {
			return recipient{}, fmt.Errorf("not a whole %s key: %w", kind, errRecipient)
		}
		encoded, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		return recipient{parsed, kind + " " + encoded}, nil
	case strings.HasPrefix(kind, "ssh-") || strings.HasPrefix(kind, "ecdsa-") || strings.HasPrefix(kind, "sk-"):
		return recipient{}, fmt.Errorf("of SSH keys, age takes ssh-ed25519 and ssh-rsa: %w", errRecipient)
	}
	parsed, err := age.ParseRecipients(strings.NewReader(text))
	if err != nil || len(parsed) != 1 {
		return recipient{}, fmt.Errorf("neither an SSH public key nor an age recipient (age1…): %w", errRecipient)
	}
	return recipient{parsed[0], text}, nil
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

// keyFiles are those of a key that is sealed to the recipients, or plain where there are none. Sealing takes its randomness from the
// system: age has no other.
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

func readSealedTo(path string) ([]string, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return strings.FieldsFunc(string(data), func(r rune) bool { return r == '\n' }), err
}

// IsSealedTo tells whether all keys here are sealed to exactly these recipients, or plain where there are none. When they are not,
// [Store.Reseal] makes it so.
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
	return true
}
