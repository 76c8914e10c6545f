package acceptance

import (
	"fmt"
	"testing"
)

// stubborn is a member that goes on to serve its old certificates, whatever lies on its host: in its mount namespace,
// which systemd has made for it alone, they lie on top of the new ones. Only a handshake can tell.
func stubborn(t *testing.T, s *site, file string, inv inventory) {
	before, pids := s.digests(t, inv), s.pids(t, inv.Cluster)
	s.on(t, "etcd-2",
		fmt.Sprintf(
			"set -e; cp -a /etc/etcd/prod/tls /run/old-tls; nsenter -t %s -m mount --bind /run/old-tls /etc/etcd/prod/tls",
			pids["etcd-2"]))
	// Nobody compares here: no model foresees a member that lies so.
	s.launch(t, clusterup, "rotate", "certs", "--yes", file).wait(t).exits(t, 0).
		says(t, "── restart etcd-2")
	s.on(t, "etcd-2", "rm -r /run/old-tls")
	for host, pid := range s.pids(t, inv.Cluster) {
		if restarted := pid != pids[host]; restarted != (host == "etcd-2") {
			t.Errorf("%s: its member was PID %s and is %s", host, pids[host], pid)
		}
	}
	for door, sum := range s.digests(t, inv) {
		if sum == before[door] {
			t.Errorf("%s shows the old certificate", door)
		}
	}
	s.inSync(t, file, inv)
	if !t.Failed() {
		guarantee(t, "a member does not take up its new certificates", "rotation of the certificates of 3 members",
			"noticed by handshakes from the other hosts; that member alone is restarted")
	}
}

// yearAhead is a host on which no certificate would be valid that is made now.
func yearAhead(t *testing.T, s *site, file string, inv inventory) {
	s.on(t, "etcd-2", clockOff("1 year"))
	s.untouched(t, inv.Cluster, func() {
		for _, verb := range []string{"certs", "ca"} {
			s.run(t, "rotate", verb, "--yes", file).exits(t, 13).
				says(t, "etcd-2: …clock is 36…days ahead…[clock-off]", "→ …clock")
		}
	})
	s.on(t, "etcd-2", clockRight)
	s.inSync(t, file, inv)
}
