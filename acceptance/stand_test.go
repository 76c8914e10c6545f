package acceptance

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// stand is where one cluster is disturbed: some hosts of a site, and an operator's directory of its own, so that one
// lab has room for several stands.
type stand struct {
	*site
	inv     inventory
	file    string
	secrets map[string]secret // every private key that was ever seen here, by its first line
}

// newStand takes the named hosts of a site.
func newStand(t *testing.T, s *site, inv inventory, members ...member) *stand {
	t.Helper()
	own := *s
	own.dir, own.home, own.said = t.TempDir(), t.TempDir(), &buffer{}
	inv.Members = members
	st := &stand{site: &own, inv: inv, secrets: map[string]secret{}}
	st.file = own.write(t, "prod.hcl", inv)
	return st
}

func (s *stand) hosts() []string {
	var names []string
	for _, m := range s.inv.Members {
		names = append(names, m.Name)
	}
	return names
}

// forget drops what was said so far, all of which has been looked through.
func (s *stand) forget() { s.said = &buffer{} }

// each does something with every host, side by side.
func (s *stand) each(do func(host string)) {
	var wg sync.WaitGroup
	for _, host := range s.hosts() {
		wg.Go(func() { do(host) })
	}
	wg.Wait()
}

// bare installs the hosts anew and forgets the operator directory.
func (s *stand) bare(t *testing.T) {
	t.Helper()
	s.each(func(host string) {
		if err := s.lab.Wipe(t.Context(), host); err != nil {
			t.Error(err)
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	must(t, os.RemoveAll(filepath.Join(s.dir, ".clusterup")))
}

// looks takes the pictures of all hosts, in the order of the inventory.
func (s *stand) looks(t *testing.T) []picture {
	t.Helper()
	var all []picture
	for _, host := range s.hosts() {
		all = append(all, s.look(t, host))
	}
	return all
}

// quietScript names what a run has left going on a host: processes of SSH sessions, and locks that somebody holds.
// sshd's own listener is the one process that may stay in its control group.
const quietScript = `
main=$(systemctl show -p MainPID --value ssh)
for p in /proc/[0-9]*; do
  [ "${p#/proc/}" = "$main" ] || ! grep -qsE '/(ssh\.service|ssh@|session-|user@)' $p/cgroup || tr '\0' ' ' <$p/cmdline
done
for l in /run/clusterup/*.lock; do [ ! -f "$l" ] || flock -n "$l" true || echo "$l is locked"; done
`

// quiet waits until nothing of a run goes on any more.
func (s *stand) quiet(t *testing.T) {
	t.Helper()
	s.each(func(host string) {
		left := ""
		until(t, "everything of the run on "+host+" to end", func() bool {
			left, _ = s.try(t, host, quietScript) // a process may end while it is looked at
			return left == ""
		})
	})
}

// lawful checks what holds at any time, however a run ended: one cluster ID, no data gone, keys for their owner only,
// nothing secret in what was said.
func (s *stand) lawful(t *testing.T, before, after []picture) {
	t.Helper()
	clusters := map[uint64][]string{}
	for i, p := range after {
		host := s.hosts()[i]
		for path, h := range p.heads {
			clusters[h.cluster] = append(clusters[h.cluster], host+":"+path)
		}
		lives := slices.Collect(maps.Values(p.heads))
		for path, h := range before[i].heads {
			if !slices.Contains(lives, h) {
				t.Errorf("%s: the data of member %x is gone from %s", host, h.member, path)
			}
		}
		for path, mode := range p.keys {
			ours := strings.HasPrefix(mode, "600 ") && strings.HasPrefix(path, "/etc/etcd/prod/tls/") ||
				mode == "640 root:etcd-prod" && isTokenKey(path)
			if !ours {
				t.Errorf("%s: a key in %s, %s", host, path, mode)
			}
		}
	}
	if len(clusters) > 1 {
		t.Errorf("there are %d cluster IDs: %x", len(clusters), clusters)
	}
	s.told(t, "what clusterup said", s.said.String())
	s.operatorFiles(t, func(where, text string) { t.Helper(); s.told(t, where, text) })
}

// isTokenKey says that a file is one of the keys by which members sign tokens.
func isTokenKey(path string) bool { return strings.HasPrefix(path, "/etc/etcd/prod/token-") }

var privateKey = regexp.MustCompile(`[^\n]{0,80}BEGIN [A-Z ]*PRIVATE KEY`)

// told checks that a text holds no key.
func (s *stand) told(t *testing.T, where, text string) {
	t.Helper()
	if key := privateKey.FindString(text); key != "" {
		t.Errorf("%s holds a private key: %q", where, key)
	}
	for _, key := range s.secrets {
		for _, form := range key.forms {
			if strings.Contains(text, form) {
				t.Errorf("%s holds the key %s", where, key.from)
			}
		}
	}
}

// served checks the end of what makes or mends a cluster: all members are healthy, and each has the marker of its own
// life.
func (s *stand) served(t *testing.T, end []picture) {
	t.Helper()
	s.inSync(t, s.file, s.inv)
	for i, p := range end {
		host := s.hosts()[i]
		pairs := 0
		for path := range p.keys {
			if !isTokenKey(path) {
				pairs++
			}
		}
		if len(p.heads) != 1 || len(p.births) != 1 || pairs != 2 {
			t.Errorf("%s has %d write-ahead logs, %d markers, %d keys", host, len(p.heads), len(p.births), pairs)
			continue
		}
		for _, h := range p.heads {
			if got, want := p.births[0], (birth{hex(h.cluster), hex(h.member)}); got != want {
				t.Errorf("%s has the marker %v, and the data of %v", host, got, want)
			}
		}
	}
}
