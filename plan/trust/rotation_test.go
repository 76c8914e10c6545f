package trust

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/plan"
)

// A member comes to trust what is live, and goes on to trust what a leaf still needs.
func TestBundles(t *testing.T) {
	for _, test := range []struct{ cas, members, want string }{
		{"1 2", "1/1 1/1 1/1", "1 2"},
		{"1r 2", "1+2/2 1+2/2 1+2/2", "2"},
		{"1r 2", "1+2/2 1+2/1 1+2/2", "1 2"},    // a leaf of it is in use
		{"1r 2", "2/2 2/1 2/2", "2"},            // a host came back with an old leaf that nobody accepts
		{"1r 2", "1+2/2 dark 1+2/2", "1 2"},     // the dark one may have a leaf of it
		{"1r 2", "2/2 dark 1+2/2", "2"},         // it is not trusted again for that
		{"1rs 2s", "1+2/2 1+2/1 1+2/2", "2"},    // their root, which is live, lets both in
		{"1 2k 3", "1/1 1/1 1/1", "1 2 3"},      // a CA without a key has signed before
		{"1e 2", "1+2/2 1+2/2 1+2/2", "1 2"},    // it is retired first
		{"1 2r 3r", "1+2+3/3 1/1 1+3/1", "1 3"}, // two rotations that were taken back
	} {
		s := site(t, "peer", test.cas, test.members)
		if got := generations(s.Bundled("peer", s.Hosts["etcd-1"])); got != test.want {
			t.Errorf("CAs %s, members %s: etcd-1 is to trust %s, want %s", test.cas, test.members, got, test.want)
		}
	}
}

// The phases of a rotation, as the members show them: who signs, what is next, and what is waited for.
func TestPhases(t *testing.T) {
	for _, test := range []struct {
		cas, members, hold string
		want               string // generations, phase, signer
		waits              string // its beginning
		steps              string // that end it
	}{
		{"1", "1/1 1/1 1/1", "", "none, signer 1", "", ""},
		{"1 2", "1/1 1/1 1/1", "", "1 → 2 trust, signer 1", "", ""},
		{"1 2", "1+2/1 1+2/1 1/1", "", "1 → 2 trust, signer 1", "", ""},
		{"1 2", "1+2/1 1+2/1 dark", "", "1 → 2 trust, signer 1", "", ""},
		{"1 2", "1+2/1 1+2/1 1+2/1", "", "1 → 2 leaves, signer 2", "", ""},
		{"1 2", "1+2/2 1+2/1 1+2/2", "", "1 → 2 leaves, signer 2", "", ""},
		{"1 2", "1+2/1 1+2/1 1+2/1", HoldTrust, "1 → 2 leaves, signer 1", "it is paused after its phase trust", ""},
		{"1 2", "1+2/2 1+2/1 1+2/2", HoldLeaves, "1 → 2 leaves, signer 2", "", ""},
		{"1 2k", "1+2/1 1+2/1 1+2/1", "", "1 → 2 leaves, signer 1", "the key of peer CA 2 is not at hand", ""},
		{"1 2", "1+2/2 1+2/2 1+2/2", "", "1 → 2 drop, signer 2", "", "retire-ca 1"},
		{"1 2 3", "1+2+3/3 1+2+3/3 1+2+3/3", "", "1 → 3 drop, signer 3", "", "retire-ca 1, retire-ca 2"},
		{"1 2", "1+2/2 1+2/2 1+2/2", HoldLeaves, "1 → 2 drop, signer 2", "it is paused after its phase leaves", ""},
		{"1 2", "1+2/2 1+2/2 1/2", "", "1 → 2 trust, signer 1", "", ""},
		{"1 2", "1+2/2 1+2/2 dark", "", "1 → 2 trust, signer 1", "", ""},
		{"1r 2", "1+2/2 1+2/2 2/2", "", "1 → 2 drop, signer 2", "", ""},
		{"1 2r", "1+2/1 1/1 1/1", "", "2 → 1 drop back, signer 1", "", ""},
		{"1r 2", "2/2 2/2 dark", "", "none, signer 2", "", ""},
		{"1rs 2s", "1/2 1/2 1/2", "", "none, signer 2", "", ""},
		{"1", "1/1 plain 1/1", "", "none, signer 1", "", ""},
		{"1 2", "1+2/1 plain 1+2/1", "", "1 → 2 leaves, signer 2", "", ""}, // it accepts everybody
	} {
		s := site(t, "peer", test.cas, test.members)
		s.Seen.Operator.Holds = map[string]string{"peer": test.hold}
		got, waits := "none", ""
		for _, r := range s.Rotations() {
			got, waits = fmt.Sprintf("%d → %d %s", r.From, r.To, r.Phase), r.Waits
			if r.Back {
				got += " back"
			}
		}
		signer, _ := s.Signer("peer")
		if got += fmt.Sprintf(", signer %d", signer.Generation); got != test.want || !begins(waits, test.waits) {
			t.Errorf("CAs %s, members %s: %s, waits %q; want %s, %q", test.cas, test.members, got, waits, test.want, test.waits)
		}
		if got := told(s.retire("peer")); got != test.steps {
			t.Errorf("CAs %s, members %s: it ends by %q, want %q", test.cas, test.members, got, test.steps)
		}
	}
}

