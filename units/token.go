package units

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"strings"
)

// TokenFlag says how a member makes the tokens of users that log in with a password.
const TokenFlag = "auth-token"

// tokenDigits is how many hexadecimal digits of its SHA-256 the name of a key's file has.
const tokenDigits = 16

// TokenKeyPath is the file of the key by which members sign tokens. digest is the SHA-256 of what is in it, in
// hexadecimal, and the name holds a part of that: etcd reads the key only when it starts, so another key has to be
// another command line.
func TokenKeyPath(configDir, digest string) string {
	return path.Join(configDir, "token-"+digest[:min(tokenDigits, len(digest))]+".pem")
}

// TokenKey is that file, for the user that the members run as and for nobody else.
func TokenKey(configDir, user string, pem []byte) File {
	sum := sha256.Sum256(pem)
	return File{
		Path: TokenKeyPath(configDir, hex.EncodeToString(sum[:])), Owner: "root", Group: user, Mode: 0o640,
		Data: pem, Secret: true,
	}
}

// IsTokenKey says that a path is one that TokenKeyPath gives.
func IsTokenKey(configDir, file string) bool {
	digest, isKey := strings.CutPrefix(file, path.Join(configDir, "token-"))
	digest, isPEM := strings.CutSuffix(digest, ".pem")
	return isKey && isPEM && len(digest) == tokenDigits && strings.Trim(digest, "0123456789abcdef") == ""
}

// tokens is the value of TokenFlag: "" without a key, which leaves it to etcd. All members sign with one key, and each
// has the public one from it, so a token is good at every member and after restarts. Its end is ten years away: a token
// ends with its key, and with every change of a user or role.
func tokens(m Member) string {
	if m.TokenKey == "" {
		return ""
	}
	return "jwt,sign-method=ES256,ttl=87600h,priv-key=" + m.TokenKey
}

// TokenKeyOf is the path of the key by which a member with this command line signs tokens; "": it has none.
func TokenKeyOf(args []string) string {
	for option := range strings.SplitSeq(Flag(args, TokenFlag), ",") {
		if key, ok := strings.CutPrefix(option, "priv-key="); ok {
			return key
		}
	}
	return ""
}
