package acceptance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestOwnCAs runs a cluster whose certificates an intermediate CA of the operator's company signs.
func TestOwnCAs(t *testing.T) {
	t.Parallel()
	s := newSite(t, "ownca", hosts(1)...)
	own := t.TempDir()
	intermediate(t, own)
	inv := s.inventory(t, "prod")
	inv.Settings += "\npki {\n  peer_ca {\n    cert = \"" + own + "/peer.pem\"\n    key = \"" + own +
		"/peer.key\"\n  }\n" +
		"  client_ca {\n    cert = \"" + own + "/client.pem\"\n    key = \"" + own + "/client.key\"\n  }\n}\n"
	file := s.write(t, "prod.hcl", inv)
	key := filepath.Join(own, "client.key")
	must(t, os.Rename(key, key+".away"))
	refused(t, s, file, 13, "client CA…[given-ca]", key)
	must(t, os.Rename(key+".away", key))
	unfitCAs(t, s, inv)
	s.ok(t, "apply", "--yes", s.write(t, "prod.hcl", inv))
	s.inSync(t, file, inv)
	chain := s.on(t, "etcd-1", "grep -c BEGIN /etc/etcd/prod/tls/peer/cert.pem")
	if chain != "2" {
		t.Errorf("the peer's file holds %s certificates, want its own and the intermediate's", chain)
	}
	creds := filepath.Join(t.TempDir(), "creds")
	s.ok(t, "cert", "issue", "app", file, "--out", creds)
	s.puts(t, inv, creds)
	s.on(t, "etcd-1", "rm /etc/etcd/prod/tls/server/key.pem")
	s.ok(t, "apply", "--yes", file).says(t, "issue-leaf/server/etcd-1")
	takenOver(t, s, inv, own, file)
	inv.Settings = ""
	unfitCAs(t, s, inv)
	s.inSync(t, s.write(t, "prod.hcl", inv), inv)
	backAgain(t, s, inv)
}

// unfitCAs are refused, whether there is a cluster already or not, for the field that is wrong.
func unfitCAs(t *testing.T, s *site, inv inventory) {
	t.Helper()
	for name, c := range map[string]struct {
		change func(*x509.Certificate)
		says   string
	}{
		"web": {
			func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} },
			`extendedKeyUsage of "CN=web"…clientAuth`,
		},
		"young": {
			func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) },
			`"CN=young"…notBefore`,
		},
		"bound": {
			func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.com"} },
			`nameConstraints of "CN=bound"…"localhost"`,
		},
	} {
		inv.Settings = peerCA(company(t, name, c.change))
		refused(t, s, s.write(t, "prod.hcl", inv), 13, "[given-ca]",
			"peer CA…"+c.says)
	}
}

// backAgain begins to take the members over to another CA, and thinks better of it when all but the end is done.
func backAgain(t *testing.T, s *site, inv inventory) {
	t.Helper()
	file := s.write(t, "prod.hcl", inv)
	inv.Settings = peerCA(company(t, "better", nil))
	there := s.write(t, "prod.hcl", inv)
	const near = "CLUSTERUP_FAULT=kill before retire-ca/peer-2"
	s.disturbed(t, near, "apply", "--yes", "--accept=downtime", there).exits(t, -1)
	if leaf := s.lying(t, "etcd-1", "prod", "peer"); leaf.Issuer.CommonName != "better" {
		t.Errorf("before the way back the peer's certificate is of %s", leaf.Issuer)
	}
	inv.Settings = ""
	file = s.write(t, filepath.Base(file), inv)
	s.ok(t, "apply", "--yes", "--accept=downtime", file).
		says(t, "retire-ca/peer-3", "peer CA 2")
	s.inSync(t, file, inv)
	s.standsWith(t, inv, map[string]int{"peer": 2, "client": 2})
}

func peerCA(base string) string {
	return fmt.Sprintf("\npki {\n  peer_ca {\n    cert = %q\n    key  = %q\n  }\n}\n", base+".pem", base+".key")
}