// begins is strings.HasPrefix, but nothing begins only with nothing.
func begins(text, with string) bool {
	return (text == "") == (with == "") && strings.HasPrefix(text, with)
}

// The old client CA is not dropped while a client hangs on it, unless that was accepted.
func TestClientsHoldARotationUp(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*State)
		waits  string
	}{
		{"nobody", func(*State) {}, ""},
		{"one", func(s *State) { s.client("app", "a", 1, 90) }, "the newest certificate of client app is of client CA 1"},
		{"several", func(s *State) {
			for _, name := range []string{"a", "b", "c", "d", "e"} {
				s.client(name, name, 1, 90)
			}
		}, "the newest certificate of clients a, b, c and 2 more is of client CA 1"},
		{"one that has another", func(s *State) { s.client("app", "a", 1, 90); s.client("app", "b", 2, 300) }, ""},
		{"one whose certificate has ended", func(s *State) { s.client("app", "a", 1, -1) }, ""},
		{
			"one that is revoked", func(s *State) { s.client("app", "a", 1, 90); s.Seen.Operator.Clients[0].Revoked = true },
			"",
		},
		{
			"one that was given up", func(s *State) { s.client("app", "a", 1, 90); s.Accept = []plan.Risk{plan.OldClients} },
			"",
		},
	} {
		s := site(t, "client", "1 2", "1+2/2 1+2/2 1+2/2")
		test.change(&s)
		if got := s.waits("client"); !begins(got, test.waits) {
			t.Errorf("%s: it waits %q, want %q", test.name, got, test.waits)
		}
		if dropped := told(s.retire("client")) == "retire-ca 1"; dropped != (test.waits == "") {
			t.Errorf("%s: CA 1 is dropped: %v", test.name, dropped)
		}
	}
}

// A certificate of a retired CA is accepted as long as a live one has the same root, and hangs on the last of those.
func TestClientsOfASharedRoot(t *testing.T) {
	for _, test := range []struct{ cas, members, hang string }{
		{"1rs 2s 3", "2+3/3 2+3/3 2+3/3", "app"},
		{"1rs 2s 3s", "2+3/3 2+3/3 2+3/3", ""},
		{"1r 2s 3", "2+3/3 2+3/3 2+3/3", ""},
		{"1rs 2 3s", "2+3/3 2+3/3 2+3/3", ""},
	} {
		s := site(t, "client", test.cas, test.members)
		s.client("app", "a", 1, 90)
		if got := strings.Join(s.hanging(s.ca(t, "client", "2")), " "); got != test.hang {
			t.Errorf("CAs %s, members %s: on CA 2 hang %q, want %q", test.cas, test.members, got, test.hang)
		}
		if drops := told(s.retire("client")) != ""; drops != (test.hang == "") {
			t.Errorf("CAs %s, members %s: CA 2 is dropped: %v", test.cas, test.members, drops)
		}
	}
}

