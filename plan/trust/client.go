package trust

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/clusterup/clusterup/facts"
)

// ClientLeaf is what a client's certificate is to be like.
type ClientLeaf struct {
	User         string // the common name; "": none
	Organization string // "": none
	Algorithm    string // of the key
}

// ClientWanting says why a client has to get another pair; "": the one that it has is good. signer is the CA that signs
// for it now; is is nil where the client has none.
func (s State) ClientWanting(is *facts.ClientPair, wanted ClientLeaf, signer facts.CA) string {
	switch {
	case is == nil:
		return "there is no certificate yet"
	case is.Broken != "":
		return is.Broken
	case is.Generation != signer.Generation && !s.aheadOf(signer, is.Generation):
		return fmt.Sprintf("the certificate is of client CA %d, and client CA %d signs now", is.Generation, signer.Generation)
	case is.User != wanted.User:
		return fmt.Sprintf("the certificate %s, and is to be one that %s", forUser(is.User), forUser(wanted.User))
	case is.Organization != wanted.Organization:
		return fmt.Sprintf("the certificate has the organization %q, and %q is wanted", is.Organization, wanted.Organization)
	case is.Algorithm != wanted.Algorithm:
		return fmt.Sprintf("the key is %s, and %s is wanted", is.Algorithm, wanted.Algorithm)
	case s.Seen.Taken.Before(is.NotBefore):
		return fmt.Sprintf("the certificate is valid only from %s on", is.NotBefore.Format(time.DateOnly))
	case !s.Seen.Taken.Before(is.NotAfter):
		return fmt.Sprintf("the certificate ended on %s", is.NotAfter.Format(time.DateOnly))
	}
	// One that its CA's own end has cut short would be due at once again.
	if !s.Seen.Taken.Before(s.ClientDue(*is)) && is.NotAfter.Before(signer.NotAfter) {
		return fmt.Sprintf("the certificate ends on %s", is.NotAfter.Format(time.DateOnly))
	}
	return ""
}

func forUser(user string) string {
	if user == "" {
		return "has no common name"
	}
	return fmt.Sprintf("is for the user %q", user)
}

// aheadOf says that a certificate of a later CA than the signer may stay: [State.ClientSigner] takes an older one while
// hosts are dark.
func (s State) aheadOf(signer facts.CA, generation int) bool {
	return slices.ContainsFunc(s.Live("client"), func(ca facts.CA) bool {
		return ca.Generation == generation && generation > signer.Generation && !s.over(ca)
	})
}

// ClientDue is when a client's certificate is to be renewed: a little before Expiring tells of it, so that whoever
// renews now and then is in time; but at the earliest half way between its beginning and then, so that none is due as
// soon as it is made.
func (s State) ClientDue(is facts.ClientPair) time.Time {
	early, total := s.early(is.NotBefore, is.NotAfter), is.NotAfter.Sub(is.NotBefore)
	return is.NotAfter.Add(-min(early+early/10, (early+total)/2))
}

// ClientEnds says whether a client's certificate is near its end, as Expiring tells it of recorded ones.
func (s State) ClientEnds(is facts.ClientPair) bool {
	return is.NotAfter.Sub(s.Seen.Taken) < s.early(is.NotBefore, is.NotAfter)
}

// ClientKept is an error where a client's pair is not one to renew: whoever was shut out does not come back by himself,
// not by taking his pair away either. issued are all certificates that the client got.
func (s State) ClientKept(is *facts.ClientPair, issued []facts.Client) error {
	const another = "where the client is to get another, take what is left of the old pair away, and run clusterup cert " +
		"issue without --renew"
	switch {
	case is == nil || is.Broken != "":
		if shutOut(issued) {
			return errors.New("the client's last certificate was revoked, and is not replaced by itself: " + another)
		}
		return nil
	case is.Revoked:
		return errors.New("it was revoked, and is not replaced by itself: " + another)
	case is.Generation == 0:
		return errors.New("no client CA of this operator directory has signed it: choose another --out")
	}
	return nil
}

// shutOut says that the newest of a client's certificates was revoked.
func shutOut(issued []facts.Client) bool {
	var revoked, good time.Time
	for _, c := range issued {
		switch {
		case c.Revoked && c.NotBefore.After(revoked):
			revoked = c.NotBefore
		case !c.Revoked && c.NotBefore.After(good):
			good = c.NotBefore
		}
	}
	return revoked.After(good)
}

// ClientBundle are the CAs that a client is to trust, oldest first: those that are not retired, and of those that it
// trusts already, by the certificates in bundle (PEM), retired ones whose certificates members may still show.
func (s State) ClientBundle(bundle []byte) []facts.CA {
	const role = "client"
	return slices.DeleteFunc(s.CAs(role), func(ca facts.CA) bool {
		shows := func(_ string, host facts.Host) bool { return has(host, ca) }
		return ca.Retired && (!bytes.Contains(bundle, ca.Trusted()) || !s.May(shows))
	})
}

// ClientBundleKept is an error where a client trusts something that is not of this operator directory, or where what it
// trusts cannot be read.
func (s State) ClientBundleKept(bundle []byte) error {
	ours, sums := s.ours(), facts.Certificates(bundle)
	switch {
	case len(bytes.TrimSpace(bundle)) == 0:
		return nil
	case len(sums) == 0:
		return errors.New("holds no certificate")
	case slices.ContainsFunc(sums, func(sum string) bool { return !ours[sum] }):
		return errors.New("holds a certificate of somebody else")
	}
	return nil
}
