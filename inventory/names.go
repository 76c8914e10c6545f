package inventory

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	plainName  = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)
	unitName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)
	userName   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@\\-]*\$?$`)
	systemUser = regexp.MustCompile(`^[a-z_][a-z0-9_.-]*$`)
	certName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.@-]*$`)
	dnsLabel   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	hostPath   = regexp.MustCompile(`^/[A-Za-z0-9/._+@-]*$`)
)

// checkName says what keeps s from being part of a path, of a unit name and of etcd's --initial-cluster.
func checkName(s string) error {
	switch {
	case s == "":
		return errors.New("it is empty")
	case len(s) > 63:
		return errors.New("it is longer than 63 characters")
	case !plainName.MatchString(s) || strings.Contains(s, ".."):
		return errors.New("use lower-case letters, digits, \"-\" and \".\", with a letter or digit at both ends")
	}
	return nil
}

// maxUser is the longest name of a user: useradd(8) takes 32 bytes, and systemd one less.
const maxUser = 31

// checkSystemUser says what keeps s from being the name of a user that clusterup makes on the hosts.
func checkSystemUser(s string) error {
	switch {
	case s == "":
		return errors.New("it is empty")
	case len(s) > maxUser:
		return fmt.Errorf("it is longer than %d characters", maxUser)
	case !systemUser.MatchString(s):
		return errors.New("use lower-case letters, digits, \"_\", \"-\" and \".\", starting with a letter or \"_\"")
	case s == "root" || s == "nobody":
		return errors.New("the members need a user of their own")
	}
	return nil
}

// parseAddress reads an IP address, with or without brackets, or a DNS name,
// and returns it without brackets in its usual spelling.
func parseAddress(s string) (string, error) {
	if err := notOnlyHost(s); err != nil {
		return "", err
	}
	bare := s
	if inner, ok := strings.CutPrefix(s, "["); ok {
		bare, ok = strings.CutSuffix(inner, "]")
		if ip, err := netip.ParseAddr(bare); !ok || err != nil || !ip.Is6() {
			return "", errors.New("brackets go around an IPv6 address only")
		}
	}
	if ip, err := netip.ParseAddr(bare); err == nil {
		return checkIP(ip)
	}
	if strings.Contains(bare, ":") {
		return "", errors.New("it is not an IPv6 address")
	}
	return parseDNSName(bare)
}

// notOnlyHost recognises what people write around a host.
func notOnlyHost(s string) error {
	if strings.Contains(s, "://") {
		return errors.New("write only the host, without scheme and port")
	}
	if _, err := netip.ParsePrefix(s); err == nil {
		return errors.New("write the address of one host, without the prefix length")
	}
	if _, err := netip.ParseAddrPort(s); err == nil {
		return errors.New("write it without the port; ports have attributes of their own")
	}
	host, port, found := strings.Cut(s, ":")
	if _, err := strconv.ParseUint(port, 10, 16); found && err == nil && host != "" {
		return errors.New("write it without the port; ports have attributes of their own")
	}
	if strings.Contains(s, "@") {
		return errors.New("write it without the user, who belongs in the ssh block")
	}
	return nil
}

func checkIP(ip netip.Addr) (string, error) {
	switch {
	case ip.Zone() != "":
		return "", errors.New("an address with a zone has a meaning on one machine only; use one that all hosts share")
	case ip.Is4In6():
		return "", fmt.Errorf("write it as %s", ip.Unmap())
	case ip.IsUnspecified() || ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "", errors.New("it is not the address of one host")
	case ip.Is6() && ip.IsLinkLocalUnicast():
		return "", errors.New("a link-local address cannot be used by other hosts")
	}
	return ip.String(), nil
}

// parseDNSName follows RFC 1123; etcd and certificates want no final dot.
func parseDNSName(s string) (string, error) {
	name := strings.ToLower(s)
	labels := strings.Split(name, ".")
	last := labels[len(labels)-1]
	switch {
	case s == "":
		return "", errors.New("it is empty")
	case len(name) > 253:
		return "", errors.New("a DNS name ends at 253 characters")
	case last == "" && len(labels) > 1:
		return "", errors.New("write it without the final dot")
	case strings.Trim(last, "0123456789") == "":
		return "", errors.New("it is neither an IP address nor a DNS name")
	}
	for _, label := range labels {
		if len(label) > 63 || !dnsLabel.MatchString(label) {
			return "", errors.New("it is neither an IP address nor a DNS name (letters, digits, \"-\" and \".\")")
		}
	}
	return name, nil
}

// parseCertName is parseAddress that also takes a wildcard, which certificates may hold.
func parseCertName(s string) (string, error) {
	if rest, ok := strings.CutPrefix(s, "*."); ok {
		name, err := parseDNSName(rest)
		return "*." + name, err
	}
	return parseAddress(s)
}

var (
	// takenTrees belong to the system or to clusterup; nothing inside is data.
	takenTrees = []string{
		"/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/lost+found", "/opt/clusterup",
		"/proc", "/run", "/sbin", "/sys", "/tmp", "/usr", "/var/run", "/var/tmp",
	}
	// hiddenTrees are out of sight of hardened services (ProtectHome=).
	hiddenTrees = []string{"/home", "/root"}
	// sharedDirs may hold a data directory, but not be one.
	sharedDirs = []string{
		"/", "/media", "/mnt", "/opt", "/srv", "/var", "/var/cache", "/var/lib", "/var/log",
		"/var/spool",
	}
)

// CheckDataDir says what keeps a path from being a directory of data.
func CheckDataDir(dir string) error {
	inside := func(root string) bool { return within(dir, root) }
	switch {
	case !strings.HasPrefix(dir, "/"):
		return errors.New("it is a directory on the hosts, and must be absolute")
	case path.Clean(dir) != dir:
		return fmt.Errorf("write it as %q", path.Clean(dir))
	case !hostPath.MatchString(dir) || len(dir) > 200:
		return errors.New("use at most 200 letters, digits and any of / . _ + @ -")
	case slices.Contains(sharedDirs, dir):
		return errors.New("this directory is shared with others; name one inside it")
	case slices.ContainsFunc(takenTrees, inside):
		return errors.New("this directory belongs to the system or to clusterup, or is emptied at boot")
	case slices.ContainsFunc(hiddenTrees, inside):
		return errors.New("home directories are hidden from the service")
	}
	return nil
}

// Overlap says that one of two directories is the other, or lies inside it.
func Overlap(a, b string) bool { return within(a, b) || within(b, a) }

// within reports whether dir is root or lies inside it.
func within(dir, root string) bool {
	return dir == root || strings.HasPrefix(dir, strings.TrimSuffix(root, "/")+"/")
}
