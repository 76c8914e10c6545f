package acceptance

import "testing"

// deaf has a member not hear that it shall end, so that systemd kills it when its time is up.
const deaf = `set -e
mkdir -p /etc/systemd/system/etcd-prod.service.d
printf '[Service]\nKillSignal=SIGWINCH\nTimeoutStopSec=30\n' >/etc/systemd/system/etcd-prod.service.d/deaf.conf
systemctl daemon-reload
`

// hung has what is started next hang, once.
const hung = `set -e
printf '#!/bin/sh\nif mkdir /run/hung; then exec sleep infinity; fi\n' >/usr/local/lib/hang
chmod 0755 /usr/local/lib/hang
printf 'ExecStartPre=-+/usr/bin/nsenter -t 1 -m /usr/local/lib/hang\n' >>/etc/systemd/system/etcd-prod.service.d/deaf.conf
systemctl daemon-reload
`

// TestRestartOfDeaf proves that the time which a process takes to end does not count as a slow start, and is named when
// a start does take too long after it.
func TestRestartOfDeaf(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	s := newSite(t, "restart-deaf", hosts(3)...)
	inv := s.inventory(t, "prod")
	file := s.write(t, "prod.hcl", inv)
	s.ok(t, "apply", "--yes", file)

	s.on(t, "etcd-2", deaf)
	etcdBlock(`flags = { "max-request-bytes" = "2097152" }`)(&inv)
	s.write(t, "prod.hcl", inv)
	s.ok(t, "apply", "--yes", "--start-timeout=25s", file)
	s.on(t, "etcd-2", `journalctl --sync; journalctl -u etcd-prod -o cat | grep "State 'stop-sigterm' timed out"`)

	if !whole() { // what follows waits for minutes
		return
	}
	s.on(t, "etcd-2", hung)
	etcdBlock(`flags = { "max-request-bytes" = "1048576" }`)(&inv)
	s.write(t, "prod.hcl", inv)
	s.run(t, "apply", "--yes", "--start-timeout=25s", file).exits(t, 14).says(t,
		"restart-member/etcd-2: …took 3…25s", "Cause: …SIGTERM", "take etcd-2 back")
	s.on(t, "etcd-2", "rm -r /etc/systemd/system/etcd-prod.service.d /usr/local/lib/hang; systemctl daemon-reload")
	s.ok(t, "apply", "--yes", file)
	s.inSync(t, file, inv)
}
