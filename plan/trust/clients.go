package trust

import (
	"bytes"
	"slices"
	"time"

	"github.com/clusterup/clusterup/facts"
)

// Newest are the client certificates that count: of each name the newest that members accept.
func (s State) Newest() []facts.Client {
	return s.newestOf(func(c facts.Client) bool { return s.Refused(c) == "" })
}

// Behind are the clients that a rotation has left behind: their newest certificate that is not revoked is of a CA that
// was dropped, so that all members refuse it.
func (s State) Behind() []facts.Client {
	newest := s.newestOf(func(c facts.Client) bool { return !c.Revoked })
	return slices.DeleteFunc(newest, func(c facts.Client) bool { return !s.CARetired(c) || !s.Used(c) })
}

// newestOf are, of each name, the newest of those certificates that count.
func (s State) newestOf(counts func(facts.Client) bool) []facts.Client {
	var found []facts.Client
	for _, c := range s.Seen.Operator.Clients { // by name, then age
		i := slices.IndexFunc(found, func(other facts.Client) bool { return other.Name == c.Name })
		switch {
		case !counts(c):
		case i >= 0:
			found[i] = c
		default:
			found = append(found, c)
		}
	}
	return found
}

// Refused is why members refuse a client's certificate even before its end; "": they accept it.
func (s State) Refused(c facts.Client) string {
	switch {
	case c.Revoked:
		return "revoked"
	case s.CARetired(c):
		return "its CA is retired"
	}
	return ""
}

// CARetired says that the CA of a client's certificate is retired, and that no other lets it in.
func (s State) CARetired(c facts.Client) bool {
	return slices.ContainsFunc(s.CAs("client"), func(ca facts.CA) bool {
		return ca.Generation == c.Generation && ca.Retired && !s.shared(ca)
	})
}

// shared says that members trust a live CA by the same certificate, as where two intermediates share their root.
func (s State) shared(ca facts.CA) bool {
	return slices.ContainsFunc(s.Live(ca.Role), func(other facts.CA) bool {
		return bytes.Equal(other.Trusted(), ca.Trusted())
	})
}

// Used says whether somebody is to have a certificate like this one: the inventory names the client, or the certificate
// has not ended.
func (s State) Used(c facts.Client) bool {
	return slices.Contains(s.Named, c.Name) || s.Seen.Taken.Before(c.NotAfter)
}

// Expiring are certificates near their end that no apply renews: the newest CAs where others made them, and the newest
// certificates of clients.
func (s State) Expiring() (cas []facts.CA, clients []facts.Client) {
	for _, ca := range s.Seen.Operator.CAs {
		newest := !ca.Retired && ca.Generation == s.newest(ca.Role)
		if ca.Given && newest && ca.NotAfter.Sub(s.Seen.Taken) < max(s.RenewBefore, s.Lifetime) {
			cas = append(cas, ca)
		}
	}
	for _, c := range s.Newest() {
		if s.Used(c) && !s.service(c.Name) && c.NotAfter.Sub(s.Seen.Taken) < s.early(c.NotBefore, c.NotAfter) {
			clients = append(clients, c)
		}
	}
	return cas, clients
}

// LeafEnds says whether a member's certificate is due.
func (s State) LeafEnds(leaf facts.Leaf) bool {
	return s.Seen.Taken.After(leaf.NotAfter.Add(-s.early(leaf.NotBefore, leaf.NotAfter)))
}

// early is how long before its end a certificate is renewed; for one that lives no longer than that, a third of its
// life, since clusterup did not choose its lifetime.
func (s State) early(begin, end time.Time) time.Duration {
	if total := end.Sub(begin); s.RenewBefore >= total {
		return total / 3
	}
	return s.RenewBefore
}
