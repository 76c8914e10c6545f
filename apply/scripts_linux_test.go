package apply

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// These tests run the scripts with the shell of this machine, in directories of their own. To give files to root takes
// root, and to wait for the disk shows nothing without a power cut.

const asWhoever = `chown() { [ "$(id -u)" -ne 0 ] || command chown "$@"; }
sync() { for file; do [ -e "$file" ] || return 1; done; }
`

// shell runs a script to its end, or to where it was killed.
func shell(t *testing.T, script string) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh")
	cmd.Stdin = strings.NewReader(asWhoever + script)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// killed are copies of a script that kill themselves: one before each of its lines that does something.
func killed(script string) []string {
	lines := strings.SplitAfter(script, "\n")
	var copies []string
	sums := regexp.MustCompile("^([0-9a-f]{64}|SUMS|#|$|fi$|else$|}$)")
	for i, line := range lines {
		if sums.MatchString(line) {
			continue
		}
		copies = append(copies, strings.Join(lines[:i], "")+"kill -KILL $$\n"+strings.Join(lines[i:], ""))
	}
	return copies
}

func me(t *testing.T) (owner, group string) {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		t.Fatal(err)
	}
	return u.Username, g.Name
}

func mode(t *testing.T, name string) string {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%04o", info.Mode().Perm())
}

func TestMakeDirs(t *testing.T) {
	owner, group := me(t)
	root := t.TempDir() + "/it's $(here)"
	paths := []plan.Path{
		{Path: root + "/etc/x", Owner: owner, Group: group, Mode: 0o755},
		{Path: root + "/etc/x/tls", Owner: owner, Group: group, Mode: 0o750},
		{Path: root + "/data/a/b", Owner: owner, Group: group, Mode: 0o700},
	}
	script := makeDirs(paths)
	for _, partly := range append(killed(script), script) {
		if err := os.RemoveAll(root); err != nil {
			t.Fatal(err)
		}
		modes := map[string]string{
			"/etc": "0755", "/etc/x": "0755", "/etc/x/tls": "0750", "/data/a": "0755",
			"/data/a/b": "0700",
		}
		_ = shell(t, "umask 077\n"+partly) // it may well fail
		for name, want := range modes {
			if _, err := os.Stat(root + name); err == nil && mode(t, root+name) != want {
				t.Fatalf("%s was made with mode %s, want %s, by\n%s", name, mode(t, root+name), want, partly)
			}
		}
		if err := shell(t, "umask 077\n"+script); err != nil {
			t.Fatalf("%v, after\n%s", err, partly)
		}
		for name, want := range modes {
			if got := mode(t, root+name); got != want {
				t.Fatalf("%s has mode %s, want %s, after\n%s", name, got, want, partly)
			}
		}
	}
	// A file where a directory belongs is no reason to remove it.
	file := put(t, root+"/file", "precious")
	if err := shell(t, makeDirs([]plan.Path{{Path: file, Owner: owner, Group: group, Mode: 0o700}})); err == nil ||
		read(t, file) != "precious" {
		t.Errorf("error %v, and the file holds %q", err, read(t, file))
	}
}

func TestFixModes(t *testing.T) {
	owner, group := me(t)
	file := put(t, t.TempDir()+"/it's", "x")
	paths := []plan.Path{{Path: file, Owner: owner, Group: group, Mode: 0o640}}
	if err := shell(t, fixModes(paths)); err != nil || mode(t, file) != "0640" {
		t.Errorf("mode %s, %v", mode(t, file), err)
	}
	if err := shell(t,
		fixModes([]plan.Path{{Path: file + "-missing", Owner: owner, Group: group, Mode: 0o640}})); err == nil {
		t.Error("a missing file is no error")
	}
}

// A directory that root made a symbolic link is given away with all that is in it. A link in a directory of somebody
// else's may lead anywhere, and is refused.
func TestLinkedDirectories(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root gives files away")
	}
	const nobody = 65534
	for name, own := range map[string]int{"made by root": 0, "made by the member": nobody} {
		root := t.TempDir()
		parent, target := filepath.Join(root, "parent"), filepath.Join(root, "target")
		file := put(t, target+"/member/snap", "x")
		if err := errors.Join(os.Mkdir(parent, 0o755), os.Symlink(target, parent+"/data"),
			os.Chown(parent, own, own)); err != nil {
			t.Fatal(err)
		}
		err := shell(t, fixModes([]plan.Path{{Path: parent + "/data", Owner: "nobody", Group: "nogroup", Mode: 0o700}}))
		if (err == nil) != (own == 0) {
			t.Errorf("%s: %v", name, err)
		}
		for _, path := range []string{target, file} {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if is := info.Sys().(*syscall.Stat_t).Uid; (is == nobody) != (own == 0) {
				t.Errorf("%s: %s is of user %d", name, path, is)
			}
		}
	}
}

