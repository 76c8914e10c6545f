package trust

import (
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
)

// Certificates of clients count, are refused, or want another soon.
func TestClients(t *testing.T) {
	type cert struct {
		name, serial     string
		generation, left int
	}
	old, lost := cert{"app", "a", 1, 200}, cert{"app", "b", 2, 300}
	const aborted = "1 2r"
	for _, test := range []struct {
		name, cas                string
		certs                    []cert
		revoked                  string // a serial number
		newest, behind, expiring string // serial numbers
	}{
		{"good", aborted, []cert{old}, "", "a", "", ""},
		{"two names", "1", []cert{old, {"web", "w", 1, 100}}, "", "a w", "", "w"},
		{"the only one is refused", aborted, []cert{lost}, "", "", "b", ""},
		{"the last one is refused", aborted, []cert{old, lost}, "", "a", "b", ""},
		{"another was issued since", aborted, []cert{lost, {"app", "c", 1, 360}}, "", "c", "", ""},
		{"it was revoked", aborted, []cert{lost}, "b", "", "", ""},
		{"the newest was revoked", "1", []cert{old, {"app", "c", 1, 300}}, "c", "a", "", ""},
		{"refused, and ended", aborted, []cert{{"app", "b", 2, -1}}, "", "", "", ""},
		{"refused, ended, and named", aborted, []cert{{"named", "b", 2, -1}}, "", "", "b", ""},
		{"ended", "1", []cert{{"app", "a", 1, -1}}, "", "a", "", ""},
		{"ended, and named", "1", []cert{{"named", "a", 1, -1}}, "", "a", "", "a"},
		{"the root lets it in", "1rs 2s", []cert{old}, "", "a", "", ""},
		{"near its end", "1", []cert{{"app", "a", 1, 119}}, "", "a", "", "a"},
		{"of a CA that is gone", "2", []cert{{"app", "a", 0, 200}}, "", "a", "", ""},
	} {
		s := site(t, "client", test.cas, "")
		s.Named = []string{"named"}
		for _, c := range test.certs {
			s.client(c.name, c.serial, c.generation, c.left)
		}
		for i, c := range s.Seen.Operator.Clients {
			s.Seen.Operator.Clients[i].Revoked = c.Serial == test.revoked
		}
		_, expiring := s.Expiring()
		newest, behind, ends := serialsOf(s.Newest()), serialsOf(s.Behind()), serialsOf(expiring)
		if newest != test.newest || behind != test.behind || ends != test.expiring {
			t.Errorf("%s: newest %q, left behind %q, expiring %q; want %q, %q, %q",
				test.name, newest, behind, ends, test.newest, test.behind, test.expiring)
		}
	}
}

func serialsOf(clients []facts.Client) string {
	var words []string
	for _, c := range clients {
		words = append(words, c.Serial)
	}
	return strings.Join(words, " ")
}

// A client's certificate that lives shorter than certificates are renewed early is near its end in its last third.
func TestShortLivedClient(t *testing.T) {
	for left, want := range map[int]int{31: 0, 29: 1} {
		s := site(t, "client", "1", "")
		s.client("app", "a", 1, left)
		s.Seen.Operator.Clients[0].NotBefore = s.Seen.Operator.Clients[0].NotAfter.Add(-90 * day)
		if _, clients := s.Expiring(); len(clients) != want {
			t.Errorf("with %d days of 90 left: %v", left, clients)
		}
	}
}

// A CA of others is asked for while its leaves still live as long as they should; clusterup's own is not asked for.
func TestExpiringCAs(t *testing.T) {
	for cas, want := range map[string]string{"1": "", "1g": "1", "1gr": "", "1g 2g": "2", "1g 2": "", "1g 2gr": "1"} {
		s := site(t, "peer", cas, "")
		for i := range s.Seen.Operator.CAs {
			s.Seen.Operator.CAs[i].NotAfter = noon.Add(364 * day)
		}
		if due, _ := s.Expiring(); generations(due) != want {
			t.Errorf("CAs %s: %q are asked for, want %q", cas, generations(due), want)
		}
		s.Lifetime = 300 * day
		if due, _ := s.Expiring(); len(due) > 0 {
			t.Errorf("CAs %s: %q are asked for too early", cas, generations(due))
		}
	}
}

// The CA that signs for a client is trusted by all; the note says of which one the certificate is.
func TestClientSigner(t *testing.T) {
	for _, test := range []struct {
		cas, members string
		want         int    // 0: none
		note         string // what it has
	}{
		{"1 2", "1/1 1/1 1/1", 1, "of the old one, CA 1: not every member trusts CA 2 yet"},
		{"1 2", "1+2/1 1+2/1 1/1", 1, "of the old one, CA 1: not every member trusts CA 2 yet"},
		{"1 2", "1+2/1 1+2/1 1+2/1", 2, "of the new one, CA 2, which all members trust already"},
		{"1 2", "1+2/2 dark 1+2/1", 2, "of the new one, CA 2"}, // the leaf proves it
		{
			"1 2", "1+2/1 dark dark", 1,
			"it is not known whether CA 2 is trusted by etcd-2 and etcd-3, which cannot be seen. Before CA 1 is dropped",
		},
		{"1k 2", "1/1 1/1 1/1", 0, ""},
		{"1e 2", "1/1 1/1 1/1", 0, ""},
		{"1 2k", "1+2/1 1+2/1 1+2/1", 1, "of the old one, CA 1"},
	} {
		s := site(t, "client", test.cas, test.members)
		ca, ok := s.ClientSigner()
		if ok != (test.want > 0) || ok && ca.Generation != test.want {
			t.Errorf("CAs %s, members %s: CA %d signs, %v; want %d", test.cas, test.members, ca.Generation, ok, test.want)
		}
		if note := s.SignerNote(ca); ok && !strings.Contains(note, test.note) {
			t.Errorf("CAs %s, members %s: the note is %q, want %q", test.cas, test.members, note, test.note)
		}
	}
}
