package acceptance

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// keyWatcher looks all the time at every file in which hosts have keys, whole or half written.
type keyWatcher struct {
	roots []string // file systems of hosts
	stop  func()
	seen  map[string]bool // keys; read after stop
	wrong map[string]bool // the same
}

func watchKeys(t *testing.T, s *site) *keyWatcher {
	t.Helper()
	w := &keyWatcher{seen: map[string]bool{}, wrong: map[string]bool{}}
	for _, host := range s.names() {
		w.roots = append(w.roots, s.lab.Root(host))
	}
	w.stop = often(t, 5*time.Millisecond, w.look)
	return w
}

func (w *keyWatcher) look() {
	for _, root := range w.roots {
		_ = filepath.WalkDir(filepath.Join(root, "etc/etcd"), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return nil // many are gone by then
			}
			w.judge(strings.TrimPrefix(path, root), path)
			return nil
		})
	}
}

// judge takes the mode after the text: what is more open before it holds a key does no harm.
func (w *keyWatcher) judge(name, path string) {
	file, err := os.Open(path)
	if err != nil {
		return
	}
	defer file.Close()
	start := make([]byte, 256)
	n, _ := file.Read(start)
	info, err := file.Stat()
	if err != nil || !bytes.Contains(start[:n], []byte("PRIVATE KEY")) {
		return
	}
	w.seen[string(start[:n])] = true
	if info.Mode().Perm() != 0o600 {
		w.wrong[name+" "+info.Mode().String()] = true
	}
}

// end says how many keys there were.
func (w *keyWatcher) end(t *testing.T) int {
	t.Helper()
	w.stop()
	for wrong := range w.wrong {
		t.Errorf("a key: %s", wrong)
	}
	return len(w.seen)
}

// secretly watches over all keys, the old ones, and those that are made meanwhile, until it is ended: law 7 in a
// rotation.
func secretly(t *testing.T, s *site) (end func()) {
	t.Helper()
	old, commands, files := s.keys(t), watchCommands(t), watchKeys(t, s)
	return func() {
		t.Helper()
		const each = 2 // a peer's and a server's
		if n, least := files.end(t), 2*each*len(s.names()); n < least {
			t.Errorf("%d keys of members were seen, of the %d that there were at least", n, least)
		}
		lines := commands.lines()
		hygiene(t, s, lines)
		for _, key := range old {
			for _, form := range key.forms {
				if strings.Contains(lines, form) || strings.Contains(s.said.String(), form) {
					t.Errorf("the key %s, which is out of use now, was in a command line or an output", key.from)
				}
			}
		}
	}
}