// Names as clusterup gives them to the directories of a certificate and its key.
var (
	leafOlder = "peer-" + strings.Repeat("5", 32)
	leafOld   = "peer-" + strings.Repeat("0a", 16)
	leafNew   = "peer-" + strings.Repeat("f1", 16)
)

// The link always leads to a whole pair, the old or the new one, and in the end to the new one, with nothing else left
// of what clusterup writes. What has another name is somebody else's.
func TestSwapLeaf(t *testing.T) {
	for _, first := range []bool{true, false} {
		root := filepath.Join(t.TempDir(), "it's tls")
		script := swapLeaf(root+"/peer", leafNew)
		kept := []string{"peer", "peer-5", leafNew, "peer-kept-by-hand-" + strings.Repeat("a", 18), "server-" + leafOld[5:]}
		for _, partly := range append(killed(script), script) {
			if err := os.RemoveAll(root); err != nil {
				t.Fatal(err)
			}
			for _, name := range kept[1:] {
				put(t, root+"/"+name+"/cert.pem", "kept")
			}
			put(t, root+"/"+leafNew+"/cert.pem", "new")
			put(t, root+"/.peer.4711", "left by a killed run")
			if !first {
				put(t, root+"/"+leafOld+"/cert.pem", "old")
				put(t, root+"/"+leafOlder+"/cert.pem", "left by a killed run")
				if err := os.Symlink(leafOld, root+"/peer"); err != nil {
					t.Fatal(err)
				}
			}
			_ = shell(t, partly)
			if got, err := os.ReadFile(root + "/peer/cert.pem"); !first &&
				(err != nil || string(got) != "old" && string(got) != "new") {
				t.Fatalf("the link leads to %q, %v, after\n%s", got, err, partly)
			}
			if err := shell(t, script); err != nil {
				t.Fatalf("%v, after\n%s", err, partly)
			}
			if got := list(t, root); !slices.Equal(got, kept) || read(t, root+"/peer/cert.pem") != "new" {
				t.Fatalf("left: %q, after\n%s", got, partly)
			}
		}
	}
}

// A directory where the link belongs is put aside, not removed: somebody may have made it by hand.
func TestSwapLeafDirectory(t *testing.T) {
	root := t.TempDir()
	put(t, root+"/"+leafNew+"/cert.pem", "new")
	put(t, root+"/peer/cert.pem", "by hand")
	if err := shell(t, swapLeaf(root+"/peer", leafNew)); err != nil || read(t, root+"/peer/cert.pem") != "new" {
		t.Fatalf("error %v", err)
	}
	aside, _ := filepath.Glob(root + "/peer.aside.*/cert.pem")
	if len(aside) != 1 || read(t, aside[0]) != "by hand" {
		t.Errorf("aside: %q", aside)
	}
}

// A link never comes to point to a pair that is not there.
func TestSwapLeafMissing(t *testing.T) {
	root := t.TempDir()
	put(t, root+"/peer-00000000000000ff/cert.pem", "old")
	if err := os.Symlink("peer-00000000000000ff", root+"/peer"); err != nil {
		t.Fatal(err)
	}
	err := shell(t, swapLeaf(root+"/peer", leafNew))
	if err == nil || !strings.Contains(err.Error(), "there is no pair") || read(t, root+"/peer/cert.pem") != "old" {
		t.Errorf("error %v", err)
	}
}

