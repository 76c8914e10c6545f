package acceptance

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// watcher collects every command line of this machine, and so of all hosts of the lab, for they share its kernel.
type watcher struct {
	stop func()
	seen map[string]bool // read after stop
}

func watchCommands(t *testing.T) *watcher {
	t.Helper()
	w := &watcher{seen: map[string]bool{}}
	w.stop = often(t, 20*time.Millisecond, w.look)
	return w
}

// often looks again and again, until it is stopped; by then the last look is over.
func often(t *testing.T, every time.Duration, look func()) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			look()
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}

func (w *watcher) look() {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		if line, err := os.ReadFile(file); err == nil && len(line) > 0 { // many are gone by then
			w.seen[string(line)] = true
		}
	}
}

// lines ends the watch.
func (w *watcher) lines() string {
	w.stop()
	var all strings.Builder
	for line := range w.seen {
		all.WriteString(line + "\n")
	}
	return all.String()
}

// secret is a private key in all forms in which it could leak as text.
type secret struct {
	from  string
	forms []string
}

// secretOf reads a P-256 key in PKCS #8, in which 36 bytes that all keys have in common come before the 32 that are
// secret, and the public key, which is in certificates too, after them.
func secretOf(from string, pem []byte) secret {
	body := strings.Split(string(pem), "\n")
	return secret{from: from, forms: []string{body[1], body[2][:24], base64.StdEncoding.EncodeToString(pem)[104:152]}}
}

// keys are all private keys of the site: those of the CAs, and those on the hosts.
func (s *site) keys(t *testing.T) []secret {
	t.Helper()
	var all []secret
	files, err := filepath.Glob(filepath.Join(s.dir, ".clusterup", "*", "ca", "*.key"))
	if err != nil || len(files) < 2 {
		t.Fatalf("keys of CAs: %v, %v", files, err)
	}
	for _, file := range files {
		pem, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, secretOf(file, pem))
	}
	for _, host := range s.names() {
		for _, file := range strings.Fields(s.on(t, host, "ls /etc/etcd/*/tls/*/key.pem")) {
			all = append(all, secretOf(host+":"+file, []byte(s.on(t, host, "cat "+file))))
		}
	}
	return all
}

// hygiene is law 7: nothing secret is anywhere but where it belongs.
func hygiene(t *testing.T, s *site, commands string) {
	keys := s.keys(t)
	keyless := func(where, text string) {
		t.Helper()
		for _, key := range keys {
			for _, form := range key.forms {
				if strings.Contains(text, form) {
					t.Errorf("%s holds the key %s", where, key.from)
				}
			}
		}
	}
	clean := func(where, text string) {
		t.Helper()
		keyless(where, text)
		if strings.Contains(text, "PRIVATE KEY") {
			t.Errorf("%s holds a private key", where)
		}
	}
	if !strings.Contains(commands, s.program) {
		t.Error("the watcher of command lines has not even seen clusterup")
	}
	keyless("a command line", commands) // those of this whole machine: people may well search for the words
	clean("what clusterup said", s.said.String())
	s.operatorFiles(t, clean)
	for _, host := range s.names() {
		clean("the journal of "+host, s.on(t, host, "journalctl --no-pager -o export | tr -d '\\0'"))
		clean("the environment of a process on "+host, s.on(t, host, "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"))
		s.wellKept(t, host)
	}
}

// operatorFiles looks at everything that clusterup wrote on this machine; only the directory of the CAs may hold keys.
// Other tests share the cache, whose files come and go: a drill has its own key there for as long as it takes.
func (s *site) operatorFiles(t *testing.T, clean func(where, text string)) {
	t.Helper()
	scratch := filepath.Join(cache, "clusterup", "drills", "drill-")
	for _, dir := range []string{s.dir, s.home, cache} {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			var info fs.FileInfo
			if err == nil {
				info, err = entry.Info()
			}
			if dir == cache && errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			if strings.HasPrefix(path, scratch) {
				untilGone(t, path)
				return nil
			}
			isKey := filepath.Base(filepath.Dir(path)) == "ca" && strings.HasSuffix(path, ".key")
			private := isKey || strings.HasPrefix(path, filepath.Join(s.dir, ".clusterup")+"/") && entry.IsDir()
			if private && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s has mode %v", path, info.Mode())
			}
			if entry.IsDir() || isKey || info.Size() > 1<<20 {
				return nil
			}
			data, err := os.ReadFile(path)
			if dir == cache && errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			clean(path, string(bytes.ToValidUTF8(data, nil)))
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// untilGone waits until there is nothing at a path any more.
func untilGone(t *testing.T, path string) {
	t.Helper()
	until(t, path+" to be gone", func() bool {
		_, err := os.Lstat(path)
		return errors.Is(err, fs.ErrNotExist)
	})
}

// wellKept checks that keys on a host can be read by their owner only, lie only where they belong, and that no CA's key
// came along.
func (s *site) wellKept(t *testing.T, host string) {
	t.Helper()
	// grep -r does not follow links, so every key is found once, where it lies.
	found := s.on(t, host,
		"grep -rlI --exclude-dir=ssh --exclude-dir=.ssh 'PRIVATE KEY' /etc /opt /var /tmp /run /root /home /dev/shm /usr/local 2>/dev/null | xargs -r stat -c '%a %U:%G %n'")
	var keys int
	for line := range strings.Lines(found) {
		keys++
		_, path, _ := strings.Cut(line, "/etc/etcd/")
		cluster, name, _ := strings.Cut(strings.TrimSpace(path), "/")
		if user := "etcd-" + cluster; !strings.HasPrefix(line, "600 "+user+":"+user+" /etc/etcd/") ||
			!strings.HasSuffix(name, "/key.pem") {
			t.Errorf("%s has a key: %s", host, line)
		}
	}
	if clusters := len(strings.Fields(s.on(t, host, "ls /etc/etcd"))); keys != 2*clusters {
		t.Errorf("%s has %d keys for %d clusters, want two each:\n%s", host, keys, clusters, found)
	}
	if left := s.on(t, host,
		"find / -xdev \\( -path /proc -o -path /sys \\) -prune -o -newer /etc/machine-id \\( -name '*.tar.gz' -o -name '.clusterup*' -o -name '*.partial' -o -name '*.new' \\) -print"); left != "" {
		t.Errorf("left behind on %s: %s", host, left)
	}
}
