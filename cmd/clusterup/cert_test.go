package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/view"
)

// said is what a session has shown so far, on both streams.
func (s *session) said() string {
	return s.console.Out.(*bytes.Buffer).String() + s.console.Err.(*bytes.Buffer).String()
}

// withCAs is a session with an operator directory that holds so many generations of the CAs.
func withCAs(t *testing.T, generations int) (*session, *pki.Store) {
	t.Helper()
	c := &console{Console: &view.Console{In: os.Stdin, Out: new(bytes.Buffer), Err: new(bytes.Buffer)}, base: t.Context()}
	s, err := c.begin("prod.hcl", &inventory.Cluster{Name: "prod", Dir: t.TempDir()}, clusterFlags{})
	if err != nil {
		t.Fatal(err)
	}
	store, err := s.OpenStore()
	if err != nil {
		t.Fatal(err)
	}
	for range generations {
		for _, role := range []pki.Role{pki.RolePeer, pki.RoleClient} {
			if _, err := store.Create(role, "prod", pki.Spec{}, s.Now(), rand.Reader); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s, store
}

func issueTo(t *testing.T, s *session, name, dir string) {
	t.Helper()
	if err := s.issueOrRenew(t.Context(), name, issueFlags{out: dir}); err != nil {
		t.Fatal(err)
	}
}

// A certificate that members refuse is not shown as one that is good.
func TestCertificatesOfACAThatIsRetired(t *testing.T) {
	s, store := withCAs(t, 1)
	s.file, s.Cluster.TLS.Clients = "prod.hcl", true
	creds := t.TempDir()
	issueTo(t, s, "app", filepath.Join(creds, "old"))
	if _, err := store.Create(pki.RoleClient, "prod", pki.Spec{}, s.Now(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if err := store.Retire(pki.RoleClient, 1); err != nil {
		t.Fatal(err)
	}
	issueTo(t, s, "app", filepath.Join(creds, "new"))
	issueTo(t, s, "app", filepath.Join(creds, "revoked"))
	clients, err := store.Clients()
	if err != nil {
		t.Fatal(err)
	}
	out := s.console.Out.(*bytes.Buffer)
	out.Reset()
	if err := s.listClients(); err != nil {
		t.Fatal(err)
	}
	if list := out.String(); strings.Count(list, "retired") != 1 || strings.Contains(list, "USER") {
		t.Errorf("the list is\n%s", list)
	}
	out.Reset()
	s.console.JSON = true
	if err := s.listClients(); err != nil {
		t.Fatal(err)
	}
	s.console.JSON = false
	retired := 0
	for line := range strings.Lines(out.String()) {
		var one view.Issued
		if err := json.Unmarshal([]byte(line), &one); err != nil || one.User != "app" || one.Issued.IsZero() {
			t.Errorf("%v: %s", err, line)
		}
		if one.Retired {
			retired++
		}
	}
	if retired != 1 {
		t.Errorf("%d of %d are retired:\n%s", retired, len(clients), out.String())
	}

	serial := serialIn(t, clients, filepath.Join(creds, "revoked", "app.pem"))
	if _, err := store.Revoke(serial, s.Now()); err != nil {
		t.Fatal(err)
	}
	for dir, note := range map[string]string{
		"old": "retired", "new": "", "revoked": "revoked",
	} {
		notes := s.console.Err.(*bytes.Buffer)
		notes.Reset()
		if err := s.env("app", filepath.Join(creds, dir)); err != nil {
			t.Fatal(err)
		}
		if got := notes.String(); !strings.Contains(got, note) || (note == "") != (got == "") ||
			note != "" && !strings.Contains(got, "app.pem") {
			t.Errorf("%s: it notes %q", dir, got)
		}
	}
}

// serialIn is the serial number of a certificate in a file.
func serialIn(t *testing.T, clients []pki.Record, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range clients {
		if sums := facts.Certificates(content); len(sums) == 1 && sums[0] == c.SHA256 {
			return c.Serial
		}
	}
	t.Fatalf("%s is of none of %v", file, clients)
	return ""
}

// The user of a certificate has a column where it is not the name.
func TestUserOfACertificate(t *testing.T) {
	s, store := withCAs(t, 1)
	if _, err := store.IssueClient("backup", pki.Leaf{CN: "root"}, s.Now(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if _, err := store.IssueClient("http", pki.Leaf{OU: "http"}, s.Now(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if err := s.listClients(); err != nil {
		t.Fatal(err)
	}
	if list := s.said(); !strings.HasPrefix(list, "NAME    USER  SERIAL") || !strings.Contains(list, "\nbackup  root  ") ||
		!strings.Contains(list, "\nhttp    -     ") {
		t.Errorf("the list is\n%s", list)
	}
}

// A certificate that cannot be issued is refused with the reason, and leaves nothing behind.
func TestWhatCannotBeIssued(t *testing.T) {
	s, _ := withCAs(t, 0)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, test := range map[string]struct {
		client, out, want string
		code              int
	}{
		"no CA":      {"app", filepath.Join(dir, "a", "b"), "no CA", view.ExitFailed},
		"a file":     {"app", file, file, view.ExitFailed},
		"below one":  {"app", filepath.Join(file, "x"), "not a directory", view.ExitFailed},
		"a bad name": {"no such", filepath.Join(dir, "a"), "64 letters", view.ExitUsage},
	} {
		before := s.said()
		err := s.issueOrRenew(t.Context(), test.client, issueFlags{out: test.out})
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "already") ||
			view.Advice(operator.Advice).ExitCode(err) != test.code {
			t.Errorf("%s: exit code %d, %v", name, view.Advice(operator.Advice).ExitCode(err), err)
		}
		if test.code == view.ExitUsage && s.said() != before {
			t.Errorf("%s: before it is refused, it says %q", name, s.said())
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
