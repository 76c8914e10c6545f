package balancer

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/units"
	files "github.com/clusterup/clusterup/units/balancer"
)

// refusals say why a node is not touched.
func (n node) refusals(s facts.Snapshot) []plan.Refusal {
	if n.seen.Dark() {
		reason := cmp.Or(strings.TrimPrefix(n.seen.Unreachable, n.Name+": "), "nobody has looked at it")
		return plan.OneRefusal(plan.Unreachable, n.Name, "", "%s", reason)
	}
	if n.Absent {
		return n.older()
	}
	if blind := n.blind(); len(blind) > 0 {
		return blind
	}
	found := append(n.unsuitable(), n.foreign()...)
	if off := n.seen.ClockOffset; off.Abs() > etcd.MaxClockOffset {
		found = append(found, plan.Refuse(plan.ClockOff, n.Name, "set its clock, and have it follow a time server",
			"its clock is %s off, and certificates would not be valid there", off.Round(1e9)))
	}
	if pair := n.pair(s); pair != nil && pair.Revoked {
		found = append(found, plan.Refuse(plan.NoUser, n.Name,
			fmt.Sprintf("where it may follow again, remove the pair from the host, and apply: rm %s", files.PairLink(n.balancer.Name)),
			"the certificate with which it follows %s was revoked, and it does not get another by itself", n.balancer.Name))
	}
	return slices.Concat(found, n.unsigned(s), n.older(), n.taken())
}

// blind says that too little was seen of the node to decide anything.
func (n node) blind() []plan.Refusal {
	if n.seen.Systemd == 0 { // unsuitable says so
		return nil
	}
	missing := slices.DeleteFunc(slices.Clone(n.seen.Missing), func(tool string) bool { return tool == "ss" })
	if len(missing) > 0 {
		return plan.OneRefusal(plan.Unsuitable, n.Name, "use a host with Debian 12 or newer, or install what is missing",
			"it lacks %s", strings.Join(missing, ", "))
	}
	for _, unit := range []string{files.HAProxyUnit, n.unit()} {
		if _, told := n.seen.Units[unit]; !told {
			return plan.OneRefusal(plan.Unsuitable, n.Name, "systemctl show "+unit+".service, on the host, shows what is wrong",
				"systemd says nothing of %s.service", unit)
		}
	}
	return nil
}

// unsigned says that a node without a certificate cannot get one: its follower could not ask etcd.
func (n node) unsigned(s facts.Snapshot) []plan.Refusal {
	if _, ok := n.trust.ClientSigner(); ok || !n.runs.TLS || n.pair(s) != nil {
		return nil
	}
	return plan.OneRefusal(plan.CAKeyMissing, n.Name, "when a client CA can sign that every member trusts, apply again",
		"no client CA can sign the certificate with which it follows %s", n.balancer.Name)
}

// older is law 15: an older clusterup would put back what a newer one wrote for reasons that it does not know.
func (n node) older() []plan.Refusal {
	for _, at := range []string{files.HAProxyConfig, unitPath(n.unit())} {
		content := n.seen.Files[at].Content
		if writer := units.WriterOf(content); units.Written(content) && writer.Form > files.Form {
			return plan.OneRefusal(plan.OlderClusterup, n.Name,
				"use that version of clusterup, or a newer one; this one may look: status and check",
				"%s was written by a newer clusterup (%s) than this one", at, writer)
		}
	}
	return nil
}

// leastHAProxy is the first minor version of HAProxy whose socket takes servers that come and go: "add server" and
// "del server" are no experiment any more from 2.6 on (its NEWS and management guide).
var leastHAProxy = [2]int{2, 6}

// unsuitable says whether the host can be a node at all.
func (n node) unsuitable() []plan.Refusal {
	refuse := func(remedy, format string, args ...any) []plan.Refusal {
		return plan.OneRefusal(plan.Unsuitable, n.Name, remedy, format, args...)
	}
	var found []plan.Refusal
	switch {
	case n.seen.Systemd == 0:
		return refuse("use a host that systemd has booted", "PID 1 is not systemd")
	case n.program.SHA256 == "":
		found = refuse(fmt.Sprintf("put clusterup-node-linux-%s beside clusterup: make node builds it", n.seen.Arch),
			"there is no clusterup-node for its architecture, %s", cmp.Or(n.seen.Arch, "unknown"))
	}
	for _, name := range packages {
		p, known := n.seen.Software[name]
		version := cmp.Or(p.Version, p.Candidate)
		switch {
		case !known || version == "":
			found = append(found, refuse("have its apt find one: apt-get update && apt-cache policy "+name,
				"%s is not installed, and apt has none to install", name)...)
		case name == "haproxy" && below(version, leastHAProxy):
			found = append(found, refuse("use a host with Debian 12 or newer, or install a newer HAProxy",
				"HAProxy %s cannot have servers come and go; 2.6 is the first that can", version)...)
		}
	}
	return found
}

