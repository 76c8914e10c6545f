package acceptance

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// listScript prints every file of a host with all that a write would change: type, mode, owner, size, inode, times,
// target, and the digest of small ones. Left out is what the system itself writes to all the time: /proc, /sys, /dev,
// /run but for clusterup's own directory there, and the logs.
const listScript = `
cd /
list() { find "$@" -printf '%p\t%y %m %u:%g %s %i %T@ %C@ %l\n' 2>/dev/null; }
list / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /var/log -o -path /tmp \) -prune -o
list /tmp -mindepth 1 ! -path '/tmp/systemd-private-*'
list /run/clusterup
find /etc /opt /var/lib /usr/local /home /root /tmp -xdev -type f -size -64k ! -path '/tmp/systemd-private-*' -exec sha256sum {} + | sed 's/^\([0-9a-f]*\)  \(.*\)/digest of \2\t\1/'
`

// etcdsOwn are the files that a running member writes.
var etcdsOwn = regexp.MustCompile(`/var/lib/etcd[-/][^/]+/member/`)

// listing is everything on a host's disk, by path.
func (s *site) listing(t *testing.T, host string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for line := range strings.Lines(s.on(t, host, listScript)) {
		path, rest, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok || strings.HasPrefix(path, "digest of ") && etcdsOwn.MatchString(path) {
			continue
		}
		if etcdsOwn.MatchString(path) {
			rest = strings.Join(strings.Fields(rest)[:3], " ") // etcd writes there when it likes; type, mode and owner stay
		}
		files[path] = rest
	}
	const few = 1000 // even the barest host has more files
	if len(files) < few {
		t.Fatalf("the listing of %s has %d files", host, len(files))
	}
	return files
}

// control is the same for a directory on this machine.
func control(t *testing.T, dirs ...string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := os.Lstat(path)
			if err != nil {
				return err
			}
			sum := ""
			if info.Mode().IsRegular() {
				data, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				sum = fmt.Sprintf("%x", sha256.Sum256(data))
			}
			files[path] = fmt.Sprint(info.Mode(), info.Size(), info.ModTime().Format(time.RFC3339Nano), sum)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// untouched checks that what is done writes nothing, on any host nor in the operator's directories, and restarts
// nothing.
func (s *site) untouched(t *testing.T, cluster string, do func()) {
	t.Helper()
	type picture struct {
		Hosts   map[string]map[string]string
		Control map[string]string
		PIDs    map[string]string
	}
	take := func() picture {
		p := picture{map[string]map[string]string{}, control(t, s.dir, s.home), s.pids(t, cluster)}
		for _, name := range s.names() {
			p.Hosts[name] = s.listing(t, name)
		}
		return p
	}
	before := take()
	do()
	after := take()
	if d := cmp.Diff(before.PIDs, after.PIDs); d != "" {
		t.Errorf("processes changed: %s", d)
	}
	if d := cmp.Diff(before.Control, after.Control); d != "" {
		t.Errorf("files of the operator changed: %s", d)
	}
	for _, name := range s.names() {
		for path := range union(before.Hosts[name], after.Hosts[name]) {
			if was, is := before.Hosts[name][path], after.Hosts[name][path]; was != is {
				t.Errorf("%s: %s was written\n  was %s\n  is  %s", name, path, was, is)
			}
		}
	}
}

func union(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// again proves laws 8 and 9 on real hosts: looking writes nothing, and neither does an apply that finds nothing to do.
func again(t *testing.T, s *site, file string, inv inventory) {
	saved := s.ok(t, "plan", "--json", file).stdout
	s.untouched(t, inv.Cluster, func() {
		s.ok(t, "plan", "--exit-code", file)
		s.ok(t, "status", file)
		s.ok(t, "status", "--json", file).counts(t, len(inv.Members), true)
		s.ok(t, "apply", "--yes", "--json", file).idle(t)
		s.ok(t, "apply", file) // nothing to consent to
	})
	if now := s.ok(t, "plan", "--json", file).stdout; now != saved {
		t.Errorf("two plans differ:\n%s\n%s", saved, now)
	}
}
