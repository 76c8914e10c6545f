package units

import (
	"slices"
	"strings"
	"testing"
)

// TestTokenKey: another key is another command line, the file is for the members alone, and nobody takes a file of
// others for one.
func TestTokenKey(t *testing.T) {
	const conf = "/etc/etcd/prod"
	one, other := TokenKey(conf, "etcd-prod", []byte("one")), TokenKey(conf, "etcd-prod", []byte("other"))
	if one.Path == other.Path || !one.Secret || one.Mode != 0o640 || one.Owner != "root" || one.Group != "etcd-prod" {
		t.Errorf("the files are %+v and %+v", one, other)
	}
	m := Member{Name: "etcd-1", BinDir: "/opt", ConfigDir: conf, TokenKey: one.Path}
	args := Args(m)
	if !slices.Contains(args, "--auth-token=jwt,sign-method=ES256,ttl=87600h,priv-key="+one.Path) || TokenKeyOf(args) != one.Path {
		t.Errorf("the command line is %q", args)
	}
	m.TokenKey = ""
	if args := Args(m); strings.Contains(strings.Join(args, " "), "auth-token") || TokenKeyOf(args) != "" {
		t.Errorf("without a key it is %q", args)
	}
	for file, want := range map[string]bool{
		one.Path: true, conf + "/token-.pem": false, conf + "/token-0123456789abcdeg.pem": false,
		conf + "/token-0123456789abcdef.pem": true, conf + "/x/token-0123456789abcdef.pem": false,
		conf + "/token-0123456789abcdef": false, conf + "/mine.pem": false,
	} {
		if IsTokenKey(conf, file) != want {
			t.Errorf("%s is taken for a key: %v", file, !want)
		}
	}
}
