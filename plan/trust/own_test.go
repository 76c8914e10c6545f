package trust

import (
	"fmt"
	"testing"

	"github.com/clusterup/clusterup/facts"
)

// The operator directory alone says what clusterup itself shows, and whom it believes.
func TestOwn(t *testing.T) {
	for _, test := range []struct {
		cas   string
		own   string // of which it shows certificates, the first to peers too
		roots string // whose certificates it accepts
	}{
		{"", "[0]", ""},
		{"1", "[1]", "1"},
		{"1 2", "[1 2]", "1 2"},
		{"1 2 3", "[1 2 3]", "1 2 3"},
		{"1r 2", "[2]", "2"},
		{"1 2r", "[1]", "1 2"}, // a member may still show what was taken back
		{"1r 2 3r", "[2]", "2 3"},
		{"1k 2", "[2]", "1 2"},
		{"1e 2", "[2]", "1 2"},
		{"1 2k", "[1]", "1 2"},
		{"1 2g", "[1]", "1 2"}, // a CA of others is not asked to sign for nothing
		{"1g 2", "[1 2]", "1 2"},
		{"1k", "[0]", "1"},
		{"1e", "[0]", "1"},
	} {
		known := site(t, "client", test.cas, "")
		if own, roots := fmt.Sprint(known.Own()), generations(known.Roots()); own != test.own || roots != test.roots {
			t.Errorf("CAs %s: it shows certificates of %s and accepts %q, want %s and %q", test.cas, own, roots, test.own,
				test.roots)
		}
	}
}

// A CA that is not valid yet signs nothing: another's clock may have made it.
func TestCommonBeforeItsTime(t *testing.T) {
	known := site(t, "peer", "1 2", "")
	known.Seen.Operator.CAs[0].NotBefore = noon.Add(day)
	if got := known.Common("peer"); got != 2 {
		t.Errorf("CA %d is in common, want 2", got)
	}
}

// A bundle has each certificate once, in the order of the generations.
func TestPEM(t *testing.T) {
	one, two := facts.CA{PEM: []byte("one\n")}, facts.CA{PEM: []byte("two\n")}
	below, beside := facts.CA{PEM: []byte("three\n"), Trust: []byte("root\n")},
		facts.CA{PEM: []byte("four\n"), Trust: []byte("root\n")}
	for _, test := range []struct {
		cas  []facts.CA
		want string
	}{
		{nil, ""},
		{[]facts.CA{one, two}, "one\ntwo\n"},
		{[]facts.CA{two, one}, "two\none\n"},
		{[]facts.CA{one, one}, "one\n"},
		{[]facts.CA{below, one, beside}, "root\none\n"},
	} {
		if got := string(PEM(test.cas)); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}
