package etcd

import (
	"bytes"
	"slices"
)

// secrets are the settings of a unit in which people put secrets. clusterup writes none of them.
var secrets = []string{"Environment", "SetCredential", "SetCredentialEncrypted"}

// redacted is the text of a unit as it may be shown: without the values of secrets, and without their continuation
// lines.
func redacted(text []byte) []byte {
	shown := make([]byte, 0, len(text))
	hides := false // this line continues a secret
	for line := range bytes.Lines(text) {
		key, value, _ := bytes.Cut(line, []byte("="))
		words := bytes.TrimSpace(line)
		comment := bytes.HasPrefix(words, []byte("#")) || bytes.HasPrefix(words, []byte(";")) // ends no continuation
		secret := len(bytes.TrimSpace(value)) > 0 && slices.Contains(secrets, string(bytes.Trim(key, "#; \t")))
		switch {
		case secret:
			end := line[len(bytes.TrimRight(line, "\r\n")):]
			shown = slices.Concat(shown, key, []byte("=(not shown)"), end)
		case !hides:
			shown = append(shown, line...)
		}
		hides = (secret || hides) && (comment && hides || bytes.HasSuffix(words, []byte(`\`)))
	}
	return shown
}
