package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/plan"
)

// clientSigner is the generation of the client CA that signs a client's certificate: while it is rotated, the one that signs those of the
// members, which takes a look at them; else the only one there is (0).
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
	for _, ca := range plan.Authorities(plan.Want{Cluster: s.cluster}, seen) {
		if ca.Role == "client" && ca.Signs {
			return ca.Generation, nil
		}
	}
	return 0, errors.New("the client CA is being rotated, and no CA signs for the moment: clusterup status shows how they stand")
}
