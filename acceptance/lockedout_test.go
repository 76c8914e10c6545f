package acceptance

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLockedOut has permissions and a user that logs in with members of the minor versions before and after, which
// TestPasswords has not. Then the data of each say that root has not its role, and whoever else has it gives it back,
// by what the refusal says.
func TestLockedOut(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	stands := standsOf(t, "lockedout", 1, 2)
	for i, version := range []string{releaseBefore, releaseNext} {
		t.Run(version, func(t *testing.T) {
			st := stands[i]
			st.inv.Version = version
			s, inv := st.site, st.inv
			s.password(t, firstPassword)
			inv.Settings = passwordBlock(`user "ops" { roles = ["root"] }`) + "\n  client \"ops\" {}\n"
			file := s.write(t, "prod.hcl", inv)
			s.ok(t, "apply", "--yes", file).says(t, "enable-auth/")
			s.writesAs(t, inv, firstPassword)
			s.password(t, secondPassword)
			s.ok(t, "apply", "--yes", file).says(t, "set-password/old/").saysNot(t, "restart-member", "put-user")
			s.writesAs(t, inv, secondPassword)
			s.ok(t, "rotate", "tokens", "--yes", "--accept=downtime", file)
			s.writesAs(t, inv, secondPassword)
			s.run(t, "plan", "--exit-code", file).exits(t, 0).says(t, nothingToDo)

			s.ok(t, "cert", "issue", "ops", file, "--out", filepath.Join(s.dir, "creds"))
			s.rootless(t, inv.Members[0].Name)
			inv.Settings += "\n  etcd { flags = { \"max-txn-ops\" = \"150\" } }\n" // which is not done meanwhile
			file = s.write(t, "prod.hcl", inv)
			why := "the user root, which clusterup is by its certificate, is not there or has not the role root"
			refused := s.run(t, "apply", "--yes", file).exits(t, 13).
				says(t, why+"…[no-user]", "→ another user with the role root…").saysNot(t, "restart-member")
			s.run(t, "check", file).exits(t, 3).says(t, why+"…[refused]")
			s.givenBack(t, inv.Members[0].Name, refused.stdout+refused.stderr)
			s.ok(t, "apply", "--yes", "--accept=downtime", file).says(t, "restart-member/")
			s.writesAs(t, inv, secondPassword)
			s.run(t, "plan", "--exit-code", file).exits(t, 0).says(t, nothingToDo)
		})
	}
}

// rootless writes into the data of a lone member that root has another role. etcd's own API does not allow that while
// permissions are on. The user is a message of etcd's authpb: its name is field 1, a role field 3, both of four bytes.
func (s *site) rootless(t *testing.T, host string) {
	t.Helper()
	s.on(t, host, `set -e
systemctl stop etcd-prod
db=/var/lib/etcd-prod/member/snap/db
before=$(sha256sum <$db)
LC_ALL=C sed -z -i 's/\n\x04root\x1a\x04root/\n\x04root\x1a\x04r00t/g' $db
chown etcd-prod: $db
test "$before" != "$(sha256sum <$db)"
systemctl start etcd-prod`)
}

// givenBack does with etcdctl what a refusal says, on a host, with the pair of ops.
func (s *site) givenBack(t *testing.T, host, refusal string) {
	t.Helper()
	words := strings.Join(strings.Fields(refusal), " ")
	_, command, found := strings.Cut(words, "with that, etcdctl ")
	options, _, found2 := strings.Cut(command, " user add root --no-password, and then user grant-role root root;")
	if !found || !found2 {
		t.Fatalf("no command in %s", words)
	}
	var script strings.Builder
	script.WriteString("set -e; umask 077; mkdir /root/DIR; cd /root; PATH=$(echo /opt/clusterup/etcd/*/):$PATH\n")
	for _, name := range []string{"ca.pem", "ops.pem", "ops-key.pem"} {
		data, err := os.ReadFile(filepath.Join(s.dir, "creds", name))
		must(t, err)
		fmt.Fprintf(&script, "echo %s | base64 -d >DIR/%s\n", base64.StdEncoding.EncodeToString(data), name)
	}
	options = strings.ReplaceAll(options, "NAME", "ops")
	fmt.Fprintf(&script, "etcdctl %s user add root --no-password || true\n", options) // it is there
	fmt.Fprintf(&script, "etcdctl %s user grant-role root root\n", options)
	s.on(t, host, script.String())
}
