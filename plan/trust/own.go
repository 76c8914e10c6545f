package trust

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// PEM are the certificates to trust for CAs, each once: generations of an intermediate may share their root.
func PEM(cas []facts.CA) []byte {
	var bundle []byte
	for _, ca := range cas {
		if !bytes.Contains(bundle, ca.Trusted()) {
			bundle = append(bundle, ca.Trusted()...)
		}
	}
	return bundle
}

// Common is the generation of a CA of which every member accepts certificates: while one is rotated that is the oldest
// that is not retired. Where none can sign it is 0, which stands for the newest.
func (s State) Common(role string) int {
	for _, ca := range s.CAs(role) {
		if ca.Signing && !s.over(ca) && !s.Seen.Taken.Before(ca.NotBefore) {
			return ca.Generation
		}
	}
	return 0
}

// Own are the generations of the client CA of which clusterup itself shows a certificate: one that every member
// accepts as far as the operator directory knows, and those of its own CAs that came later. A directory out of a backup
// does not know that members have dropped the older CA, and accept the later one alone.
func (s State) Own() []int {
	first := s.Common("client")
	own := []int{first}
	for _, ca := range s.CAs("client") {
		if first != 0 && ca.Generation > first && ca.Signing && !ca.Given {
			own = append(own, ca.Generation)
		}
	}
	return own
}

// Roots are the client CAs whose certificates members may show: those that are not retired, and those whose rotation
// was taken back, since members may still have certificates of them.
func (s State) Roots() []facts.CA {
	var roots []facts.CA
	for _, ca := range s.CAs("client") {
		if !ca.Retired || len(roots) > 0 {
			roots = append(roots, ca)
		}
	}
	return roots
}

// ClientSigner is the CA that is to sign a client's certificate now: the newest that every member was seen to trust, or
// of which a member has a certificate already (law 5). If hosts are dark and there is none, it is the oldest that is
// not retired, which every member trusts. False: no CA can sign now.
func (s State) ClientSigner() (facts.CA, bool) {
	var oldest facts.CA
	for _, ca := range slices.Backward(s.Live("client")) {
		if !ca.Signing || s.over(ca) {
			continue
		}
		if s.trustedByAll(ca) || s.needed(ca) {
			return ca, true
		}
		oldest = ca
	}
	return oldest, len(s.Dark()) > 0 && oldest.Generation > 0
}

// SignerNote says what a client's certificate of signer is good for while the client CA is rotated.
func (s State) SignerNote(signer facts.CA) string {
	const begin = "the client CA is being rotated, and this certificate is of the "
	newest, dark := s.newest("client"), s.Dark()
	switch {
	case signer.Generation == newest:
		return fmt.Sprintf(begin+"new one, CA %d, which all members trust already", newest)
	case len(dark) > 0:
		return fmt.Sprintf(begin+
			"old one, CA %d, which all members trust: it is not known whether CA %d is trusted by %s, which cannot be seen. "+
			"Before CA %[1]d is dropped, the client needs another one: run this again when all hosts can be seen.",
			signer.Generation, newest, plan.Enumerate(dark))
	}
	return fmt.Sprintf(begin+"old one, CA %d: not every member trusts CA %d yet", signer.Generation, newest)
}
