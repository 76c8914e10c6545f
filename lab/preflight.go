package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// PreflightError lists what a lab lacks on this machine. It is permanent until somebody installs what is missing.
type PreflightError struct {
	Problems []string // one sentence each
	Packages []string // Debian packages that solve some of them; may be empty
}

func (e *PreflightError) Error() string {
	s := "prepare lab: " + strings.Join(e.Problems, "; ")
	if len(e.Packages) > 0 {
		s += "\n  apt-get install -y " + strings.Join(e.Packages, " ")
	}
	return s
}

// tools says which Debian package holds each command that the lab runs.
var tools = []struct{ command, pkg string }{
	{"debootstrap", "debootstrap"},
	{"systemd-nspawn", "systemd-container"},
	{"ip", "iproute2"},
	{"tc", "iproute2"},
	{"nsenter", "util-linux"},
	{"mount", "mount"},
	{"ssh-keygen", "openssh-client"},
	{"mkfs.ext4", "e2fsprogs"},
}

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// Preflight says, all at once, what this machine lacks for a lab; the error is a *PreflightError. It changes nothing.
func Preflight() error {
	if runtime.GOOS != "linux" {
		return &PreflightError{Problems: []string{"a lab needs Linux; this is " + runtime.GOOS +
			": use a Linux machine or a virtual one"}}
	}
	var e PreflightError
	if os.Geteuid() != 0 {
		e.Problems = append(e.Problems, "a lab needs root: run this with sudo")
	}
	for _, t := range tools {
		if lookTool(t.command) == "" {
			e.Problems = append(e.Problems, "command "+t.command+" is missing")
			e.need(t.pkg)
		}
	}
	if _, err := os.Stat(keyring); err != nil {
		e.Problems = append(e.Problems, keyring+" is missing, so Debian's packages cannot be verified")
		e.need("debian-archive-keyring")
	}
	if hs, err := hierarchies(); err != nil || len(trackers(hs)) == 0 {
		e.Problems = append(e.Problems, "no cgroup file system that systemd can use is mounted below /sys/fs/cgroup")
	}
	if len(e.Problems) == 0 {
		return nil
	}
	return &e
}

func (e *PreflightError) need(pkg string) {
	if !slices.Contains(e.Packages, pkg) {
		e.Packages = append(e.Packages, pkg)
	}
}

// lookTool finds a command also where only root's PATH looks.
func lookTool(name string) string {
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/bin", "/bin"} {
		p := filepath.Join(dir, name)
		if st, err := os.Stat(p); err == nil && st.Mode()&0o111 != 0 {
			return p
		}
	}
	return ""
}

// tool is lookTool for a command that Preflight has seen.
func tool(name string) string {
	if p := lookTool(name); p != "" {
		return p
	}
	return name // exec then says that it is not there
}

func checkPath(what, path string) error {
	if !filepath.IsAbs(path) || strings.ContainsAny(path, ":,\\ \t\n\"") {
		return fmt.Errorf("%s %q: must be absolute and free of : , \\ quotes and blanks (mount options cannot hold them)",
			what, path)
	}
	return nil
}
