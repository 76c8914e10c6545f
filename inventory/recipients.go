package inventory

import (
	"errors"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
)

// sealTo reads the recipients of a block that may have some.
func (v values) sealTo(out *[]string) {
	items, _ := v.list("seal_to")
	quantum := 0
	for _, one := range items {
		text := strings.TrimSpace(one.text)
		if err := checkRecipient(text); err != nil {
			// Without the values of variables: one of them may be a private key.
			v.problems.errorAt(one.expr.Range(), "bad recipient", "seal_to: %s.", err)
			continue
		}
		if postQuantum(text) {
			quantum++
		}
		*out = append(*out, text)
	}
	if quantum > 0 && quantum < len(*out) {
		v.bad("seal_to", "recipients do not mix",
			"age refuses post-quantum recipients (age1pq1…) beside others: write recipients of one kind.")
	}
}

// CheckRecipients says what keeps snapshots from being sealed to recipients. Its error does not repeat them.
func CheckRecipients(texts []string) error {
	for _, text := range texts {
		if err := checkRecipient(text); err != nil {
			return err
		}
	}
	return nil
}

// checkRecipient says what keeps keys from being sealed to a recipient of age. The text may be a private key, so its
// errors never repeat it.
func checkRecipient(text string) error {
	kind, _, _ := strings.Cut(text, " ")
	switch {
	case strings.HasPrefix(strings.ToUpper(text), "AGE-SECRET-KEY-") || strings.Contains(text, "PRIVATE KEY"):
		return errors.New(
			"this is a private key, which does not belong here; give the public one, and make a new pair if others have seen this")
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
