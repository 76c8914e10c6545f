package pool

import (
	"net/netip"
	"strings"
	"testing"
)

func TestParseServer(t *testing.T) {
	for value, want := range map[string]string{
		`{"address":"10.0.0.1","port":6432}`:                                           `{"address":"10.0.0.1","port":6432,"check":6432,"weight":100,"state":"ready"}`,
		` {"state":"drain","weight":0,"check":8008,"port":65535,"address":"fd00::1"} `: `{"address":"fd00::1","port":65535,"check":8008,"weight":0,"state":"drain"}`,
		`{"address":"::ffff:10.0.0.1","port":1}`:                                       `{"address":"10.0.0.1","port":1,"check":1,"weight":100,"state":"ready"}`,
	} {
		s, err := ParseServer([]byte(value), nil)
		if err != nil || s.Render() != want {
			t.Errorf("%s: %s, %v", value, s.Render(), err)
		}
		if again, err := ParseServer([]byte(s.Render()), nil); err != nil || again != s {
			t.Errorf("%s again: %v, %v", value, again, err)
		}
	}
}

func TestParseServerRefuses(t *testing.T) {
	lan := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for value, want := range map[string]string{
		``:                                  "it is no JSON object",
		`[]`:                                "it is no JSON object",
		`null`:                              "it is no JSON object",
		`{`:                                 "it is no JSON",
		`{"a"`:                              `unknown`,
		`{"a":`:                             `field "a" is unknown: there are address, port, check, weight, state`,
		`{"address":"10.0.0.1","port":1}{}`: "something follows",
		`{"address":"10.0.0.1","port":1,"port":2}`:               `"port" is there twice`,
		`{"Address":"10.0.0.1","port":1}`:                        `"Address" is unknown`,
		`{"address":"10.0.0.1"}`:                                 `"port" is missing`,
		`{"port":1}`:                                             `"address" is missing`,
		`{"address":null,"port":1}`:                              `"address" is no string: "null"`,
		`{"address":"pg-1.example.com","port":1}`:                "is no IP address",
		`{"address":"10.0.0.1;show info","port":1}`:              "is no IP address",
		`{"address":"10.0.0.1\n","port":1}`:                      `address "10.0.0.1\n" is no IP address`,
		`{"address":"fe80::1%eth0;x","port":1}`:                  "is no IP address",
		`{"address":"0.0.0.0","port":1}`:                         "is of no one server",
		`{"address":"224.0.0.1","port":1}`:                       "is of no one server",
		`{"address":"127.0.0.1","port":1}`:                       "is another one on each node",
		`{"address":"fe80::1","port":1}`:                         "is another one on each node",
		`{"address":"10.0.0.1","port":0}`:                        `"port" is no whole number from 1 to 65535: "0"`,
		`{"address":"10.0.0.1","port":65536}`:                    "whole number",
		`{"address":"10.0.0.1","port":"1"}`:                      "whole number",
		`{"address":"10.0.0.1","port":1.5}`:                      "whole number",
		`{"address":"10.0.0.1","port":1,"check":99999999999999}`: `"check" is no whole number`,
		`{"address":"10.0.0.1","port":1,"weight":257}`:           `"weight" is no whole number from 0 to 256`,
		`{"address":"10.0.0.1","port":1,"state":"READY"}`:        `state "READY" is unknown`,
		`{"address":"10.0.0.1","port":1,"state":""}`:             `state "" is unknown`,
		`{"address":"` + strings.Repeat("1", MaxValue) + `"}`:    "are the most",
	} {
		if s, err := ParseServer([]byte(value), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v; want %s", value, s, err, want)
		}
	}
	if _, err := ParseServer([]byte(`{"address":"192.0.2.1","port":1}`), lan); err == nil {
		t.Error("an address elsewhere is let in")
	}
	if _, err := ParseServer([]byte(`{"address":"10.9.9.9","port":1}`), lan); err != nil {
		t.Error(err)
	}
}

// Nothing of a value but names, addresses and numbers comes through, and errors can be shown.
func FuzzParse(f *testing.F) {
	f.Add("pg-1", `{"address":"10.0.0.1","port":6432,"check":8008,"weight":1,"state":"drain"}`)
	f.Add("a;b", "{\"address\":\"\x1b\"}")
	f.Fuzz(func(t *testing.T, name, value string) {
		keys := Keys{Balancer: "front"}
		want, err := keys.Read(map[string]Key{
			keys.Server(name): {Value: []byte(value)}, keys.Generation(): {Value: []byte(value)},
		}, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, s := range want.Servers {
			if again, err := ParseServer([]byte(s.Render()), nil); err != nil || again != s || CheckName(name) != nil {
				t.Errorf("%q: %v, %v", name, s, err)
			}
		}
		var r Report
		r.Refuse(want.Bad)
		for _, refused := range r.Refused {
			for _, c := range refused.Server + refused.Why {
				if c < ' ' || c > '~' && c != '…' {
					t.Errorf("%q", refused)
				}
			}
		}
		if again, err := ParseReport([]byte(r.Render())); err != nil || len(again.Refused) != len(r.Refused) {
			t.Error(err)
		}
	})
}

func TestGeneration(t *testing.T) {
	for value, want := range map[string]string{
		"": "", "{}": "", `{"confirm":"0123456789abcdef"}`: "0123456789abcdef",
	} {
		if g, err := ParseGeneration([]byte(value)); err != nil || g.Confirm != want {
			t.Errorf("%s: %v, %v", value, g, err)
		}
	}
	for _, value := range []string{
		"1", "true", `{"confirm":true}`, `{"confirm":""}`, `{"confirm":"all"}`, `{"confirm":null}`,
	} {
		if g, err := ParseGeneration([]byte(value)); err == nil {
			t.Errorf("%s: %v", value, g)
		}
	}
	if a, b := Digest(some(Ready, "ab", "c")), Digest(some(Ready, "a", "bc")); a == b || !digest.MatchString(a) {
		t.Error(a, b)
	}
	if a, b := Digest(some(Ready, "a")), Digest(and(some(Ready, "a"), some(Drain, "b"))); a != b {
		t.Error("servers that take no clients are in the digest")
	}
}

func TestNames(t *testing.T) {
	for name, good := range map[string]bool{
		"pg-1": true, "PG_1.example.com": true, "1": true, strings.Repeat("a", 63): true,
		"": false, "-a": false, ".": false, "a b": false, "a/b": false, "a;b": false, "a\n": false, "ä": false,
		strings.Repeat("a", 64): false, "a:1": false,
	} {
		if err := CheckName(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
	for name, good := range map[string]bool{
		"front": true, "a": true, "Front": false, "a-": false, "a/b": false, "": false,
	} {
		if err := CheckBalancer(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestReadTooMany(t *testing.T) {
	keys := Keys{Balancer: "front"}
	all := map[string]Key{}
	for i := range MaxServers + 2 {
		all[keys.Server(strings.Repeat("a", 1+i%60)+string(rune('a'+i%26))+strings.Repeat("b", i/60))] = Key{}
	}
	if len(all) != MaxServers+2 {
		t.Fatal(len(all))
	}
	if _, err := keys.Read(all, 1, nil); err == nil {
		t.Error("no error")
	}
}