// company makes an intermediate CA, with its root, that is odd in one thing, and says where its files are but for
// .pem and .key.
func company(t *testing.T, name string, odd func(*x509.Certificate)) string {
	t.Helper()
	base := filepath.Join(t.TempDir(), name)
	template := func(name string, serial int64) *x509.Certificate {
		return &x509.Certificate{
			Subject: pkix.Name{CommonName: name}, SerialNumber: big.NewInt(serial),
			BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		}
	}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	root, below := template("root of "+name, 1), template(name, 2)
	if odd != nil {
		odd(below)
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	must(t, err)
	root, err = x509.ParseCertificate(rootDER)
	must(t, err)
	der, err := x509.CreateCertificate(rand.Reader, below, root, key.Public(), rootKey)
	must(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	var certs []byte
	for _, cert := range [][]byte{der, rootDER} {
		certs = append(certs, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})...)
	}
	must(t, os.WriteFile(base+".pem", certs, 0o644))
	must(t, os.WriteFile(base+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return base
}

// takenOver gives up the CAs of the company: they cannot make their successors, the members go over to others, and
// until they have, nothing can be asked of them without the old key.
func takenOver(t *testing.T, s *site, inv inventory, own, file string) {
	s.run(t, "rotate", "ca", "--yes", file).exits(t, 13).says(t, "peer CA 1…[given-ca]", "→ ")
	inv.Settings = ""
	file = s.write(t, "prod.hcl", inv)
	key := filepath.Join(own, "client.key")
	must(t, os.Rename(key, key+".away"))
	refused(t, s, file, 13, "[ca-key-missing]", "→ …"+key)
	must(t, os.Rename(key+".away", key))
	s.ok(t, "apply", "--yes", "--accept=downtime", file).says(t, "retire-ca/peer-1",
		"hold-rotation/client")
	s.run(t, "check", file).exits(t, 3).says(t, "[rotation]")
	s.ok(t, "rotate", "ca", "--client", "--yes", "--accept=downtime,old-clients", file).says(t, "retire-ca/client-1")
	must(t, os.Remove(key))
	s.inSync(t, file, inv)
	s.standsWith(t, inv, map[string]int{"peer": 2, "client": 2})
}

// TestCAServers runs a cluster whose certificates two cfssl servers sign, the program itself and not our idea of it:
// that of the peers over http, with its certificate in the inventory, and that of the clients over https, known by what
// it says itself.
func TestCAServers(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	const authKey = "5f1d3c9e0a7b42c68d1e2f3a4b5c6d7e"
	s := newSite(t, "cfssl", hosts(1)...)
	own := t.TempDir()
	intermediate(t, own)
	serverPair(t, own, "client-tls")
	peers, clients := serveCA(t, s, own, "peer", "8888", authKey), serveCA(t, s, own, "client", "8889", authKey)
	inv := s.inventory(t, "prod")
	inv.Settings = fmt.Sprintf(`
  pki {
    peer_ca {
      cert = %q
      external {
        url           = %q
        auth_key_file = %q
        profile       = "etcd"
      }
    }
    client_ca {
      external {
        url           = %q
        auth_key_file = %[3]q
        profile       = "etcd"
        ca_file       = %[5]q
      }
    }
  }
`, own+"/peer.pem", peers.url, s.file(t, "auth.key", authKey+"\n"), clients.url, own+"/client-tls.pem")
	file := s.write(t, "prod.hcl", inv)
	less := inv // what a server really signs shows only when it does
	less.Settings = strings.Replace(inv.Settings, `profile       = "etcd"`, `profile       = ""`, 1)
	s.write(t, "prod.hcl", less)
	s.run(t, "apply", "--yes", file).exits(t, 13).
		says(t, "[given-ca]", "profile").saysNot(t, "create-ca/")
	if got := s.on(t, "etcd-1", "ls -d /etc/etcd /opt/clusterup 2>/dev/null || echo bare"); got != "bare" {
		t.Errorf("etcd-1 has %s", got)
	}
	s.write(t, "prod.hcl", inv)
	s.ok(t, "apply", "--yes", file)
	s.inSync(t, file, inv)
	for role, issuer := range map[string]string{"peer": "etcd peer intermediate", "server": "etcd client intermediate"} {
		if leaf := s.lying(t, "etcd-1", "prod", role); leaf.Issuer.CommonName != issuer {
			t.Errorf("the %s certificate is issued by %s", role, leaf.Issuer)
		}
		before := s.lying(t, "etcd-1", "prod", role).SerialNumber
		s.on(t, "etcd-1", "rm /etc/etcd/prod/tls/"+role+"/key.pem")
		s.ok(t, "apply", "--yes", file).says(t, "issue-leaf/"+role+"/etcd-1")
		if leaf := s.lying(t, "etcd-1", "prod", role); leaf.Issuer.CommonName != issuer ||
			leaf.SerialNumber.Cmp(before) == 0 {
			t.Errorf("issued again: %s by %s", leaf.SerialNumber, leaf.Issuer)
		}
	}
	s.inSync(t, file, inv)
	creds := filepath.Join(t.TempDir(), "creds")
	s.ok(t, "cert", "issue", "app", file, "--out", creds)
	s.ok(t, "cert", "list", file).says(t, "app", "CN=etcd client intermediate")
	s.puts(t, inv, creds)

	if keys, err := filepath.Glob(filepath.Join(s.dir, ".clusterup", "prod", "ca", "*.key*")); err != nil ||
		len(keys) > 0 {
		t.Errorf("keys in the operator directory: %v, %v", keys, err)
	}
	peers.stop()
	s.inSync(t, file, inv) // no peer certificate is due
	clients.stop()
	s.run(t, "cert", "issue", "app", file, "--out", creds+"2").exits(t, 1).says(t, clients.url, "connection refused")
	if strings.Contains(s.said.String(), authKey) {
		t.Error("the auth key was shown")
	}
}

// serverPair is a certificate, by itself, of a server on this machine.
func serverPair(t *testing.T, dir, name string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
		"ec_paramgen_curve:P-256", "-nodes", "-days", "9",
		"-subj", "/CN=ca", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", filepath.Join(dir, name+".key"), "-out",
		filepath.Join(dir, name+".pem"),
	).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
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
