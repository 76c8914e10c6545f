package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/plan/etcd"
)

// clientSigner is the generation of the client CA that signs a client's certificate: while it is rotated that takes a
// look at the members, see [trust.State.ClientSigner]; else the only one there is (0). No host is needed for it: a dark one
// only makes an older CA sign.
func (s *session) clientSigner(ctx context.Context, store *pki.Store) (int, error) {
	live := 0
	for _, ca := range store.CAs() {
		if ca.Role == pki.RoleClient && !ca.Retired {
			live++
		}
	}
	if live < 2 {
		return 0, nil
	}
	looking, looked := s.console.UntilStopped(ctx)
	defer looked()
	seen, err := s.Gather(looking)
	if err != nil {
		return 0, err
	}
	ca, ok := etcd.Trust(etcd.Want{Cluster: s.Cluster}, seen).ClientSigner()
	if !ok {
		return 0, errors.New("the client CA is being rotated, and no CA signs for the moment: " +
			"clusterup status shows how they stand")
	}
	newest := 0
	for _, ca := range store.CAs() {
		if ca.Role == pki.RoleClient && !ca.Retired {
			newest = ca.Generation
		}
	}
	dark := slices.DeleteFunc(seen.Names(), func(name string) bool { return seen.Hosts[name].Unreachable == "" })
	s.signerNote(ca.Generation, newest, dark)
	return ca.Generation, nil
}

// signerNote says what a certificate is good for that is issued while the client CA is rotated.
func (s *session) signerNote(signer, newest int, dark []string) {
	const begin = "note: the client CA is being rotated, and this certificate is of the "
	switch {
	case signer == newest:
		s.console.Say(begin+"new one, CA %d, which all members trust already", signer)
	case len(dark) > 0:
		s.console.Say(begin+"old one, CA %d, which all members trust: "+
			"whether %s, which cannot be seen, trusts CA %d is not known. "+
			"Before CA %[1]d is dropped, the client needs another one: run this again when all hosts can be seen.",
			signer, strings.Join(dark, " and "), newest)
	default:
		s.console.Say(begin+"old one, CA %d: not every member trusts CA %d yet", signer, newest)
	}
}
