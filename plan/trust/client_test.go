package trust

import (
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
)

// A client's pair is replaced for one of these reasons, and for no other.
func TestClientWanting(t *testing.T) {
	wanted := ClientLeaf{User: "app", Organization: "team", Algorithm: "ecdsa-p256"}
	good := func() *facts.ClientPair {
		return &facts.ClientPair{
			Client: facts.Client{Generation: 1, NotBefore: noon.Add(-165 * day), NotAfter: noon.Add(200 * day)},
			User:   "app", Organization: "team", Algorithm: "ecdsa-p256",
		}
	}
	for _, test := range []struct {
		name, cas string
		signs     string // the generation that does
		change    func(*facts.ClientPair)
		want      string // what the reason has; "": there is none
	}{
		{"good", "1", "1", func(*facts.ClientPair) {}, ""},
		{"revoked, which is for ClientKept", "1", "1", func(is *facts.ClientPair) { is.Revoked = true }, ""},
		{"broken", "1", "1", func(is *facts.ClientPair) { *is = facts.ClientPair{Broken: "half"} }, "half"},
		{"another user", "1", "1", func(is *facts.ClientPair) { is.User = "x" }, `"x", and is to be one that is for`},
		{"no common name", "1", "1", func(is *facts.ClientPair) { is.User = "" }, "has no common name, and is to be"},
		{"another organization", "1", "1", func(is *facts.ClientPair) { is.Organization = "" }, `"", and "team" is wanted`},
		{"another algorithm", "1", "1", func(is *facts.ClientPair) { is.Algorithm = "rsa-3072" }, "rsa-3072"},
		{"not due", "1", "1", func(is *facts.ClientPair) { is.NotAfter = noon.Add(133 * day) }, ""},
		{"due", "1", "1", func(is *facts.ClientPair) { is.NotAfter = noon.Add(131 * day) }, "ends on"},
		{"ended", "1", "1", func(is *facts.ClientPair) { is.NotAfter = noon }, "ended on"},
		{"from tomorrow on", "1", "1", func(is *facts.ClientPair) { is.NotBefore = noon.Add(day) }, "only from"},
		{"the old CA signs", "1 2", "1", func(*facts.ClientPair) {}, ""},
		{"the next CA signs", "1 2", "2", func(*facts.ClientPair) {}, "client CA 1, and client CA 2 signs"},
		{"its CA is dropped", "1r 2", "2", func(*facts.ClientPair) {}, "client CA 1, and client CA 2 signs"},
		{"ahead of what signs", "1 2", "1", func(is *facts.ClientPair) { is.Generation = 2 }, ""},
		{"of a CA that was taken back", "1 2r", "1", func(is *facts.ClientPair) { is.Generation = 2 }, "client CA 2, and client CA 1 signs"},
	} {
		s := site(t, "client", test.cas, "")
		is := good()
		test.change(is)
		got := s.ClientWanting(is, wanted, s.ca(t, "client", test.signs))
		if !strings.Contains(got, test.want) || (got == "") != (test.want == "") {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	s := site(t, "client", "1", "")
	if got := s.ClientWanting(nil, wanted, s.ca(t, "client", "1")); got == "" {
		t.Error("a client without a pair gets none")
	}
}

// A certificate that ends with its CA is not made again and again, and none is due as soon as it is made.
func TestClientDue(t *testing.T) {
	s := site(t, "client", "1", "")
	is := facts.ClientPair{Client: facts.Client{Generation: 1}}
	is.NotBefore, is.NotAfter = noon.Add(-200*day), noon.Add(30*day)
	if why := s.ClientWanting(&is, ClientLeaf{}, facts.CA{Generation: 1, NotAfter: is.NotAfter}); why != "" {
		t.Errorf("its CA ends with it: %s", why)
	}
	const total = 365 * day
	for early := day; early < total; early += day {
		s.RenewBefore = early
		is.NotBefore, is.NotAfter = noon, noon.Add(total)
		due, told := s.ClientDue(is), is.NotAfter.Add(-s.early(is.NotBefore, is.NotAfter))
		if !due.Before(told) || due.Sub(noon) < told.Sub(noon)/2 {
			t.Errorf("renewed %s before its end, it is due after %s, and told of after %s", early, due.Sub(noon), told.Sub(noon))
		}
	}
	for _, life := range []time.Duration{time.Minute, time.Hour, day, 90 * day} {
		is.NotAfter = noon.Add(life)
		if due := s.ClientDue(is).Sub(noon); due < life/2 || due > life*2/3 {
			t.Errorf("one that lives %s is due after %s", life, due)
		}
	}
}

// A client that was revoked, or is somebody else's, keeps what it has.
func TestClientKept(t *testing.T) {
	s := site(t, "client", "1", "")
	for name, test := range map[string]struct {
		is   *facts.ClientPair
		kept bool
	}{
		"none":               {nil, false},
		"good":               {&facts.ClientPair{Client: facts.Client{Generation: 1}}, false},
		"broken":             {&facts.ClientPair{Broken: "half"}, false},
		"revoked":            {&facts.ClientPair{Client: facts.Client{Generation: 1, Revoked: true}}, true},
		"of somebody else's": {&facts.ClientPair{}, true},
	} {
		if err := s.ClientKept(test.is, nil); (err != nil) != test.kept {
			t.Errorf("%s: %v", name, err)
		}
	}
	good, later := facts.Client{NotBefore: noon}, facts.Client{NotBefore: noon.Add(day)}
	revoked, since := facts.Client{NotBefore: noon, Revoked: true}, facts.Client{NotBefore: noon.Add(day), Revoked: true}
	for name, test := range map[string]struct {
		issued []facts.Client
		kept   bool
	}{
		"shut out": {[]facts.Client{good, since}, true}, "the only one": {[]facts.Client{revoked}, true},
		"let in": {[]facts.Client{revoked, later}, false}, "at once": {[]facts.Client{revoked, good}, false},
	} {
		for _, is := range []*facts.ClientPair{nil, {Broken: "half"}} {
			if err := s.ClientKept(is, test.issued); (err != nil) != test.kept {
				t.Errorf("%s, %v: %v", name, is, err)
			}
		}
	}
}

// A client trusts what is not retired, and a retired CA that it trusts already while a member may show a certificate of
// it: also one that was taken back.
func TestClientBundle(t *testing.T) {
	for _, test := range []struct{ cas, trusts, members, want string }{
		{"1", "", "1/1 1/1 1/1", "1"},
		{"1 2", "", "1/1 1/1 1/1", "1 2"},
		{"1 2", "1", "dark dark dark", "1 2"},
		{"1r 2", "1 2", "2/2 2/2 2/2", "2"},
		{"1r 2", "1 2", "2/2 2/2 dark", "1 2"},
		{"1r 2", "2", "2/2 2/2 dark", "2"},
		{"1 2r", "1 2", "1+2/2 1+2/2 1+2/1", "1 2"},
		{"1 2r", "1 2", "1/1 1/1 1/1", "1"},
		{"1 2r", "1", "1+2/2 1+2/2 1+2/1", "1"},
	} {
		s := site(t, "client", test.cas, test.members)
		var there []facts.CA
		for generation := range strings.FieldsSeq(test.trusts) {
			there = append(there, s.ca(t, "client", generation))
		}
		if got := generations(s.ClientBundle(PEM(there))); got != test.want {
			t.Errorf("CAs %s, trusts %s, members %s: %q, want %q", test.cas, test.trusts, test.members, got, test.want)
		}
	}
}
