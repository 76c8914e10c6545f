package main

import (
	"context"
	"errors"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/plan/trust"
)

// signing is which CA signs a client's certificate now, and what the client is to trust.
type signing struct {
	trust.State
	signer facts.CA
	bundle []byte // PEM
	note   string // what the certificate is good for; "": nothing is to be said
}

// clientSigning looks at the members only while the client CA is rotated, or where a CA was retired that the client
// trusts: there holds, in PEM. A dark host is no error, and only makes an older CA sign.
func (s *session) clientSigning(ctx context.Context, store *pki.Store, there []byte) (signing, error) {
	seen := facts.Snapshot{Taken: s.Now(), Operator: s.Known(store, s.Now()).Seen.Operator}
	now := signing{State: etcd.Trust(etcd.Want{Cluster: s.Cluster}, seen)}
	live := now.Live("client")
	retired := func(ca facts.CA) bool { return ca.Retired }
	if len(live) == 0 {
		return now, pki.ErrNoCA
	}
	if len(live) == 1 && !slices.ContainsFunc(now.ClientBundle(there), retired) {
		now.signer, now.bundle = live[0], trust.PEM(live)
		return now, nil
	}
	looking, looked := s.console.UntilStopped(ctx)
	defer looked()
	seen, err := s.Gather(looking)
	if err != nil {
		return now, err
	}
	now.State = etcd.Trust(etcd.Want{Cluster: s.Cluster}, seen)
	now.bundle = trust.PEM(now.ClientBundle(there))
	if len(live) == 1 {
		now.signer = live[0]
		return now, nil
	}
	signer, ok := now.ClientSigner()
	if !ok {
		return now, errors.New("the client CA is being rotated, and no CA signs for the moment: " +
			"clusterup status shows how they stand")
	}
	now.signer, now.note = signer, now.SignerNote(signer)
	return now, nil
}
