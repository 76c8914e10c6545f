package lab

import (
	"strings"
	"sync"
	"testing"
)

// aptScript does what an operator's tool does with a package that shall not start at once: first it is not there, then
// it can be had, then it is there. apt complains of nothing, and of a package that nobody asked for it says so.
const aptScript = `set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
not() { if "$@" >&2; then exit 1; fi; }
not command -v haproxy
apt-get -q update >/run/said 2>&1
not grep -E '^(W|E|Err)' /run/said
apt-cache policy haproxy >/run/said
grep -q '^  Installed: (none)' /run/said
grep -q '^  Candidate: [1-9]' /run/said
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
apt-get -q -y install haproxy
haproxy -v
not systemctl is-active haproxy
not apt-get -q -y install pgbouncer 2>/run/said
grep -q 'Unable to locate package pgbouncer' /run/said
`

// anewScript gets packages from the repository, and leaves them.
const anewScript = `set -e
apt-get -q update
apt-get clean
apt-get -q -y --download-only --reinstall install haproxy
ls /var/cache/apt/archives/haproxy_*.deb
`

func TestPackages(t *testing.T) {
	t.Parallel()
	o := Options{
		Name: "packages", Packages: []string{"haproxy"},
		Hosts: []HostSpec{{Name: "lb-1"}, {Name: "lb-2", Suite: "trixie"}},
	}
	l := testLab(t, o)
	apt := func(host, script string) {
		t.Helper()
		if _, err := l.ExecInput(t.Context(), host, script, "/bin/sh"); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	var wg sync.WaitGroup
	for _, h := range l.Hosts() {
		wg.Go(func() { apt(h.Name, aptScript) })
	}
	wg.Wait()
	if err := l.PowerCut(t.Context(), "lb-1"); err != nil {
		t.Fatal(err)
	}
	if err := l.Boot(t.Context(), "lb-1"); err != nil {
		t.Fatal(err)
	}
	apt("lb-1", anewScript)

	// A new lab has what this one had, and nobody goes to the archive for it.
	if err := l.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, l)
	var log strings.Builder
	o.Name, o.Log, o.Hosts = l.Name(), &log, o.Hosts[1:]
	if _, err := Up(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if n := fetches(log.String()); n != 0 {
		t.Errorf("%d fetches:\n%s", n, log.String())
	}
	apt("lb-2", anewScript)
}
