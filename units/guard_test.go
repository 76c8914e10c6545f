package units

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestGuard(t *testing.T) {
	for name, c := range map[string]struct {
		born, wal bool
		dir       bool
		starts    bool
	}{
		"first start":         {dir: true, starts: true},
		"nothing at all":      {starts: true},
		"usual start":         {born: true, dir: true, wal: true, starts: true},
		"marker lost":         {dir: true, wal: true, starts: true},
		"data lost":           {born: true, dir: true},
		"data directory lost": {born: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), `a "b" $HOME *`)
			wal := filepath.Join(dir, "member", "wal")
			touch := func(want bool, path string) {
				if want {
					put(t, path, nil)
				}
			}
			touch(c.born, filepath.Join(dir, "born.json"))
			touch(c.dir, filepath.Join(wal, "0.tmp"))
			touch(c.wal, filepath.Join(wal, "0000000000000000-0000000000000000.wal"))

			starts, said := guarded(t, []string{"/bin/sh"}, dir)
			if starts != c.starts {
				t.Errorf("starts: %v", starts)
			}
			if says := strings.Contains(said, wal) && strings.Contains(said, "do not start it empty"); says == c.starts {
				t.Errorf("it says: %q", said)
			}
		})
	}
}

// The logs of real members, of each minor version, and one that etcd has cut, whose checksum goes on from the file
// before it.
func TestGuardKnowsWhoseLogItIs(t *testing.T) {
	heads, err := filepath.Glob("testdata/wal/*")
	if err != nil || len(heads) < 7 {
		t.Fatal("no logs", heads, err)
	}
	const other = "8e9e05c52164694d"
	for _, head := range heads {
		data, err := os.ReadFile(head)
		if err != nil {
			t.Fatal(err)
		}
		_, own, _ := strings.Cut(filepath.Base(head), "-")
		for shell, argv := range guardShells() {
			for _, born := range []string{own, other} {
				dir := t.TempDir()
				put(t, filepath.Join(dir, "born.json"),
					Birth("", Born{Member: "member_id: f00", ClusterID: "1", MemberID: born}).Data)
				put(t, filepath.Join(dir, "member/wal/0.wal"), data)
				starts, said := guarded(t, argv, dir)
				knows := shell != "mksh" // which has 32 bits for a number: etcd's own IDs do not fit
				if starts != (born == own || !knows) {
					t.Errorf("%s, %s, marker of %s: starts %v, says %q", head, shell, born, starts, said)
				}
				if !starts && !strings.Contains(said, "is of member "+own) {
					t.Errorf("%s, %s: it says %q", head, shell, said)
				}
			}
		}
	}
}

// A log or marker that cannot be read is etcd's own affair: the guard lets it pass, and says nothing wrong of it.
func TestGuardPassesWhatItCannotRead(t *testing.T) {
	whole, err := os.ReadFile("testdata/wal/3.6.16-af05ad294a2756e2")
	if err != nil {
		t.Fatal(err)
	}
	marker := Birth("", Born{ClusterID: "1", MemberID: "8e9e05c52164694d"}).Data
	for name, c := range map[string]struct{ marker, wal []byte }{
		"no bytes":             {marker, nil},
		"half a frame":         {marker, whole[:5]},
		"one record":           {marker, whole[:16]},
		"zeros":                {marker, make([]byte, 300)},
		"ones":                 {marker, bytes.Repeat([]byte{0xff}, 300)},
		"a record of no end":   {marker, append([]byte{255, 255, 255, 0, 0, 0, 0, 135, 8, 4}, whole[10:]...)},
		"another type":         {marker, append(append([]byte{}, whole[:9]...), append([]byte{9}, whole[10:]...)...)},
		"marker without an ID": {[]byte(`{"cluster_id": "1"}`), whole},
		"marker of no JSON":    {[]byte("born"), whole},
		"empty marker":         {nil, whole},
	} {
		t.Run(name, func(t *testing.T) {
			for shell, argv := range guardShells() {
				dir := t.TempDir()
				put(t, filepath.Join(dir, "born.json"), c.marker)
				put(t, filepath.Join(dir, "member/wal/0.wal"), c.wal)
				if starts, said := guarded(t, argv, dir); !starts || said != "" {
					t.Errorf("%s: starts %v, says %q", shell, starts, said)
				}
			}
		})
	}
}

