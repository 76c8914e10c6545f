package inventory

import (
	"fmt"
	"testing"
)

// TestFlagValues is by what etcd 3.5.35, 3.6.16 and 3.7.3 did when they were started with each.
func TestFlagValues(t *testing.T) {
	for _, tt := range []struct {
		flag string
		good []string
		bad  []string
	}{
		{
			"auth-token",
			[]string{"simple", "jwt,pub-key=a,priv-key=b,sign-method=RS256,ttl=5m"},
			[]string{"jwt", "foo", "jwt,pub-key", "jwt,a=b,a=c"},
		},
		{
			"cipher-suites",
			[]string{"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305"},
			[]string{"TLS_X", "", "TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384", "ECDHE-RSA-AES128-GCM-SHA256"},
		},
		{
			"cors",
			[]string{"*", "https://a:443", "https://a:443,http://[::1]:80", "unix://a"},
			[]string{"foo", "http://a", "", "http://a:1/b", "*,http://a:1"},
		},
		{"experimental-compact-hash-check-time", []string{"1m"}, []string{"0s", "-1s"}},
		{"distributed-tracing-sampling-rate", []string{"0", "1000000"}, []string{"-1", "1000001"}},
		{"log-level", []string{"info", "DEBUG"}, []string{"warning", "loud"}},
		{"max-concurrent-streams", []string{"4294967295"}, []string{"4294967296"}},
		{"tls-min-version", []string{"TLS1.2", "TLS1.3"}, []string{"TLS1.1", "1.2", "tls1.2"}},
		{"v2-deprecation", []string{"not-yet", "write-only-skip-check"}, []string{"foo"}},
	} {
		for _, text := range tt.good {
			if takes, ok := knownValue(tt.flag)(text); !ok {
				t.Errorf("%s = %q is refused: takes %s", tt.flag, text, takes)
			}
		}
		for _, text := range tt.bad {
			if takes, ok := knownValue(tt.flag)(text); ok || takes == "" {
				t.Errorf("%s = %q is taken (%q)", tt.flag, text, takes)
			}
		}
	}
	for name := range flagValues {
		if len(etcdFlags()[name].minors)+len(etcdFlags()[oldPrefix+name].minors) == 0 {
			t.Errorf("etcd has no flag %s", name)
		}
	}
}

// A gate that needs another one is taken where all gates of its kind are open.
func TestGatesTogether(t *testing.T) {
	for gates, good := range map[string]bool{
		"LeaseCheckpointPersist=true":                       false,
		"LeaseCheckpointPersist=true,LeaseCheckpoint=true":  true,
		"LeaseCheckpointPersist=true,LeaseCheckpoint=false": false,
		"LeaseCheckpointPersist=true,AllAlpha=true":         true,
		"LeaseCheckpointPersist=true,AllAlpha=false":        false,
		"LeaseCheckpointPersist=false":                      true,
	} {
		text := fmt.Sprintf(
			"cluster \"prod\" {\n  version = \"3.6.16\"\n  etcd {\n    flags = { \"feature-gates\" = %q }\n  }\n"+
				"  member \"etcd-1\" { address = \"10.0.0.11\" }\n}\n", gates)
		_, diags := Parse([]byte(text), "test.hcl", Options{Home: "/home/op"})
		if err := diags.Err(); (err == nil) != good {
			t.Errorf("%s: %v", gates, err)
		}
	}
}
