package acceptance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/pki"
)

// aged is a cluster of one member whose CAs are nine and a half years old when it is made. The keys of CAs are sealed
// to an operator.
type aged struct {
	*site
	inv      inventory
	file     string
	identity string
}

// TestAged has CAs come near their end: apply sees to it, and asks for what only people can do.
func TestAged(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	s := newSite(t, "aged", hosts(1)...)
	a := aged{site: s, inv: s.inventory(t, "prod"), identity: filepath.Join(t.TempDir(), "ops")}
	a.want(t, `algorithm = "ecdsa-p256"`, keyPair(t, a.identity))
	for _, role := range []pki.Role{pki.RolePeer, pki.RoleClient} {
		s.madeAt(t, "prod", role, 10*year, time.Now().Add(-19*year/2))
	}
	old := s.credentials(t, "app", a.file)
	t.Run("due", func(t *testing.T) { a.due(t) })
	t.Run("client", func(t *testing.T) { a.client(t, old) })
	t.Run("algorithm", func(t *testing.T) { a.algorithm(t) })
	t.Run("connections", func(t *testing.T) { a.connections(t) })
}

// want writes the inventory with a line in its pki block.
func (a *aged) want(t *testing.T, line string, recipient ...string) {
	t.Helper()
	if len(recipient) > 0 {
		a.inv.Settings = "\n  pki {\n    seal_to = [\"" + strings.TrimSpace(recipient[0]) + "\"]\n    "
	}
	inv := a.inv
	inv.Settings += line + "\n  }\n"
	a.file = a.write(t, "prod.hcl", inv)
}

// run is clusterup by the operator who can open the keys; a cluster of one member is away while that restarts.
func (a *aged) run(t *testing.T, args ...string) result {
	t.Helper()
	return a.launch(t, slices.Concat([]string{"env", "CLUSTERUP_IDENTITY=" + a.identity, clusterup}, args,
		[]string{a.file})...).wait(t)
}

func (a *aged) changes(t *testing.T, args ...string) result {
	t.Helper()
	return a.run(t, append(args, "--yes", "--accept=downtime")...).exits(t, 0)
}

// due: the peer CA is rotated by itself, and the client CA as far as goes without its client. The new keys are sealed.
func (a *aged) due(t *testing.T) {
	a.changes(t, "apply").says(t, "create-ca/peer", "retire-ca/peer-1", "hold-rotation/client",
		"create-ca/client").saysNot(t, "retire-ca/client")
	a.run(t, "check").exits(t, 3).says(t, "client CA…[rotation]", "→ clusterup cert issue app "+a.file,
		"clusterup rotate ca --client")
	_, c := a.run(t, "status", "--json").exits(t, 0).status(t)
	if want := []rotationStatus{{Role: "client", From: 1, To: 2, Hold: "trust"}}; !slices.Equal(c.Rotations, want) {
		t.Errorf("rotations %v, want %v", c.Rotations, want)
	}
	next := 0
	for _, ca := range c.CAs {
		if ca.Role == "client" && ca.Generation == 2 && time.Until(ca.Expires) > 9*year && len(ca.Trusted) == 1 {
			next++
		}
	}
	if next != 1 {
		t.Errorf("no client CA 2 that is new, and trusted by the member, among %+v", c.CAs)
	}
	a.untouched(t, "prod", func() { a.changes(t, "apply") })
	for _, role := range []string{"peer", "client"} {
		key := filepath.Join(a.dir, ".clusterup", "prod", "ca", role+"-2.key")
		if text := read(t, key+".age"); !strings.HasPrefix(text, "-----BEGIN AGE ENCRYPTED FILE-----") {
			t.Errorf("the new key of the %s CA begins %.40q", role, text)
		}
		if _, err := os.Stat(key); err == nil {
			t.Errorf("%s is there in plain", key)
		}
	}
}

// client gets a certificate of the new CA, and the old one goes.
func (a *aged) client(t *testing.T, old creds) {
	a.received(t, "the client with its certificate of old", old, a.inv, 2379, welcome)
	dir := filepath.Join(t.TempDir(), "creds")
	a.run(t, "cert", "issue", "app", "--out", dir).exits(t, 0).says(t, "CA 2")
	a.changes(t, "rotate", "ca", "--client").says(t, "retire-ca/client-1").saysNot(t, "waits")
	a.puts(t, a.inv, dir)
	a.received(t, "the client with its certificate of old", old, a.inv, 2379, alert)
	a.run(t, "check").exits(t, 3).says(t, "[unsealed]", "1 finding") // the keys of the CAs of old, which were made before
	a.run(t, "pki", "reseal").exits(t, 0)
	a.run(t, "check").exits(t, 0)
	a.standsWith(t, a.inv, map[string]int{"peer": 2, "client": 2})
}

// algorithm: other keys are wanted, and come without a restart.
func (a *aged) algorithm(t *testing.T) {
	pids := a.pids(t, "prod")
	a.want(t, `algorithm = "ecdsa-p384"`)
	a.changes(t, "apply").says(t, "ecdsa-p384").saysNot(t, "restart-member")
	for where, leaf := range a.shown(t, a.inv) {
		if key, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P384() {
			t.Errorf("%s: the key is a %T", where, leaf.PublicKey)
		}
	}
	if now := a.pids(t, "prod"); now["etcd-1"] != pids["etcd-1"] {
		t.Errorf("the process was %v and is %v", pids, now)
	}
}

// connections end where that is asked for.
func (a *aged) connections(t *testing.T) {
	pids := a.pids(t, "prod")
	for _, args := range [][]string{
		{"rotate", "certs", "--end-connections"},
		{"cert", "revoke", "app", "--end-connections"},
	} {
		a.changes(t, args...).says(t, "restart-member/etcd-1")
		now := a.pids(t, "prod")
		if now["etcd-1"] == pids["etcd-1"] {
			t.Errorf("%v: the process is still %v", args, now)
		}
		pids = now
	}
	a.run(t, "plan", "--exit-code").exits(t, 0)
}
