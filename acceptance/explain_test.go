package acceptance

import (
	"crypto/rand"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/pki"
)

// misfit is what keeps a member from coming up though all that clusterup looks at is well: it happens between the look
// and the start.
type misfit struct {
	before string // a script that root runs right before etcd
	args   string // flags that etcd is run with besides, the last of which count
	says   []string
}

// spareDir lies in the data directory, the only one that the unit may write to.
const spareDir = "/var/lib/etcd-prod/other"

// telling are the misfits worth a try in every run of the tests; all are tried with FAULTS=full.
var telling = map[string]bool{
	"port in use": true, "unknown flag": true, "disk full": true,
	"certificate of another CA": true,
}

var misfits = map[string]misfit{
	"port in use": {
		before: "systemd-run -q --unit=squatter /usr/sbin/sshd -D -p 2380\nuntil [ -n \"$(ss -Hltn 'sport = :2380')\" ]; do :; done",
		says:   []string{"Cause: …process…:2380", "→ …port"},
	},
	"data directory of root": {
		before: "chown root:root /var/lib/etcd-prod",
		says:   []string{"Cause: …user…data directory", "→ clusterup apply"},
	},
	"unknown flag": {
		args: "--experimental-nonsense=1",
		says: []string{"Cause: …know the flag experimental-nonsense", "→ …etcd { flags }"},
	},
	"no value of a flag": {
		args: "--max-txn-ops=many",
		says: []string{`Cause: …max-txn-ops…"many"`, "→ …inventory"},
	},
	"flags at odds": {
		args: "--heartbeat-interval=900",
		says: []string{"Cause: …--election-timeout[1000ms] should be at least as 5 times", "→ …inventory"},
	},
	"data lost and begun anew": {
		args: "--data-dir=" + spareDir + " --initial-cluster-state=new",
		says: []string{"Cause: …data directory is empty", "→ …data"},
	},
	"another cluster": {
		args: "--data-dir=" + spareDir + " --initial-cluster-state=new --initial-cluster-token=another",
		says: []string{"Cause: …another cluster", "→ …addresses"},
	},
	"not in the member list": {
		args: "--data-dir=" + spareDir +
			" --initial-cluster-state=existing --initial-cluster=etcd-1=https://ETCD-1:2380,etcd-2=https://ETCD-2:2380",
		says: []string{"Cause: initial-cluster…member list", "→ …clusterup status"},
	},
	"disk full": {
		before: "mkdir " + spareDir + "; mount -t tmpfs -o size=16m,uid=etcd-prod,gid=etcd-prod,mode=700 tmpfs " + spareDir,
		args:   "--data-dir=" + spareDir + " --initial-cluster-state=new --initial-cluster=etcd-2=https://ETCD-2:2380",
		says:   []string{"Cause: …full", "→ make room"},
	},
	"certificate of another CA": {
		args: "--peer-cert-file=/etc/etcd/prod/tls/server/cert.pem --peer-key-file=/etc/etcd/prod/tls/server/key.pem",
		says: []string{"Cause: a peer…certificate", "→ …operator directory"},
	},
	"certificate of another address": {
		args: "--peer-cert-file=/etc/misfit/cert.pem --peer-key-file=/etc/misfit/key.pem",
		says: []string{"Cause: a peer…certificate", "→ …operator directory"},
	},
	"certificate without its key": {
		args: "--peer-cert-file=/etc/misfit/cert.pem",
		says: []string{"Cause: a certificate and its key", "→ clusterup apply"},
	},
	"certificate gone": {
		args: "--peer-cert-file=/etc/misfit/gone.pem",
		says: []string{"Cause: …/etc/misfit/gone.pem…no such file or directory", "→ clusterup apply"},
	},
}

// TestExplained proves that the reason why a member does not come up is said in one sentence, with what to do, above
// its raw words.
func TestExplained(t *testing.T) {
	t.Parallel()
	s := newSite(t, "explain", hosts(3)...)
	inv := s.inventory(t, "prod")
	file := s.write(t, "prod.hcl", inv)
	s.ok(t, "apply", "--yes", file)
	s.stranger(t)
	for name, m := range misfits {
		if !whole() && !telling[name] {
			continue
		}
		t.Run(name, func(t *testing.T) {
			args := strings.NewReplacer("ETCD-1", s.host(t, "etcd-1").IPv4.String(), "ETCD-2",
				s.host(t, "etcd-2").IPv4.String()).Replace(m.args)
			s.on(t, "etcd-2", fmt.Sprintf(makeMisfit, m.before, args))
			result := s.run(t, "apply", "--yes", "--start-timeout=12s", file)
			s.on(t, "etcd-2", undoMisfit)
			result.exits(t, 14).says(t, append(m.says, "start-member/etcd-2: ")...)
			cause, raw := strings.Index(result.stderr, "    Cause: "),
				strings.Index(result.stderr, "    the last lines of its journal")
			if cause < 0 || cause > raw || strings.Count(result.stderr, "    Cause: ") != 1 {
				t.Error("the cause does not stand above the raw lines")
			}
		})
	}
	s.ok(t, "apply", "--yes", file)
	s.inSync(t, file, inv)
}

// stranger puts a pair on etcd-2 that the right CA has signed for another address.
func (s *site) stranger(t *testing.T) {
	t.Helper()
	leaf := pki.Leaf{Kind: "peer", CN: "etcd-2", IPs: []net.IP{net.IPv4(203, 0, 113, 9)}, Lifetime: time.Hour}
	pair, err := s.cas(t, "prod").Issue(leaf, time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s.on(t, "etcd-2", fmt.Sprintf(`umask 077; mkdir /etc/misfit
cat >/etc/misfit/cert.pem <<'PEM'
%sPEM
cat >/etc/misfit/key.pem <<'PEM'
%sPEM
chown -R etcd-prod: /etc/misfit`, pair.Cert, pair.Key))
}

// All that clusterup looks at stays as it is until the unit starts: only then the binary is covered by a script, which
// ends in it.
const (
	makeMisfit = `set -e
systemctl stop etcd-prod
cp ` + binDir + `etcd /usr/local/lib/etcd
cat >/usr/local/lib/misfit <<'SH'
#!/bin/sh
mount --bind /usr/local/lib/wrapper ` + binDir + `etcd
%s
SH
cat >/usr/local/lib/wrapper <<'SH'
#!/bin/sh
exec /usr/local/lib/etcd "$@" %s
SH
chmod 0755 /usr/local/lib/wrapper /usr/local/lib/misfit
mkdir -p /etc/systemd/system/etcd-prod.service.d
printf '[Service]\nExecStartPre=+/usr/bin/nsenter -t 1 -m /usr/local/lib/misfit\nRestart=no\n' >/etc/systemd/system/etcd-prod.service.d/misfit.conf
systemctl daemon-reload
`
	undoMisfit = `systemctl stop etcd-prod squatter 2>/dev/null
systemctl reset-failed 2>/dev/null
while umount ` + binDir + `etcd 2>/dev/null; do :; done
umount ` + spareDir + ` 2>/dev/null
rm -rf ` + spareDir + ` /etc/systemd/system/etcd-prod.service.d /usr/local/lib/etcd
systemctl daemon-reload
chown etcd-prod:etcd-prod /var/lib/etcd-prod`
)