// A destroy removes what only this cluster used, and waits for whoever is unpacking.
func TestRemoveFiles(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{
		"releases/3.6.16-01234567/etcd", "units/etcd-prod.service", "conf/prod/born.json",
		"releases/3.7.3-89abcdef/etcd",
	} {
		put(t, root+"/"+name, "x")
	}
	put(t, root+"/units/etcd-apps.service", "ExecStart="+root+"/releases/3.7.3-89abcdef/etcd --name=x")
	script := removeFiles("etcd-prod", []plan.Path{{Path: root + "/units/etcd-prod.service"}, {Path: root + "/conf/prod"}})
	script = strings.NewReplacer(facts.ReleaseDir, root+"/releases", "/etc/systemd/system", root+"/units", "/etc/etcd",
		root+"/conf", "/opt/clusterup", root).Replace(script)
	busy, err := os.Open(root + "/releases")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	if err := syscall.Flock(int(busy.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	const stub = "systemctl() { :; }\n"
	for _, partly := range killed(script) {
		_ = shell(t, stub+"flock() { kill -KILL $$; }\n"+partly)
	}
	if got := list(t, root+"/releases"); len(got) != 2 {
		t.Fatalf("it did not wait: there is %q", got)
	}
	busy.Close()
	if err := shell(t, stub+script); err != nil {
		t.Fatal(err)
	}
	if got := list(t, root+"/releases"); !slices.Equal(got, []string{"3.7.3-89abcdef"}) {
		t.Errorf("releases: %q", got)
	}
	if got := append(list(t, root), list(t, root+"/units")...); !slices.Equal(got,
		[]string{"releases", "units", "etcd-apps.service"}) {
		t.Errorf("left: %q", got)
	}
}

// A process is as old as it is, and none is as old as one that has not begun.
func TestProcessAge(t *testing.T) {
	began := time.Now()
	child := exec.CommandContext(t.Context(), "cat")
	input, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait() //nolint:errcheck // it ends with its input
	defer input.Close()
	age := func(state string, main, control int) time.Duration {
		stub := fmt.Sprintf("systemctl() { printf '%%s\\n' MainPID=%d ControlPID=%d ActiveState=%s; }\n", main, control,
			state)
		out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", stub+processAge("etcd-x")).Output()
		ms, errAge := strconv.Atoi(strings.TrimSpace(string(out)))
		if err != nil || errAge != nil {
			t.Fatalf("%q, %v", out, err)
		}
		return time.Duration(ms) * time.Millisecond
	}
	const tick = 10 * time.Millisecond
	for age("activating", child.Process.Pid, 0) < 5*tick {
		if time.Since(began) > 10*time.Second {
			t.Fatal("a process does not grow older")
		}
	}
	if old, before := age("active", child.Process.Pid, 0),
		age("activating", 0, child.Process.Pid); old == 0 || before < old || before > time.Since(began)+tick {
		t.Errorf("after %s a process is %s old, or %s", time.Since(began), old, before)
	}
	if ending, none := age("deactivating", child.Process.Pid, 0), age("activating", 0, 0); ending != 0 || none != 0 {
		t.Errorf("one that ends is %s old, none %s", ending, none)
	}
}

// Every script reads as a shell reads it.
func TestScriptsParse(t *testing.T) {
	paths := []plan.Path{{Path: "/x y", Owner: "root", Group: "root", Mode: 0o700}}
	for name, script := range map[string]string{
		"createUser": createUser("etcd-prod", "/var/lib/etcd-prod", "etcd members"),
		"makeDirs":   makeDirs(paths), "fixModes": fixModes(paths),
		"unpackRelease": unpackRelease(smallRelease(), "/x", Archive{Folder: "./x"}),
		"swapLeaf":      swapLeaf("/x/peer", "peer-1"), "removeFiles": removeFiles("etcd-prod", paths),
		"startUnit": startUnit("start", "etcd-x"), "journal": journalScript("etcd-x", 60),
		"processAge": processAge("etcd-x"),
		"lock":       lockScript("x", Owner{Doing: "it's"}, 0),
	} {
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-n")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

func put(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// list are the names in a directory, without those that a killed script leaves under a name that nobody looks at.
func list(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func sum(text string) string {
	digest := sha256.Sum256([]byte(text))
	return hex.EncodeToString(digest[:])
}

// with is a copy of files with more of them, as pairs of name and text.
func with(files map[string]string, more ...string) map[string]string {
	all := maps.Clone(files)
	for i := 0; i < len(more); i += 2 {
		all[more[i]] = more[i+1]
	}
	return all
}

// The size of the data that a learner has received is told, and nothing where there is none.
func TestDiskUse(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tmp1"), []byte(strings.Repeat("x", 1<<16)), 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, has := range map[string]bool{dir: true, filepath.Join(dir, "none"): false} {
		out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", diskUse(dir)).Output()
		size, name, _ := strings.Cut(string(out), "\t")
		if err != nil || (len(size) >= 2 && name == dir+"\n") != has || !has && len(out) > 0 {
			t.Errorf("%s: %q, %v", dir, out, err)
		}
	}
}
