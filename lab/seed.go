package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// userID is the first ID that Debian gives to people.
const userID = 1000

// file is one file that makes a host itself; path has no leading slash.
type file struct {
	path string
	mode os.FileMode
	data string
	uid  int // and gid
}

// identity is what a host has that no other has.
type identity struct {
	machineID           string // 32 hexadecimal digits
	hostKey, hostKeyPub string
}

// seedFiles is everything that is written over the base image, without users.
func seedFiles(h Host, all []Host, id identity, authorized, user string) []file {
	fs := []file{
		{path: "etc/hostname", mode: 0o644, data: h.Name + "\n"},
		{path: "etc/machine-id", mode: 0o444, data: id.machineID + "\n"},
		{path: "etc/resolv.conf", mode: 0o644, data: "# a lab has no name server\n"},
		{path: "etc/systemd/network/10-lab.network", mode: 0o644, data: networkFile(h)},
		{path: "etc/ssh/sshd_config.d/10-lab.conf", mode: 0o644, data: sshdConfig},
		{path: "etc/ssh/ssh_host_ed25519_key", mode: 0o600, data: id.hostKey},
		{path: "etc/ssh/ssh_host_ed25519_key.pub", mode: 0o644, data: id.hostKeyPub},
		{path: "root/.ssh/authorized_keys", mode: 0o600, data: authorized},
		hostsFile(all),
	}
	if user != "" {
		fs = append(fs,
			file{path: "home/" + user + "/.ssh/authorized_keys", mode: 0o600, data: authorized, uid: userID},
			file{path: "etc/sudoers.d/" + user, mode: 0o440, data: user + " ALL=(ALL:ALL) NOPASSWD: ALL\n"})
	}
	return fs
}

const sshdConfig = `HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
UseDNS no
`

// networkFile keeps the addresses when the cable is pulled, as a server with a
// static configuration does, and has them usable at once.
func networkFile(h Host) string {
	return fmt.Sprintf(`[Match]
Name=host0

[Network]
IPv6AcceptRA=no
IgnoreCarrierLoss=yes

[Address]
Address=%s/%d
DuplicateAddressDetection=none

[Address]
Address=%s/%d
DuplicateAddressDetection=none
`, h.IPv4, prefix4.Bits(), h.IPv6, prefix6.Bits())
}

func hostsFile(all []Host) file {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n::1 localhost\n")
	for _, h := range all {
		fmt.Fprintf(&b, "%s %s\n%s %s\n", h.IPv4, h.Name, h.IPv6, h.Name)
	}
	return file{path: "etc/hosts", mode: 0o644, data: b.String()}
}

// userLines are what useradd would append to passwd, shadow and group. The password matches nothing.
func userLines(user string) map[string]string {
	return map[string]string{
		"etc/passwd": fmt.Sprintf("%s:x:%d:%d::/home/%s:/bin/bash\n", user, userID, userID, user),
		"etc/shadow": user + ":*:19000:0:99999:7:::\n",
		"etc/group":  fmt.Sprintf("%s:x:%d:\n", user, userID),
	}
}

// plant writes files below root. It follows no link out of root, for the host that lives there may have put one.
func plant(root *os.Root, files []file) error {
	for _, f := range files {
		dir := filepath.Dir(f.path)
		dirMode := os.FileMode(0o755)
		if filepath.Base(dir) == ".ssh" {
			dirMode = 0o700
		}
		if err := root.MkdirAll(dir, dirMode); err != nil {
			return err
		}
		// A file with another mode is made anew, so that a key is never wider than it may be.
		if err := root.RemoveAll(f.path); err != nil {
			return err
		}
		if err := root.WriteFile(f.path, []byte(f.data), f.mode); err != nil {
			return err
		}
		if err := root.Chmod(f.path, f.mode); err != nil { // umask
			return err
		}
		if f.uid == 0 {
			continue
		}
		for p := f.path; p != "home"; p = filepath.Dir(p) {
			if err := root.Chown(p, f.uid, f.uid); err != nil {
				return err
			}
		}
	}
	return nil
}

// addUser creates user unless the image has it.
func addUser(root *os.Root, user string) error {
	passwd, err := root.ReadFile("etc/passwd")
	if err != nil {
		return err
	}
	if strings.Contains("\n"+string(passwd), "\n"+user+":") {
		return nil
	}
	for path, line := range userLines(user) {
		f, err := root.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString(line)
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("add user %s: %w", user, err)
		}
	}
	return nil
}
