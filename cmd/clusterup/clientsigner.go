package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/plan"
)

// clientSigner is the generation of the client CA that signs a client's certificate: while it is rotated, the newest that all members trust,
// which takes a look at them; else the only one there is (0).
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
	looking, looked := s.console.untilStopped(ctx)
	defer looked()
	seen, err := s.gather(looking)
	if err != nil {
		return 0, err
	}
	for _, name := range seen.Names() {
		if host := seen.Hosts[name]; host.Err != nil {
			return 0, fmt.Errorf("the client CA is being rotated, and which one members trust has to be seen: %w", host.Err)
		}
	}
	newest := 0
	for _, ca := range slices.Backward(plan.Authorities(plan.Want{Cluster: s.cluster}, seen)) {
		if ca.Role != "client" || ca.Retired {
			continue
		}
		newest = max(newest, ca.Generation)
		if ca.Signing && seen.Taken.Before(ca.NotAfter) && len(ca.TrustedBy) == len(s.cluster.Members) {
			s.signerNote(ca.Generation, newest)
			return ca.Generation, nil
		}
	}
	return 0, errors.New("the client CA is being rotated, and no CA signs for the moment: clusterup status shows how they stand")
}

// signerNote says what a certificate is good for that is issued while the client CA is rotated.
func (s *session) signerNote(signer, newest int) {
	if signer == newest {
		s.console.say("note: the client CA is being rotated, and this certificate is of the new one, CA %d, which all members trust already", signer)
		return
	}
	s.console.say("note: the client CA is being rotated, and this certificate is of the old one, CA %d: not every member trusts CA %d yet", signer, newest)
}
