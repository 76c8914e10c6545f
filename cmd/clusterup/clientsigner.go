package main

import (
	"context"
	"errors"

	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/plan/etcd"
)

// clientSigner is the generation of the client CA that signs a client's certificate; 0: the only one there is. While
// the CA is rotated it looks at the members, see [trust.State.ClientSigner]. A dark host is no error, and only makes an
// older CA sign.
func (s *session) clientSigner(ctx context.Context, store *pki.Store) (int, error) {
	if len(s.Known(store, s.Now()).Live("client")) < 2 {
		return 0, nil
	}
	looking, looked := s.console.UntilStopped(ctx)
	defer looked()
	seen, err := s.Gather(looking)
	if err != nil {
		return 0, err
	}
	certificates := etcd.Trust(etcd.Want{Cluster: s.Cluster}, seen)
	ca, ok := certificates.ClientSigner()
	if !ok {
		return 0, errors.New("the client CA is being rotated, and no CA signs for the moment: " +
			"clusterup status shows how they stand")
	}
	s.console.Say("note: %s", certificates.SignerNote(ca))
	return ca.Generation, nil
}