// A CA that every member has dropped is retired here too, and no other is.
func TestDroppedByMembers(t *testing.T) {
	for _, test := range []struct{ cas, members, want string }{
		{"1 2", "2/2 2/2 2/2", "1"},
		{"1 2", "2/2 1+2/2 2/2", ""},
		{"1 2", "2/2 2/1 2/2", ""},
		{"1 2", "2/2 2/2 dark", ""},
		{"1 2", "2/2 plain 2/2", ""},
		{"1 2k", "2/2 2/2 2/2", ""},
		{"1 2 3", "2+3/3 2+3/3 2+3/3", "1"},
	} {
		s := site(t, "peer", test.cas, test.members)
		if got := generations(s.dropped("peer")); got != test.want {
			t.Errorf("CAs %s, members %s: members have dropped %q, want %q", test.cas, test.members, got, test.want)
		}
	}
}

// A CA has ended for good only where all that members trust has.
func TestEnded(t *testing.T) {
	for _, test := range []struct {
		cas, members string
		ended        bool
		signer       int
	}{
		{"1", "1/1 1/1 1/1", false, 1},
		{"1e", "1/1 1/1 1/1", true, 1},
		{"1e 2", "1/1 1/1 1/1", true, 2},
		{"1e 2", "1+2/1 1/1 1/1", true, 2},
		{"1e 2", "1+2/1 1+2/1 1+2/1", false, 2},
		{"1 2e", "1+2/1 1+2/1 1+2/1", false, 1},
		{"1e", "plain plain plain", false, 1},
		{"1e 2", "1+2/1 1+2/1 dark", true, 2},
	} {
		s := site(t, "peer", test.cas, test.members)
		signer, _ := s.Signer("peer")
		if s.Ended("peer") != test.ended || signer.Generation != test.signer {
			t.Errorf("CAs %s, members %s: ended is %v, want %v; CA %d signs, want %d",
				test.cas, test.members, s.Ended("peer"), test.ended, signer.Generation, test.signer)
		}
		for _, accept := range [][]plan.Risk{nil, {plan.Downtime}} {
			s.Accept = accept
			want := ""
			if test.ended && accept == nil {
				want = string(plan.NeedsConsent)
			}
			if got := refusals(s.Refusals()); got != want {
				t.Errorf("CAs %s, members %s: refused as %q, want %q", test.cas, test.members, got, want)
			}
		}
	}
}

func refusals(found []plan.Refusal) string {
	var kinds []string
	for _, r := range found {
		kinds = append(kinds, string(r.Kind))
	}
	return strings.Join(kinds, ", ")
}

// Why a wish about CAs is refused.
func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		name, role, cas, members string
		wish                     Wish
		kind, reason             string
	}{
		{
			"a successor to another's CA", "peer", "1g", "1/1",
			Wish{Generation: map[string]int{"peer": 2}},
			"given-ca",
			"peer CA 1 was not made by clusterup",
		},
		{"one that is there", "peer", "1g", "1/1", Wish{Generation: map[string]int{"peer": 1}}, "", ""},
		{"another's CA has ended", "peer", "1 2ge", "1+2/1", Wish{}, "given-ca", "peer CA 2 ended on 2026-11-20"},
		{
			"back to a CA that has ended", "peer", "1e 2", "1+2/2",
			Wish{Abort: []string{"peer"}},
			"too-late",
			"peer CA 1 ended on 2026-11-20",
		},
		{
			"back to one that is retired", "peer", "1r 2", "1+2/2 2/2",
			Wish{Abort: []string{"peer"}},
			"too-late",
			"peer CA 1 is retired already",
		},
		{"back in time", "peer", "1 2", "1+2/2", Wish{Abort: []string{"peer"}}, "", ""},
		{"back of another role", "peer", "1e 2", "1+2/2", Wish{Abort: []string{"client"}}, "", ""},
		{"locked out", "client", "1k 2", "1/1 1+2/1", Wish{}, "ca-key-missing", "the members trust client CA 1 alone"},
		{"the next CA is trusted", "client", "1k 2", "1+2/1 1+2/1", Wish{}, "", ""},
		{"locked out, and back", "client", "1k 2", "1/1 1+2/1", Wish{Abort: []string{"client"}}, "", ""},
	} {
		s := site(t, test.role, test.cas, test.members)
		s.Wish = test.wish
		found := s.Refusals()
		if got := refusals(found); got != test.kind || got != "" && !strings.HasPrefix(found[0].Reason, test.reason) {
			t.Errorf("%s: %+v, want %s: %s", test.name, found, cmp.Or(test.kind, "no refusal"), test.reason)
		}
	}
}
