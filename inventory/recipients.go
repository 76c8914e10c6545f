package inventory

import (
	"errors"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
)

// checkRecipient says what keeps keys from being sealed to a recipient of age. The text may be a private key, so its
// errors never repeat it.
func checkRecipient(text string) error {
	kind, _, _ := strings.Cut(text, " ")
	switch {
	case strings.HasPrefix(strings.ToUpper(text), "AGE-SECRET-KEY-") || strings.Contains(text, "PRIVATE KEY"):
		return errors.New(
			"this is a private key, which does not belong in an inventory; give the public one, and make a new pair if others have seen this")
	case strings.ContainsAny(text, "\r\n"):
		return errors.New("write one key in each element")
	case kind == "ssh-ed25519" || kind == "ssh-rsa":
		if _, err := agessh.ParseRecipient(text); err != nil {
			return errors.New("this is not a whole " + kind + " public key" +
				map[string]string{"ssh-rsa": " of at least 2048 bits"}[kind])
		}
		return nil
	case strings.HasPrefix(kind, "ssh-") || strings.HasPrefix(kind, "ecdsa-") || strings.HasPrefix(kind, "sk-"):
		return errors.New("of SSH keys, age takes ssh-ed25519 and ssh-rsa; others can only sign")
	}
	if _, err := age.ParseRecipients(strings.NewReader(text)); err != nil {
		return errors.New(
			"write a whole SSH public key (the line in ~/.ssh/id_ed25519.pub) or age recipient (age1…, as age-keygen prints it)")
	}
	return nil
}

func postQuantum(text string) bool { return strings.HasPrefix(text, "age1pq1") }
