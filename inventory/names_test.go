package inventory

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.1": "10.0.0.1", "2001:DB8:0::1": "2001:db8::1", "[2001:db8::1]": "2001:db8::1", "::1": "::1",
		"DB1.Example.com": "db1.example.com", "etcd-1": "etcd-1", "1and1.example": "1and1.example",
		"xn--bcher-kva.example":        "xn--bcher-kva.example",
		strings.Repeat("a", 63) + ".b": strings.Repeat("a", 63) + ".b",
	} {
		if got, err := parseAddress(text); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"": "empty", "https://a": "without scheme", "10.0.0.1:22": "without the port", "a:22": "without the port",
		"[::1]:22":    "without the port",
		"10.0.0.0/24": "prefix length", "2001:db8::/64": "prefix length", "10.0.0.256": "neither", "10.0.0": "neither",
		"1":          "neither",
		"[10.0.0.1]": "brackets", "[a]": "brackets", "[::1": "brackets", "::1]": "not an IPv6", "2001:db8::g": "not an IPv6",
		"fe80::1%eth0": "zone", "fe80::1": "link-local", "0.0.0.0": "one host", "::": "one host", "224.0.0.1": "one host",
		"ff02::1": "one host", "255.255.255.255": "one host",
		"::ffff:10.0.0.1": "10.0.0.1", "a..b": "neither", "-a": "neither", "a-.b": "neither", "a_b": "neither",
		"bücher.example": "neither", "a b": "neither",
		"a.": "final dot", "*.a": "neither", "ops@a": "user", strings.Repeat("a", 64): "neither",
		strings.Repeat("a.", 127) + "a": "253",
	} {
		if got, err := parseAddress(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v; want an error with %q", text, got, err, want)
		}
	}
}

// TestAddressIsStable: what was read is read again as itself.
func TestAddressIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.StringMatching(`[A-Za-z0-9.:\[\]%/@-]{0,40}`), rapid.Custom(func(t *rapid.T) string {
			return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "ip"))).String()
		})).Draw(t, "address")
		first, err := parseAddress(text)
		if err != nil {
			return
		}
		if second, err := parseAddress(first); err != nil || second != first {
			t.Fatalf("%q became %q, then %q, %v", text, first, second, err)
		}
	})
}

func TestCheckDataDir(t *testing.T) {
	for _, dir := range []string{
		"/var/lib/etcd", "/var/lib/etcd/a", "/srv/etcd", "/data", "/mnt/disk1/etcd", "/opt/etcd",
		"/opt/clusterup-data",
	} {
		if err := CheckDataDir(dir); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
	for _, dir := range []string{
		"", "etcd", "./etcd", "/", "//", "/srv/", "/srv/../etc", "/var", "/var/lib", "/etc", "/etc/etcd/a", "/opt/clusterup",
		"/opt/clusterup/etcd", "/usr/local/etcd",
		"/tmp/etcd", "/run/etcd", "/proc/1", "/root/etcd", "/home/a/etcd", "/srv/a b", "/srv/%n", "/srv/$HOME", "/srv/a\n",
		"/srv/é", "/srv/" + strings.Repeat("a", 200),
	} {
		if err := CheckDataDir(dir); err == nil {
			t.Errorf("%q is taken", dir)
		}
	}
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"a", "etcd-1", "db1.example.com", "0", strings.Repeat("a", 63)} {
		if err := checkName(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{
		"", "A", "-a", "a-", ".", "..", "a..b", "a.", "a/b", "a b", "a=b", "a,b", "ä", "a\n",
		strings.Repeat("a", 64),
	} {
		if err := checkName(name); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
}

// TestFlagTable guards the table against damage: a flag of each kind, of each
// lifetime, and no line that does not parse.
func TestFlagTable(t *testing.T) {
	for name, want := range map[string]etcdFlag{
		"pre-vote":                           {"bool", []string{"3.5", "3.6", "3.7"}},
		"max-request-bytes":                  {"uint", []string{"3.5", "3.6", "3.7"}},
		"enable-v2":                          {"bool", []string{"3.5"}},
		"corrupt-check-time":                 {"duration", []string{"3.6", "3.7"}},
		"experimental-initial-corrupt-check": {"bool", []string{"3.5", "3.6"}},
		"quota-backend-bytes":                {"int", []string{"3.5", "3.6", "3.7"}},
		"feature-gates":                      {"string", []string{"3.6", "3.7"}},
	} {
		if got := etcdFlags()[name]; got.kind != want.kind || !slices.Equal(got.minors, want.minors) {
			t.Errorf("%s is %+v, want %+v", name, got, want)
		}
	}
	for name, flag := range etcdFlags() {
		if !slices.Contains([]string{"bool", "int", "uint", "duration", "string"}, flag.kind) {
			t.Errorf("%s is of the kind %q", name, flag.kind)
		}
		for _, minor := range flag.minors {
			if !slices.Contains(knownMinors, minor) {
				t.Errorf("%s is in %q", name, minor)
			}
		}
	}
	for name := range ownedFlags {
		if _, ok := etcdFlags()[name]; !ok {
			t.Errorf("%s is owned, but no etcd has it", name)
		}
	}
	for name := range etcdFlags() {
		for _, part := range []string{"cert", "key-file", "ca-file", "crl", "auto-tls"} {
			if _, owned := ownedFlag(name); strings.Contains(name, part) && !owned {
				t.Errorf("%s can be set beside what clusterup makes of certificates", name)
			}
		}
	}
	for name, g := range gates {
		if flag := etcdFlags()[g.flag]; g.flag != "" &&
			(flag.kind != "bool" || !slices.Equal(flag.minors, []string{"3.5", "3.6"})) {
			t.Errorf("%s was %s, but that is %+v", name, g.flag, flag)
		}
	}
}

// flagIn is what a flag of another minor is called in this one: its own
// name, a new name, or "" when there is none. Flags that turned into a feature
// gate are answered as "feature-gates" and the name of the gate.
func flagIn(name, minor string) (flag, gate string) {
	s := setting{gate: gateOf(name), spellings: []string{name}}
	if name == gatesFlag && hasFlag(name, minor) {
		return name, ""
	}
	if flag = s.flagIn(minor); flag == gatesFlag {
		return flag, s.gate
	}
	return flag, ""
}

func TestFlagIn(t *testing.T) {
	for _, tt := range []struct{ name, minor, flag, gate string }{
		{"pre-vote", "3.7", "pre-vote", ""},
		{"experimental-corrupt-check-time", "3.7", "corrupt-check-time", ""},
		{"corrupt-check-time", "3.5", "experimental-corrupt-check-time", ""},
		{"experimental-initial-corrupt-check", "3.7", "feature-gates", "InitialCorruptCheck"},
		{"experimental-initial-corrupt-check", "3.6", "experimental-initial-corrupt-check", ""},
		{"experimental-enable-lease-checkpoint-persist", "3.7", "feature-gates", "LeaseCheckpointPersist"},
		{"feature-gates", "3.7", "feature-gates", ""},
		{"feature-gates", "3.5", "", ""},
		{"enable-v2", "3.6", "", ""},
		{"no-such-flag", "3.6", "", ""},
	} {
		if flag, gate := flagIn(tt.name, tt.minor); flag != tt.flag || gate != tt.gate {
			t.Errorf("%s in %s: %q %q, want %q %q", tt.name, tt.minor, flag, gate, tt.flag, tt.gate)
		}
	}
}
