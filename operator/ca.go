package operator

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/plan/trust"
	"github.com/clusterup/clusterup/snapshot"
)

// OpenStore reads the CAs anew. It opens no sealed key.
func (s *Session) OpenStore() (*pki.Store, error) {
	options, err := s.pkiOptions()
	if err != nil {
		return nil, err
	}
	return pki.Open(s.CADir(), options)
}

// authorities are the CAs, and all that is recorded beside them, as facts.
func (s *Session) authorities(store *pki.Store, seen *facts.Operator) error {
	known := s.Known(store, s.Now())
	s.Etcd.meet(known)
	seen.CAs = known.Seen.Operator.CAs
	seen.Unsealed = !store.IsSealedTo(s.Cluster.PKI.SealTo)
	seen.Holds, seen.Replaced, seen.Unfit = map[string]string{}, map[string]string{}, map[string]string{}
	seen.Reverts = map[string]int{}
	for role, phase := range store.Holds() {
		seen.Holds[string(role)] = phase
	}
	for role := range s.given() {
		if differs := store.Differs(role); differs != "" {
			seen.Replaced[string(role)] = differs
		}
		if back := store.Reverts(role); back != 0 {
			seen.Reverts[string(role)] = back
		}
		if why := store.Unfit(role, s.Now(), rand.Reader); why != "" {
			seen.Unfit[string(role)] = why
		}
	}
	for _, key := range store.TokenKeys() {
		seen.TokenKeys = append(seen.TokenKeys, facts.TokenKey{
			Generation: key.Generation, SHA256: key.SHA256, Here: key.Here,
		})
	}
	clients, err := store.Clients()
	if err != nil {
		return err
	}
	for _, c := range clients {
		seen.Clients = append(seen.Clients, ClientOf(c))
	}
	members, err := store.Members()
	if err != nil {
		return err
	}
	for _, r := range members {
		seen.Leaves = append(seen.Leaves, facts.Recorded{
			Member: r.Name, Role: r.Kind, Serial: r.Serial, Generation: r.Generation, NotAfter: r.NotAfter,
			Revoked: !r.Revoked.IsZero(),
		})
	}
	seen.Revoked, seen.Listless = map[string]facts.Revoked{}, map[string]bool{}
	for _, role := range []pki.Role{pki.RolePeer, pki.RoleClient} {
		list, current, err := store.LastCRL(role)
		switch {
		case errors.Is(err, pki.ErrNoCA): // the list is of CAs that are gone
		case err != nil:
			return err
		case list != nil:
			seen.Revoked[string(role)] = facts.Revoked{List: list, Current: current}
		}
		if store.Listless(role) {
			seen.Listless[string(role)] = true
		}
	}
	return nil
}

// Known is what the CAs of the operator directory alone say of trust, without a look at any host.
func (s *Session) Known(store *pki.Store, now time.Time) trust.State {
	var cas []facts.CA
	for _, ca := range store.CAs() {
		given := s.given()[ca.Role]
		cas = append(cas, facts.CA{
			Role: string(ca.Role), Generation: ca.Generation, SHA256: ca.SHA256, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
			PEM: ca.PEM, Trust: ca.Trust, Signing: ca.Signing, Retired: ca.Retired, Given: ca.Given, KeyFile: ca.KeyFile,
			Lists: ca.Lists && (!ca.Given || given == nil || given.External == nil),
		})
	}
	return trust.State{Seen: facts.Snapshot{Taken: now, Operator: facts.Operator{CAs: cas}}}
}

// given are the CAs that the inventory names, by role; nil: clusterup makes that CA itself.
func (s *Session) given() map[pki.Role]*inventory.GivenCA {
	return map[pki.Role]*inventory.GivenCA{pki.RolePeer: s.Cluster.PKI.PeerCA, pki.RoleClient: s.Cluster.PKI.ClientCA}
}

// ClientOf is a client certificate as a fact.
func ClientOf(c pki.Record) facts.Client {
	return facts.Client{
		Name: c.Name, Serial: c.Serial, Generation: c.Generation, NotBefore: c.NotBefore, NotAfter: c.NotAfter,
		Revoked: !c.Revoked.IsZero(),
	}
}

// Store is the CAs to sign with. A run keeps one store, so that a passphrase is asked for once, and opens another when
// the CAs or the holds of their rotations have changed.
func (s *Session) Store() (*pki.Store, error) {
	fresh, err := s.OpenStore()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signing == nil || !reflect.DeepEqual(s.signing.CAs(), fresh.CAs()) ||
		!maps.Equal(s.signing.Holds(), fresh.Holds()) || !reflect.DeepEqual(s.signing.TokenKeys(), fresh.TokenKeys()) {
		s.signing = fresh
	}
	return s.signing, nil
}

func (s *Session) pkiOptions() (pki.Options, error) {
	wanted := s.Cluster.PKI
	options := pki.Options{
		SealTo: wanted.SealTo, Unlock: s.Unlock(), Given: map[pki.Role]pki.Given{}, Names: etcd.LeafNames(s.Cluster),
		NoLists: !s.Cluster.TLS.Clients,
	}
	for role, given := range s.given() {
		if given == nil {
			continue
		}
		ca := pki.Given{Cert: given.Cert, Key: given.Key}
		if given.External != nil {
			key, err := authKey(given.External)
			if err != nil {
				return pki.Options{}, err
			}
			ca.External = &pki.External{
				URL: given.External.URL, AuthKey: key, Label: given.External.Label, Profile: given.External.Profile,
				CAFile: given.External.CAFile,
			}
		}
		options.Given[role] = ca
	}
	return options, nil
}

// authKey is the key that a cfssl server knows us by. Its text is in no message.
func authKey(external *inventory.ExternalCA) ([]byte, error) {
	text, from := os.Getenv(external.AuthKeyEnv), "the environment variable "+external.AuthKeyEnv
	if external.AuthKeyFile != "" {
		raw, err := os.ReadFile(external.AuthKeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the auth key of %s: %w", external.URL, err)
		}
		text, from = string(raw), external.AuthKeyFile
	}
	key, err := pki.ParseAuthKey(text)
	if err != nil {
		return nil, fmt.Errorf("read the auth key of %s from %s: %w", external.URL, from, err)
	}
	return key, nil
}

// Unlock says how sealed CA keys are opened: with the file that CLUSTERUP_IDENTITY names, with the keys that SSH logs
// in with, and with those in the usual places of the home directory, in this order.
func (s *Session) Unlock() pki.Unlock {
	files := s.Cluster.SSH.IdentityFiles
	if home := s.options.Dialer.Home; home != "" {
		for _, name := range []string{"id_ed25519", "id_rsa"} {
			files = append(files[:len(files):len(files)], filepath.Join(home, ".ssh", name))
		}
		files = append(files, filepath.Join(home, ".config", "clusterup", "age.txt"))
	}
	if extra := os.Getenv("CLUSTERUP_IDENTITY"); extra != "" {
		files = append([]string{extra}, files...)
	}
	return pki.Unlock{IdentityFiles: files, Passphrase: s.options.Passphrase}
}

// unseal opens a sealed snapshot with the same keys as those of CAs.
func (s *Session) unseal(at io.ReaderAt, size int64) (io.ReaderAt, int64, error) {
	s.mu.Lock()
	if s.unsealer == nil {
		s.unsealer = pki.Unsealer(s.Unlock())
	}
	open := s.unsealer
	s.mu.Unlock()
	plain, size, err := open(at, size)
	if errors.Is(err, pki.ErrTorn) {
		err = fmt.Errorf("%w: %w", snapshot.ErrAltered, err)
	}
	return plain, size, err
}
