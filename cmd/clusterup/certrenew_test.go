package main

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/view"
)

// client is a client that is kept up to date by runs with --renew.
type client struct {
	*session
	flags issueFlags
	log   string // what the reload command writes
}

// renewing is a client of a cluster with one CA for each role.
func renewing(t *testing.T) (*client, *pki.Store) {
	t.Helper()
	s, store := withCAs(t, 1)
	s.Cluster.PKI = inventory.PKI{
		Algorithm: "ecdsa-p256", CALifetime: 3650 * 24 * time.Hour, Lifetime: 90 * 24 * time.Hour, RenewBefore: 30 * 24 * time.Hour,
	}
	c := &client{session: s, log: filepath.Join(t.TempDir(), "log")}
	c.flags = issueFlags{out: filepath.Join(t.TempDir(), "creds"), renew: true}
	c.flags.reload = `echo "$CLUSTERUP_CLIENT $(grep -c BEGIN "$CLUSTERUP_CERT" "$CLUSTERUP_KEY" "$CLUSTERUP_CA" | wc -l)" >>'` + c.log + "'"
	return c, store
}

// renew is a run. It returns why something was changed, and what the reload command has written.
func (c *client) renew(t *testing.T) (why, reloaded string) {
	t.Helper()
	out := c.console.Out.(*bytes.Buffer)
	out.Reset()
	c.console.JSON = true
	if err := c.issueOrRenew(t.Context(), "app", c.flags); err != nil {
		t.Fatal(err)
	}
	var done view.Renewed
	if err := json.Unmarshal(out.Bytes(), &done); err != nil || len(done.Replaced) > 0 != (done.Why != "") {
		t.Fatalf("%v: %s", err, out)
	}
	pair, err := tls.LoadX509KeyPair(done.Cert, done.Key)
	if err != nil || pair.Leaf.SerialNumber.Text(16) != done.Serial {
		t.Errorf("it is said to be %s: %v", done.Serial, err)
	}
	return done.Why, c.reloads(t)
}

