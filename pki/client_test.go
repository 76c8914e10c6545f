package pki

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func issueClient(t *testing.T, s *Store, name string, now time.Time) Pair {
	t.Helper()
	p, err := s.IssueClient(name, Leaf{}, now, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func clients(t *testing.T, s *Store) []Record {
	t.Helper()
	all, err := s.Clients()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestClients(t *testing.T) {
	defer unix.Umask(unix.Umask(0))
	s := newStore(t, Spec{})
	if all := clients(t, s); len(all) != 0 {
		t.Errorf("clients out of nowhere: %v", all)
	}
	second := issueClient(t, s, "my-app@x.y", today.Add(time.Hour))
	first := issueClient(t, s, "my-app@x.y", today)
	create(t, s, RoleClient, Spec{})
	ci := issueClient(t, s, "ci", today)

	record := func(name string, p Pair, generation string, number int) Record {
		return Record{
			Kind: "client",
			Name: name, User: name, Serial: p.Serial, SHA256: p.SHA256, Issuer: "CN=prod etcd client CA " + generation,
			Generation: number,
			NotBefore:  p.NotBefore, NotAfter: p.NotAfter,
		}
	}
	want := []Record{record("ci", ci, "2", 2), record("my-app@x.y", first, "1", 1), record("my-app@x.y", second, "1", 1)}
	if diff := cmp.Diff(want, clients(t, open(t, s.dir))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	file := filepath.Join(s.dir, "clients", "ci-"+ci.Serial+".pem")
	data, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(data, ci.Cert) {
		t.Errorf("recorded %q: %v", data, err)
	}
	if got := []os.FileMode{mode(t, filepath.Dir(file)), mode(t, file)}; got[0] != 0o700 || got[1] != 0o600 {
		t.Errorf("modes %o", got)
	}
	holdsNoKey(t, s.dir, ci.Key)
}

// holdsNoKey looks through all files for a private key.
func holdsNoKey(t *testing.T, dir string, key []byte) {
	t.Helper()
	inside := bytes.Split(key, []byte("\n"))[1]
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, inside) {
			t.Errorf("%s holds the private key", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestClientNames(t *testing.T) {
	s := newStore(t, Spec{})
	for _, name := range []string{"", "../x", "a/b", "-a", ".a", "a b", strings.Repeat("a", 65)} {
		if _, err := s.IssueClient(name, Leaf{}, today, rand.Reader); err == nil {
			t.Errorf("%q is issued", name)
		}
	}
	if all := clients(t, s); len(all) != 0 {
		t.Errorf("recorded: %v", all)
	}
	p, err := s.IssueClient("backup", Leaf{CN: "root", Lifetime: time.Hour}, today, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if cert := parseLeaf(t, p); cert.Subject.CommonName != "root" || !p.NotAfter.Equal(today.Add(time.Hour)) {
		t.Errorf("%s until %s", cert.Subject, p.NotAfter)
	}
	if all := clients(t, s); all[0].Name != "backup" {
		t.Errorf("recorded as %s", all[0].Name)
	}
}

// A certificate that cannot be recorded could not be revoked later, so it is not handed out.
func TestClientThatCannotBeRecorded(t *testing.T) {
	s := newStore(t, Spec{})
	write(t, filepath.Join(s.dir, "clients"), "")
	if p, err := s.IssueClient("app", Leaf{}, today, rand.Reader); err == nil || p.Key != nil {
		t.Errorf("issued %v: %v", p, err)
	}
}

func TestRevoke(t *testing.T) {
	s := newStore(t, Spec{})
	one, two := issueClient(t, s, "app", today), issueClient(t, s, "app", today.Add(time.Hour))
	ci := issueClient(t, s, "ci", today)
	at := today.Add(2 * time.Hour)

	shown := strings.ToUpper(one.Serial[:2] + ":" + one.Serial[2:]) // as others print it
	if found, err := s.Named(shown); err != nil || len(found) != 1 || found[0].Serial != one.Serial {
		t.Errorf("by serial number: %v, %v", found, err)
	}
	if found, err := s.Named("app"); err != nil || len(found) != 2 {
		t.Errorf("by name: %v, %v", found, err)
	}
	for i, serial := range []string{one.Serial, two.Serial, one.Serial} {
		got, err := s.Revoke(serial, at.Add(time.Duration(i)*time.Hour))
		if err != nil || got.Serial != serial || !got.Revoked.Equal(at.Add(time.Duration(i%2)*time.Hour)) {
			t.Errorf("%d: %v, %v", i, got, err)
		}
	}
	revoked := map[string]bool{}
	for _, c := range clients(t, open(t, s.dir)) {
		revoked[c.Serial] = !c.Revoked.IsZero()
	}
	if want := map[string]bool{one.Serial: true, two.Serial: true, ci.Serial: false}; !cmp.Equal(want, revoked) {
		t.Errorf("revoked %v, want %v", revoked, want)
	}
}

// A client may be called like the serial number of another one's certificate.
func TestRevokeClientCalledLikeASerial(t *testing.T) {
	s := newStore(t, Spec{})
	app := issueClient(t, s, "app", today)
	namesake := issueClient(t, s, app.Serial, today)
	if got, err := s.Revoke(app.Serial, today); err != nil || got.Name != "app" {
		t.Errorf("revoked %v, %v", got, err)
	}
	if _, err := s.Revoke("app", today); !errors.Is(err, errNoClient) {
		t.Errorf("a name: %v", err)
	}
	for _, c := range clients(t, s) {
		if c.Revoked.IsZero() != (c.Name == app.Serial) {
			t.Errorf("%s: revoked %s", c.Name, c.Revoked)
		}
	}
	for text, want := range map[string]string{
		app.Serial: app.Serial, app.Serial[:2] + ":" + app.Serial[2:]: "app",
		namesake.Serial: app.Serial,
	} {
		if found, err := s.Named(text); err != nil || len(found) != 1 || found[0].Name != want {
			t.Errorf("%s: %v, %v", text, found, err)
		}
	}
}

func TestRevokeUnknown(t *testing.T) {
	s := newStore(t, Spec{})
	issueClient(t, s, "billing", today)
	issueClient(t, s, "reports", today)
	for name, want := range map[string]string{
		"biling": "did you mean billing?", "Report": "did you mean reports?",
		"x": "cert list", "": "cert list",
	} {
		got, err := s.Named(name)
		if !errors.Is(err, errNoClient) || !strings.Contains(err.Error(), want) || got != nil {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}
	for _, c := range clients(t, s) {
		if !c.Revoked.IsZero() {
			t.Errorf("%s is revoked", c.Name)
		}
	}
}

func TestDamagedRecords(t *testing.T) {
	for name, damage := range map[string]func(file string) error{
		"no certificate": func(file string) error { return os.WriteFile(file, []byte("x"), 0o600) },
		"other serial": func(file string) error {
			base := strings.TrimSuffix(file, ".pem")
			other := map[bool]string{true: "1", false: "0"}[strings.HasSuffix(base, "0")]
			return os.Rename(file, base[:len(base)-1]+other+".pem")
		},
		"no time": func(file string) error {
			return os.WriteFile(strings.TrimSuffix(file, ".pem")+".revoked", []byte("yesterday"), 0o600)
		},
	} {
		s := newStore(t, Spec{})
		p := issueClient(t, s, "app", today)
		if err := damage(filepath.Join(s.dir, "clients", "app-"+p.Serial+".pem")); err != nil {
			t.Fatal(err)
		}
		if all, err := s.Clients(); err == nil {
			t.Errorf("%s: %v", name, all)
		}
		if _, err := s.CRL(RoleClient, today, rand.Reader); err == nil {
			t.Errorf("%s: a list is made without knowing who is revoked", name)
		}
	}
}

func crl(t *testing.T, s *Store, now time.Time) *x509.RevocationList {
	t.Helper()
	der, err := s.CRL(RoleClient, now, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	list, err := x509.ParseRevocationList(der) // as etcd reads it from 3.6 on
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func serials(list *x509.RevocationList) map[string]bool {
	out := map[string]bool{}
	for _, e := range list.RevokedCertificateEntries {
		out[e.SerialNumber.Text(16)] = true
	}
	return out
}

func TestCRL(t *testing.T) {
	s := newStore(t, Spec{})
	old := issueClient(t, s, "old", today)
	if der, current, err := s.LastCRL(RoleClient); der != nil || current || err != nil {
		t.Errorf("before the first: %x %v %v", der, current, err)
	}
	empty := crl(t, s, today)
	if len(empty.RevokedCertificateEntries) != 0 || empty.Number.Cmp(big.NewInt(1)) != 0 {
		t.Errorf("the first has number %s and %d entries", empty.Number, len(empty.RevokedCertificateEntries))
	}
	if err := empty.CheckSignatureFrom(s.of(RoleClient)[0].cert); err != nil {
		t.Error(err)
	}
	if !empty.NextUpdate.After(today.Add(9 * year)) {
		t.Errorf("next update on %s", empty.NextUpdate)
	}
	if again := crl(t, open(t, s.dir), today.Add(year)); !bytes.Equal(empty.Raw, again.Raw) {
		t.Error("made anew though nothing has changed")
	}

	revoke(t, s, "old")
	if der, current, err := s.LastCRL(RoleClient); !bytes.Equal(der, empty.Raw) || current || err != nil {
		t.Errorf("after revoking, the old one is current: %v, %v", current, err)
	}
	next := crl(t, s, today.Add(time.Hour))
	if !serials(next)[old.Serial] || len(serials(next)) != 1 || next.Number.Cmp(big.NewInt(2)) != 0 {
		t.Errorf("number %s with %v", next.Number, serials(next))
	}
	if der, current, err := open(t, s.dir).LastCRL(RoleClient); !bytes.Equal(der, next.Raw) || !current || err != nil {
		t.Errorf("what was made is not current: %v, %v", current, err)
	}
	if m := mode(t, filepath.Join(s.dir, "crl", "client.crl")); m != 0o644 {
		t.Errorf("mode %o", m)
	}
}

func revoke(t *testing.T, s *Store, name string) {
	t.Helper()
	found, err := s.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range found {
		if _, err := s.Revoke(c.Serial, today); err != nil {
			t.Fatal(err)
		}
	}
}

// While members trust two generations, one list has to name what either signed: etcd reads one file.
func TestCRLOfSeveralGenerations(t *testing.T) {
	s := newStore(t, Spec{})
	old := issueClient(t, s, "old", today)
	before := crl(t, s, today)
	create(t, s, RoleClient, Spec{})
	if list := crl(t, s, today); list.CheckSignatureFrom(s.of(RoleClient)[1].cert) != nil {
		t.Error("the list of an older CA is current though nothing was revoked since")
	}
	young := issueClient(t, s, "young", today)
	revoke(t, s, "old")
	revoke(t, s, "young")
	all := crl(t, s, today)
	if diff := cmp.Diff(map[string]bool{old.Serial: true, young.Serial: true}, serials(all)); diff != "" {
		t.Error(diff)
	}
	if err := all.CheckSignatureFrom(s.of(RoleClient)[1].cert); err != nil {
		t.Errorf("it is not signed by the newest CA: %v", err)
	}
	if all.Number.Cmp(before.Number) <= 0 {
		t.Errorf("number %s after %s", all.Number, before.Number)
	}
	if err := s.Retire(RoleClient, 1); err != nil {
		t.Fatal(err)
	}
	if again := crl(t, s, today); !bytes.Equal(all.Raw, again.Raw) {
		t.Error("made anew when the old CA, which has not signed it, is retired")
	}
}

func TestCRLDamaged(t *testing.T) {
	s := newStore(t, Spec{})
	crl(t, s, today)
	write(t, filepath.Join(s.dir, "crl", "client.crl"), "half")
	if _, current, err := s.LastCRL(RoleClient); current || err != nil {
		t.Errorf("a damaged list is current: %v, %v", current, err)
	}
	crl(t, s, today)
}

func TestClientEndsWithItsCA(t *testing.T) {
	s := newStore(t, Spec{CALifetime: year})
	p, err := s.IssueClient("app", Leaf{Lifetime: 3 * year}, today, rand.Reader)
	if err != nil || !p.NotAfter.Equal(today.Add(year)) {
		t.Errorf("until %s: %v", p.NotAfter, err)
	}
}
