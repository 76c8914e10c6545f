package inventory

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math/bits"
	"strings"
)

// checkRecipient says what keeps keys from being sealed to a recipient of age. What it is asked about may be a private
// key, so it never repeats it.
func checkRecipient(text string) error {
	kind, rest, _ := strings.Cut(text, " ")
	switch {
	case strings.HasPrefix(strings.ToUpper(text), "AGE-SECRET-KEY-") || strings.Contains(text, "PRIVATE KEY"):
		return errors.New("this is a private key, which does not belong in an inventory; give the public one, and make a new pair if others have seen this")
	case strings.ContainsAny(text, "\r\n"):
		return errors.New("write one key in each element")
	case kind == "ssh-ed25519" || kind == "ssh-rsa":
		encoded, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		return checkSSHKey(kind, encoded)
	case strings.HasPrefix(kind, "ssh-") || strings.HasPrefix(kind, "ecdsa-") || strings.HasPrefix(kind, "sk-"):
		return errors.New("of SSH keys, age takes ssh-ed25519 and ssh-rsa; others can only sign")
	case strings.HasPrefix(kind, "age1"):
		return checkAgeKey(text)
	}
	return errors.New("write an SSH public key (the line in ~/.ssh/id_ed25519.pub) or an age recipient (age1…)")
}

// checkSSHKey follows RFC 4253, section 6.6, and RFC 8709, section 4.
func checkSSHKey(kind, encoded string) error {
	broken := errors.New("this is not a whole " + kind + " public key")
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return broken
	}
	var fields [][]byte
	for len(data) > 0 {
		if len(data) < 4 {
			return broken
		}
		length := uint64(binary.BigEndian.Uint32(data))
		if data = data[4:]; length > uint64(len(data)) {
			return broken
		}
		fields, data = append(fields, data[:length]), data[length:]
	}
	switch {
	case len(fields) < 2 || string(fields[0]) != kind:
		return broken
	case kind == "ssh-ed25519" && len(fields) == 2 && len(fields[1]) == 32:
		return nil
	case kind == "ssh-rsa" && len(fields) == 3:
		if bitLen(fields[2]) < 2048 {
			return errors.New("an RSA key has at least 2048 bits")
		}
		return nil
	}
	return broken
}

func bitLen(number []byte) int {
	for len(number) > 0 && number[0] == 0 {
		number = number[1:]
	}
	if len(number) == 0 {
		return 0
	}
	return 8*(len(number)-1) + bits.Len8(number[0])
}

// checkAgeKey checks the sum at the end of a recipient, which is Bech32 (BIP 173) without its bound on the length.
func checkAgeKey(text string) error {
	const charset = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	one := strings.LastIndex(text, "1")
	kind, data := text[:one], text[one+1:]
	if kind != "age" && !postQuantum(text) {
		return errors.New("of age recipients, those of plugins are not known here; use one of age-keygen")
	}
	sum := uint32(1)
	step := func(value uint32) {
		top := sum >> 25
		sum = sum&0x1ffffff<<5 ^ value
		for i, generator := range []uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			sum ^= generator * (top >> i & 1)
		}
	}
	for _, c := range []byte(kind) {
		step(uint32(c >> 5))
	}
	step(0)
	for _, c := range []byte(kind) {
		step(uint32(c & 31))
	}
	for _, c := range []byte(data) {
		step(uint32(strings.IndexByte(charset, c)) & 31)
		if strings.IndexByte(charset, c) < 0 {
			return errors.New("this is not a whole age recipient")
		}
	}
	if sum != 1 || kind == "age" && len(data) != 52+6 {
		return errors.New("this is not a whole age recipient")
	}
	return nil
}

func postQuantum(text string) bool { return strings.HasPrefix(text, "age1pq1") }
