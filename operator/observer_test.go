package operator

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/remote"
)

// observed is a session that asks with an observer's certificate, and the store that has issued it.
func observed(t *testing.T, sealTo ...string) (*Session, *pki.Store) {
	t.Helper()
	cluster := &inventory.Cluster{Name: "prod", Dir: t.TempDir()}
	cluster.PKI.SealTo = sealTo
	s, err := Open(cluster, Options{
		Dialer: &remote.Dialer{}, Now: time.Now,
		Passphrase: func(string) ([]byte, error) {
			t.Error("asked for a passphrase")
			return nil, errors.New("nobody is there")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	store, err := s.OpenStore()
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []pki.Role{pki.RolePeer, pki.RoleClient} {
		if _, err := store.Create(role, "prod", pki.Spec{}, time.Now(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	maker := newWallet(t) // another directory's, so that this one needs no key
	pair, err := maker.IssueClient(etcd.Observer, pki.Leaf{}, time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f := ClientFiles{Dir: s.ObserverDir(), Name: etcd.Observer}
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f.plain(t, ClientSet{Cert: pair.Cert, Key: pair.Key, CA: maker.bundle}, 0o600)
	o, err := ReadObserver(s.ObserverDir())
	if err != nil || o == nil || o.Pair.Serial != pair.Serial || o.Pair.User != etcd.Observer {
		t.Fatalf("the observer's certificate is %+v, %v", o, err)
	}
	s.Observe(o, false)
	return s, store
}

// Members are asked with the observer's certificate, and no key of a CA is used for it; both its own CAs and those of
// the operator directory are trusted.
func TestObserverAsks(t *testing.T) {
	s, store := observed(t)
	for _, key := range []string{"client-1.key", "peer-1.key"} {
		if err := os.Remove(filepath.Join(s.CADir(), key)); err != nil {
			t.Fatal(err)
		}
	}
	config, err := s.askingTLS(time.Now())
	if err != nil || config.Certificates[0].Leaf.Subject.CommonName != etcd.Observer {
		t.Fatalf("asks with %+v, %v", config, err)
	}
	block, _ := pem.Decode(store.CAs()[1].PEM)
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ca.Verify(x509.VerifyOptions{Roots: config.RootCAs}); err != nil {
		t.Errorf("the client CA of the operator directory is not trusted: %v", err)
	}
	if s.visits("peer", 0) || s.visits("server", 2) || !s.visits("server", 0) {
		t.Error("it knocks with certificates that nobody can sign here")
	}
	seen, err := s.operator()
	if err != nil || seen.CAs[0].Signing {
		t.Errorf("a key is at hand: %+v, %v", seen.CAs, err)
	}
}

// Ports are looked at with what lies open; sealed keys are left alone.
func TestObserverVisits(t *testing.T) {
	if s, _ := observed(t); !s.visits("peer", 0) || !s.visits("server", 1) {
		t.Error("keys that lie open are not used")
	}
	sealed := "age1s946mw03snd5t2t76vkslxm80mlvf46y7nungpuk2pvjv24w6ajq9gykuu"
	if s, _ := observed(t, sealed); s.visits("peer", 0) || s.visits("server", 1) {
		t.Error("sealed keys are used")
	}
}

// With --no-ssh members are dialled from this machine.
func TestObserverDialsDirectly(t *testing.T) {
	s, _ := observed(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	s.Observe(s.observer, true)
	conn, err := s.through(t.Context(), "nobody", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

// Nobody is at fault for what etcd shows to root alone, and the keys of CAs count as being somewhere.
func TestAtHand(t *testing.T) {
	s, _ := observed(t)
	before := facts.Snapshot{
		Auth:     &facts.Auth{AuthState: facts.AuthState{Enabled: true, Denied: true}, Error: "refused"},
		Operator: facts.Operator{CAs: []facts.CA{{Generation: 1, Retired: true}, {Generation: 2}}},
		Hosts: map[string]facts.Host{
			"old": {Machine: facts.Machine{Name: "old"}, Member: facts.Member{Denied: true}},
			"new": {Machine: facts.Machine{Name: "new"}},
		},
	}
	after := s.AtHand(before, map[string]string{"old": "3.6.11"})
	if is := after.Hosts["old"]; is.Unasked != etcd.Hidden("3.6.11") || !is.Dark() || after.Hosts["new"].Dark() ||
		before.Hosts["old"].Dark() {
		t.Errorf("members became %+v", after.Hosts)
	}
	if !after.Auth.Enabled || after.Auth.Denied || after.Auth.Error != "" || after.Operator.CAs[0].Signing ||
		!after.Operator.CAs[1].Signing || before.Operator.CAs[1].Signing || !before.Auth.Denied {
		t.Errorf("%+v became %+v", before, after)
	}
}

func TestReadObserver(t *testing.T) {
	dir := t.TempDir()
	if o, err := ReadObserver(dir); o != nil || err != nil {
		t.Errorf("out of nothing: %v, %v", o, err)
	}
	if err := os.WriteFile(filepath.Join(dir, etcd.Observer+".pem"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if o, err := ReadObserver(dir); o != nil || err == nil {
		t.Errorf("out of half a pair: %v, %v", o, err)
	}
}

// A file of any size, or of somebody else, is no observer's certificate.
func TestReadObserverOfOthers(t *testing.T) {
	s, _ := observed(t)
	f := ClientFiles{Dir: s.ObserverDir(), Name: etcd.Observer}
	maker := newWallet(t)
	pair, err := maker.IssueClient("root", pki.Leaf{}, time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f.plain(t, ClientSet{Cert: pair.Cert, Key: pair.Key, CA: maker.bundle}, 0o600)
	if o, err := ReadObserver(f.Dir); o != nil || err == nil || !strings.Contains(err.Error(), `for the user "root"`) {
		t.Errorf("out of root's pair: %v, %v", o, err)
	}
	if err := os.Truncate(f.Cert(), maxClientFile+1); err != nil {
		t.Fatal(err)
	}
	if o, err := ReadObserver(f.Dir); o != nil || !errors.Is(err, errNotSmall) {
		t.Errorf("out of a large file: %v, %v", o, err)
	}
}

// A pair that is exchanged between its halves is read again.
func TestPairTogether(t *testing.T) {
	f := ClientFiles{Dir: t.TempDir(), Name: "app"}
	put := func(serial string) {
		dir := filepath.Join(f.Dir, f.pairs(), serial)
		for name, text := range map[string]string{"cert.pem": "cert " + serial, "key.pem": "key " + serial} {
			err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
			if err != nil {
				t.Fatal(err)
			}
		}
		live := filepath.Join(f.Dir, f.live())
		if err := errors.Join(os.Symlink(serial, live+".new"), os.Rename(live+".new", live)); err != nil {
			t.Fatal(err)
		}
	}
	put("1")
	for _, link := range f.links(false) {
		if err := os.Symlink(link[1], filepath.Join(f.Dir, link[0])); err != nil {
			t.Fatal(err)
		}
	}
	reads := 0
	f.Before = func(string) error {
		if reads++; reads == 1 {
			put("2")
		}
		return nil
	}
	if cert, key, err := f.together(); string(cert) != "cert 2" || string(key) != "key 2" || err != nil || reads != 2 {
		t.Errorf("%q and %q, %v, in %d reads", cert, key, err, reads)
	}
}

// Whoever holds the lock of a directory for ever is not waited for for ever.
func TestLockIsBounded(t *testing.T) {
	f := ClientFiles{Dir: t.TempDir(), Name: "app"}
	unlock, err := f.Lock(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if _, err := f.lockWithin(t.Context(), time.Millisecond, nil); err == nil || !strings.Contains(err.Error(), "fuser") {
		t.Errorf("a lock that is held: %v", err)
	}
}