// reloads is what the reload command has written since it was asked last.
func (c *client) reloads(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(c.log)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.log, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// A run replaces what has to be replaced, tells of it once, and does nothing otherwise.
func TestRenew(t *testing.T) {
	c, store := renewing(t)
	now := c.Now()
	c.Now = func() time.Time { return now }
	const told = "app 3\n"
	for _, step := range []struct {
		name string
		do   func()
		why  string // what it has
	}{
		{"the first", func() {}, "no certificate yet"},
		{"at once again", func() {}, ""},
		{"before it is due", func() { now = now.Add(56 * 24 * time.Hour) }, ""},
		{"due", func() { now = now.Add(2 * 24 * time.Hour) }, "ends on"},
		{"for another user", func() {
			c.Cluster.Clients = []inventory.Client{{Name: "app", User: "other", Lifetime: c.Cluster.PKI.Lifetime}}
		}, `"app", and is to be one that is for the user "other"`},
		{"without a common name", func() { c.Cluster.Clients[0].User = "" }, "to be one that has no common name"},
		{"with another algorithm", func() { c.Cluster.PKI.Algorithm = "ed25519" }, "the key is ecdsa-p256"},
		{"half of it is lost", func() { must(t, os.Remove(filepath.Join(c.flags.out, "app-key.pem"))) }, "half"},
		{"CAs are lost", func() { must(t, os.Remove(filepath.Join(c.flags.out, "ca.pem"))) }, "other CAs"},
		{"the next CA alone", func() {
			_, err := store.Create(pki.RoleClient, "prod", pki.Spec{}, now, rand.Reader)
			must(t, err)
			must(t, store.Retire(pki.RoleClient, 1))
		}, "client CA 1, and client CA 2 signs"},
		{"and again", func() {}, ""},
	} {
		step.do()
		want := told
		if step.why == "" {
			want = ""
		}
		why, reloaded := c.renew(t)
		if !strings.Contains(why, step.why) || (why == "") != (step.why == "") || reloaded != want {
			t.Errorf("%s: changed since %q, want %q; reloaded %q", step.name, why, step.why, reloaded)
		}
	}
	clients, err := store.Clients()
	if must(t, err); len(clients) != 7 {
		t.Errorf("%d certificates are recorded", len(clients))
	}
	now = now.Add(400 * 24 * time.Hour)
	if why, _ := c.renew(t); !strings.Contains(why, "ended on") {
		t.Errorf("what has ended is renewed since %q", why)
	}
	if clients, err = store.Clients(); err != nil || len(clients) != 1 {
		t.Errorf("of the ended ones %d are still recorded, %v", len(clients)-1, err)
	}
}

// A reload command that fails is told of, and called again, also by a run that has nothing else to do.
func TestReloadThatFails(t *testing.T) {
	c, _ := renewing(t)
	good := c.flags.reload
	for _, bad := range []string{"exit 3", "kill $$"} {
		c.flags.reload = bad
		if err := c.issueOrRenew(t.Context(), "app", c.flags); err == nil || !strings.Contains(err.Error(), "reload command") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	c.flags.reload = ""
	if why, reloaded := c.renew(t); why != "" || reloaded != "" {
		t.Errorf("without a command: %q, %q", why, reloaded)
	}
	c.flags.reload = good
	if why, reloaded := c.renew(t); why != "" || reloaded == "" {
		t.Errorf("once it is mended: changed since %q, reloaded %q", why, reloaded)
	}
	if why, reloaded := c.renew(t); why != "" || reloaded != "" {
		t.Errorf("and then: changed since %q, reloaded %q", why, reloaded)
	}
}

// A certificate that is not to be renewed is an error, and stays as it is.
func TestWhatIsNotRenewed(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(*client, *pki.Store)
		want  string
	}{
		"revoked": {func(c *client, store *pki.Store) {
			clients, err := store.Clients()
			must(t, err)
			_, err = store.Revoke(clients[0].Serial, c.Now())
			must(t, err)
		}, "revoked"},
		"revoked, and half taken away": {func(c *client, store *pki.Store) {
			clients, err := store.Clients()
			must(t, err)
			_, err = store.Revoke(clients[0].Serial, c.Now())
			must(t, err)
			must(t, os.Remove(filepath.Join(c.flags.out, "app-key.pem")))
		}, "last certificate was revoked"},
		"of another CA": {func(c *client, _ *pki.Store) {
			other, _ := renewing(t)
			other.flags.out = filepath.Join(t.TempDir(), "x")
			other.renew(t)
			must(t, os.RemoveAll(c.flags.out))
			must(t, os.Rename(other.flags.out, c.flags.out))
		}, "no client CA of this operator directory"},
		"trust in others": {func(c *client, _ *pki.Store) {
			other, _ := renewing(t)
			other.flags.out = filepath.Join(t.TempDir(), "x")
			other.renew(t)
			must(t, os.Rename(filepath.Join(other.flags.out, "ca.pem"), filepath.Join(c.flags.out, "ca.pem")))
		}, "somebody else"},
		"trust in nothing": {func(c *client, _ *pki.Store) {
			must(t, os.WriteFile(filepath.Join(c.flags.out, "ca.pem"), []byte("x"), 0o600))
		}, "holds no certificate"},
		"one file more": {func(c *client, _ *pki.Store) {
			must(t, os.WriteFile(filepath.Join(c.flags.out, "app.p12"), nil, 0o600))
		}, "--pkcs12"},
	} {
		c, store := renewing(t)
		c.renew(t)
		test.spoil(c, store)
		before, err := os.ReadFile(filepath.Join(c.flags.out, "app.pem"))
		must(t, err)
		if err := c.issueOrRenew(t.Context(), "app", c.flags); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
		after, err := os.ReadFile(filepath.Join(c.flags.out, "app.pem"))
		if must(t, err); !bytes.Equal(before, after) || c.reloads(t) != "" {
			t.Errorf("%s: it was replaced", name)
		}
	}
}

// Files that cert issue has laid there are renewed, too; one for all is made anew with what it holds.
func TestRenewWhatWasIssued(t *testing.T) {
	c, store := renewing(t)
	c.flags.pkcs12, c.flags.passwordFile = true, filepath.Join(t.TempDir(), "password")
	must(t, os.WriteFile(c.flags.passwordFile, []byte("Open, Sesame!\n"), 0o600))
	c.flags.renew = false
	must(t, c.issueOrRenew(t.Context(), "app", c.flags))
	c.flags.renew = true
	bundle := filepath.Join(c.flags.out, "app.p12")
	was, _ := os.ReadFile(bundle)
	for _, want := range []string{"not up to date", ""} { // what is in a file of before is not known
		why, _ := c.renew(t)
		is, err := os.ReadFile(bundle)
		if must(t, err); !strings.Contains(why, want) || (why == "") != (want == "") || bytes.Equal(is, was) != (want == "") {
			t.Errorf("changed since %q, want %q; the file is the same: %v", why, want, bytes.Equal(is, was))
		}
		was = is
	}
	if clients, err := store.Clients(); err != nil || len(clients) != 1 {
		t.Errorf("%d certificates were made, %v", len(clients), err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
