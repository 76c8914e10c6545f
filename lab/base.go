package lab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/clusterup/clusterup/durable"
)

// cacheDir holds what all labs of a machine share and no lab deletes.
const cacheDir = "/var/cache/clusterup"

const defaultMirror = "http://deb.debian.org/debian"

// Suites are the Debian releases that a host can have: systemd 247, 252 and 257.
func Suites() []string { return []string{"bookworm", "bullseye", "trixie"} }

// packages is what a bare host has: a server's minimum, without Python.
var packages = []string{
	"systemd", "systemd-sysv", "dbus", "openssh-server", "iproute2", "iputils-ping",
	"sudo", "ca-certificates", "procps", "nftables",
}

// masked units fail or only cost time in a container without a console.
var masked = []string{
	"systemd-firstboot.service", "console-getty.service", "getty@.service", "getty-static.service",
	"systemd-networkd-wait-online.service", "apt-daily.timer", "apt-daily-upgrade.timer",
	"dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer",
}

// recipeVersion changes when buildBase does something else than before.
const recipeVersion = "1"

// baseName names an image by its recipe, so that a new recipe makes a new one and labs on the old one keep theirs.
func baseName(suite string) string {
	h := sha256.New()
	fmt.Fprintln(h, recipeVersion, suite, packages, masked)
	return suite + "-" + hex.EncodeToString(h.Sum(nil))[:8]
}

// ensureBase returns the root file system that hosts of a suite lie on, and makes it (about a minute, with network)
// when nobody has. Labs that ask at the same time wait for the one that builds.
func ensureBase(ctx context.Context, suite string, log *progress) (string, error) {
	dir := filepath.Join(cacheDir, "base", baseName(suite))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	held, err := lock(ctx, filepath.Join(cacheDir, "base", suite+".lock"))
	if err != nil {
		return "", err
	}
	defer held.Close() // and not Unlock: a debootstrap that has outlived its end keeps the lock
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	partial := dir + ".partial"
	if err := removeTree(partial); err != nil { // somebody was killed here
		return "", err
	}
	if err := buildBase(ctx, suite, partial, held, log); err != nil {
		return "", fmt.Errorf("build %s image: %w", suite, errors.Join(err, removeTree(partial)))
	}
	return dir, os.Rename(partial, dir)
}

// buildBase hands the lock on to debootstrap, so that one which outlives a
// killed parent is waited for, and not worked against.
func buildBase(ctx context.Context, suite, dir string, held durable.Held, log *progress) error {
	debs := filepath.Join(cacheDir, "debs")
	if err := os.MkdirAll(debs, 0o755); err != nil {
		return err
	}
	mirror := machineMirror()
	log.line("%s: making a base image from %s (about a minute, once)", suite, mirror)
	cmd := command(ctx, "debootstrap", "--variant=minbase", "--keyring="+keyring,
		"--cache-dir="+debs, "--include="+strings.Join(packages, ","), suite, dir, mirror)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PATH="+rootPath)
	cmd.ExtraFiles = []*os.File{5: held.File} // number 8; debootstrap uses some of the lower ones itself
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("run debootstrap: %w%s", err, tail(string(out)))
	}
	// debootstrap may leave /proc and /sys mounted in it.
	if err := unmountBelow(dir); err != nil {
		return err
	}
	return finishBase(dir)
}

// finishBase takes away what must be each host's own and what only costs time.
func finishBase(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	keys, err := fs.Glob(root.FS(), "etc/ssh/ssh_host_*")
	if err != nil {
		return err
	}
	for _, k := range keys {
		if err := root.Remove(k); err != nil {
			return err
		}
	}
	for _, d := range []string{"var/cache/apt/archives", "var/lib/apt/lists"} {
		if err := errors.Join(root.RemoveAll(d), root.MkdirAll(d+"/partial", 0o755)); err != nil {
			return err
		}
	}
	const units = "etc/systemd/system/"
	links := map[string]string{
		units + "multi-user.target.wants/systemd-networkd.service": "/lib/systemd/system/systemd-networkd.service",
		units + "sockets.target.wants/systemd-networkd.socket":     "/lib/systemd/system/systemd-networkd.socket",
	}
	for _, u := range masked {
		links[units+u] = "/dev/null"
	}
	for name, target := range links {
		if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := root.Symlink(target, name); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return root.WriteFile("etc/machine-id", nil, 0o444)
}

// machineMirror is the Debian mirror that apt on this machine uses.
func machineMirror() string {
	files, _ := filepath.Glob("/etc/apt/sources.list.d/*")
	for _, f := range append([]string{"/etc/apt/sources.list"}, files...) {
		if b, err := os.ReadFile(f); err == nil {
			if m := mirrorIn(string(b)); m != "" {
				return m
			}
		}
	}
	return defaultMirror
}

// mirrorIn finds the first http mirror of Debian itself (not of its security
// archive, nor of somebody else) in a sources.list or a deb822 .sources file.
func mirrorIn(sources string) string {
	for line := range strings.Lines(sources) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != "deb" && !strings.EqualFold(words[0], "URIs:") {
			continue
		}
		for _, w := range words[1:] {
			u, err := url.Parse(w)
			if err == nil && (u.Scheme == "http" || u.Scheme == "https") &&
				strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/debian") {
				return strings.TrimSuffix(w, "/")
			}
		}
	}
	return ""
}
