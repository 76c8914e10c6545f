package acceptance

import (
	"crypto/tls"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestOwnCAs runs a cluster whose certificates an intermediate CA of the operator's company signs.
func TestOwnCAs(t *testing.T) {
	t.Parallel()
	s := newSite(t, "ownca", hosts(1)...)
	own := t.TempDir()
	intermediate(t, own)
	inv := s.inventory(t, "prod")
	inv.Settings += "\npki {\n  peer_ca {\n    cert = \"" + own + "/peer.pem\"\n    key = \"" + own + "/peer.key\"\n  }\n" +
		"  client_ca {\n    cert = \"" + own + "/client.pem\"\n    key = \"" + own + "/client.key\"\n  }\n}\n"
	file := s.write(t, "prod.hcl", inv)
	s.ok(t, "apply", "--yes", file)
	s.inSync(t, file, inv)
	chain := s.on(t, "etcd-1", "grep -c BEGIN /etc/etcd/prod/tls/peer/cert.pem")
	if chain != "2" {
		t.Errorf("the peer's file holds %s certificates, want its own and the intermediate's", chain)
	}
	creds := filepath.Join(t.TempDir(), "creds")
	s.ok(t, "cert", "issue", "app", file, "--out", creds)
	pair, err := tls.LoadX509KeyPair(filepath.Join(creds, "app.pem"), filepath.Join(creds, "app-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	config := trusting(t, filepath.Join(creds, "ca.pem"))
	config.Certificates = []tls.Certificate{pair}
	if _, err := s.client(t, config, endpoint(inv.Members[0], 2379)).Put(t.Context(), "by", "app"); err != nil {
		t.Error(err)
	}
	s.on(t, "etcd-1", "rm /etc/etcd/prod/tls/server/key.pem")
	s.ok(t, "apply", "--yes", file).says(t, "issue-leaf/server/etcd-1")
}

// intermediate makes two of them, with their root, as a company's PKI would.
func intermediate(t *testing.T, dir string) {
	t.Helper()
	const script = `set -eu
cd "$1"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj "/CN=Company root" -keyout root.key -out root.pem
printf 'basicConstraints=critical,CA:true,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n' >ca.ext
for role in peer client; do
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=etcd $role intermediate" -keyout "$role.key" -out "$role.csr"
  openssl x509 -req -in "$role.csr" -CA root.pem -CAkey root.key -CAcreateserial -days 60 -extfile ca.ext -out "$role.pem"
  chmod 0600 "$role.key"
done
`
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", script, "sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