var versionText = regexp.MustCompile(`^(?:\d+:)?(\d{1,4})\.(\d{1,4})`)

// below says whether a package is of an earlier minor version; one that cannot be read is not.
func below(version string, least [2]int) bool {
	parts := versionText.FindStringSubmatch(version)
	if parts == nil {
		return false
	}
	major, _ := strconv.Atoi(parts[1]) // of four digits at most
	minor, _ := strconv.Atoi(parts[2])
	return major < least[0] || major == least[0] && minor < least[1]
}

// foreign is what somebody else has put where clusterup would write.
func (n node) foreign() []plan.Refusal {
	var found []plan.Refusal
	config, there := n.seen.Files[files.HAProxyConfig]
	shipped := false
	for _, name := range n.seen.Software["haproxy"].Shipped {
		shipped = shipped || name == files.HAProxyConfig
	}
	if there && units.Written(config.Content) && !n.ours(config.Content) {
		found = append(found, plan.Refuse(plan.ForeignConfig, n.Name,
			"have it absent there first (state = \"absent\"), and apply; or choose another host",
			"HAProxy runs there for %s", whose(config.Content)))
	}
	if there && !shipped && !units.Written(config.Content) {
		found = append(found, plan.Refuse(plan.ForeignConfig, n.Name,
			fmt.Sprintf("move it away if nobody needs it: mv %[1]s %[1]s.old; or choose another host", files.HAProxyConfig),
			"%s is neither clusterup's nor the package's own", files.HAProxyConfig))
	}
	unit := unitPath(n.unit())
	if file, there := n.seen.Files[unit]; there && !units.Written(file.Content) {
		found = append(found, plan.Refuse(plan.ForeignUnit, n.Name,
			fmt.Sprintf("stop and remove it if clusterup is to take its place: systemctl disable --now %s; mv %[2]s %[2]s.old",
				n.unit(), unit),
			"%s is not clusterup's", path.Base(unit)))
	}
	return found
}

// ofLine is the line of HAProxy's configuration that says whose node it is.
var ofLine = regexp.MustCompile(`(?m)^# Node (\S+) of balancer (\S+), cluster (\S+)\.`)

// ours says that clusterup wrote a configuration, and not for another balancer, or another cluster.
func (n node) ours(config []byte) bool {
	is := ofLine.FindSubmatch(config)
	return units.Written(config) &&
		(is == nil || string(is[2]) == n.balancer.Name && string(is[3]) == n.want.Etcd.Cluster.Name)
}

// whose says for whom a configuration was written that is not ours.
func whose(config []byte) string {
	is := ofLine.FindSubmatch(config)
	return fmt.Sprintf("balancer %s of cluster %s", is[2], is[3])
}

// taken are ports on which something else than HAProxy listens.
func (n node) taken() []plan.Refusal {
	var found []plan.Refusal
	for _, socket := range n.seen.Sockets {
		if socket.Port == files.MetricsPort && socket.Process != "haproxy" {
			found = append(found, plan.Refuse(plan.PortTaken, n.Name, "stop it, or choose another host",
				"port %d, on which HAProxy has its metrics, is taken by %s", socket.Port, cmp.Or(socket.Process, "another process")))
			break
		}
	}
	for _, l := range n.balancer.Listens {
		for _, socket := range n.seen.Sockets {
			if socket.Port == l.Port && socket.Process != "haproxy" {
				found = append(found, plan.Refuse(plan.PortTaken, n.Name,
					fmt.Sprintf("stop it, or give listen %q another port", l.Name),
					"port %d of listen %q is taken by %s", l.Port, l.Name, cmp.Or(socket.Process, "another process")))
				break
			}
		}
	}
	return found
}