// A member that would refuse everybody does not start, be it for the first time or not: each list that its command line
// names has to be there, and to hold something.
func TestGuardAsksForLists(t *testing.T) {
	for shell, argv := range guardShells() {
		for _, born := range []bool{true, false} {
			dir := filepath.Join(t.TempDir(), `a "b" $HOME *`)
			put(t, filepath.Join(dir, "member/wal/0.wal"), nil)
			if born {
				put(t, filepath.Join(dir, "born.json"), nil)
			}
			peers, clients := filepath.Join(dir, "revoked-peers.crl"), filepath.Join(dir, "revoked-clients.crl")
			refused := func(missing string) {
				t.Helper()
				starts, said := guarded(t, argv, dir, peers, clients)
				if starts || !strings.Contains(said, missing) || !strings.Contains(said, "clusterup apply") {
					t.Errorf("%s, born %v: starts %v, says %q", shell, born, starts, said)
				}
			}
			refused(peers)
			put(t, peers, []byte{0x30})
			refused(clients)
			put(t, clients, nil)
			refused(clients)
			put(t, clients, []byte{0x30})
			if starts, said := guarded(t, argv, dir, peers, clients); !starts || said != "" {
				t.Errorf("%s, born %v: starts %v, says %q", shell, born, starts, said)
			}
		}
	}
}

// The guard asks for what the command line names, and for nothing else.
func TestGuardIsToldOfLists(t *testing.T) {
	m := Member{ConfigDir: "/etc/etcd/prod", DataDir: "/var/lib/etcd-prod"}
	for _, test := range []struct{ args, lists []string }{
		{[]string{"etcd"}, nil},
		{[]string{"etcd", "--client-crl-file=/c.crl"}, []string{"/c.crl"}},
		{[]string{"etcd", "--client-crl-file=/c.crl", "--peer-crl-file=/p $HOME.crl"}, []string{`"/p $$HOME.crl"`, "/c.crl"}},
	} {
		_, got, _ := strings.Cut(guard(m, test.args), " \\\n    guard ")
		want := strings.Join(append(
			[]string{"/etc/etcd/prod/born.json", "/var/lib/etcd-prod/member/wal"}, test.lists...), " ")
		if got != want {
			t.Errorf("%q: asks for %s, want %s", test.args, got, want)
		}
	}
}

// guarded runs the guard for a directory that holds marker and data.
func guarded(t *testing.T, shell []string, dir string, lists ...string) (starts bool, said string) {
	t.Helper()
	args := append(shell[1:len(shell):len(shell)], "-c", guardScript, "guard", filepath.Join(dir, "born.json"),
		filepath.Join(dir, "member", "wal"))
	args = append(args, lists...)
	cmd := exec.CommandContext(t.Context(), shell[0], args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	return err == nil, stderr.String()
}

// guardShells are those of this machine that are some distribution's sh.
func guardShells() map[string][]string {
	found := map[string][]string{"sh": {"/bin/sh"}}
	for _, shell := range [][]string{{"dash"}, {"bash", "--posix"}, {"busybox", "sh"}, {"mksh"}} {
		if _, err := exec.LookPath(shell[0]); err == nil {
			found[shell[0]] = shell
		}
	}
	return found
}

func put(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// The lines of a unit rely on this: see scriptCommand.
func TestScriptsFitAUnit(t *testing.T) {
	for _, script := range []string{guardScript, stopScript, noteScript} {
		if strings.ContainsAny(script, `\'`) {
			t.Error("a script has a character that means something else in a unit")
		}
		lines := strings.Split(strings.TrimSpace(script), "\n")
		for i, line := range lines {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
				t.Errorf("a unit takes %q for a comment", line)
			}
			if i < len(lines)-1 && !slices.ContainsFunc([]string{";", "then", " in", "do", "{"}, func(end string) bool {
				return strings.HasSuffix(line, end)
			}) {
				t.Errorf("%q does not end a command", line)
			}
		}
	}
}

// The guard must look where etcd writes (etcd server/config/config.go, WALDir).
func TestWALDir(t *testing.T) {
	for want, m := range map[string]Member{
		"/var/lib/etcd-prod/member/wal": prod("3.6.16"),
		"/fast/etcd/six/wal":            ipv6(),
	} {
		if got := m.walDir(); got != want {
			t.Errorf("walDir is %s, want %s", got, want)
		}
		if !strings.Contains(string(Unit(m).Data), " "+want+"\nExecStart=") {
			t.Errorf("the unit's guard does not look in %s", want)
		}
	}
}
