package preflight

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/probe"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
)

// A host should have this much. etcd's hardware guide (etcd.io/docs, op-guide/hardware) asks for two to four cores and
// 8 GB, for small clusters too; the rest is needed by package units.
const (
	oldSystemd    = 247 // package units writes for this one and newer
	ancientSystem = 235 // older ones lack more than the unit's hardening
	leastMemory   = 2 << 30
	leastCPUs     = 2
	leastFiles    = 16384
	maxSkew       = time.Second // etcd warns above: "the clock difference against peer … is too high"
)

// member checks what the facts say of one host.
func (p about) member(m inventory.Member, host facts.Host) {
	p.architecture(host)
	p.systemd(host)
	p.tools(host)
	p.clock(host)
	p.memory(host)
	p.data(m, host)
	p.ports(host)
	p.refused(checkFileSystem, p.checks.Hosts[p.name].Ground)
}

func (p about) architecture(host facts.Host) {
	if !p.checks.Hosts[p.name].Released {
		p.refuse(checkArchitecture, "etcd is released for amd64, arm64, ppc64le and s390x", "there is no etcd for %s",
			host.Arch)
		return
	}
	p.fine(checkArchitecture, "%s", host.Arch)
}

func (p about) systemd(host facts.Host) {
	switch {
	case host.Systemd == 0:
		p.refuse(checkSystemd, "use a host that systemd has booted", "PID 1 is not systemd")
	case host.Systemd < ancientSystem:
		p.refuse(checkSystemd, fmt.Sprintf("use a distribution with systemd %d or newer", oldSystemd),
			"systemd %d is too old for the unit", host.Systemd)
	case host.Systemd < oldSystemd:
		p.warn(checkSystemd, fmt.Sprintf("systemd %d and newer know all of it; the member runs without", oldSystemd),
			"systemd %d does not know all of the unit's hardening", host.Systemd)
	default:
		p.fine(checkSystemd, "%d", host.Systemd)
	}
}

func (p about) tools(host facts.Host) {
	for _, tool := range host.Missing {
		if tool == "ss" {
			p.warn(checkTools, "install the package that holds ss (iproute2)",
				"the command ss is missing: who holds a port is not known")
			continue
		}
		p.refuse(checkTools, "install the package that holds "+tool, "the command %s is missing", tool)
	}
	if len(host.Missing) == 0 {
		p.fine(checkTools, "all there")
	}
}

func (p about) clock(host facts.Host) {
	const do = "set the clock right and keep it right with chrony or systemd-timesyncd"
	off := host.ClockOffset
	switch {
	case off.Abs() > etcd.MaxClockOffset:
		p.refuse(checkClock, do, "%s %s this machine's, and certificates would not be valid there",
			off.Abs().Round(time.Second), plan.AheadOrBehind(off))
	case off.Abs() > maxSkew:
		p.warn(checkClock, do, "%s %s this machine's", off.Abs().Round(time.Millisecond), plan.AheadOrBehind(off))
	default:
		p.fine(checkClock, "within %s of this machine's", maxSkew)
	}
}

func (p about) memory(host facts.Host) {
	if host.Memory < leastMemory {
		p.warn(checkMemory, "etcd's hardware guide asks for 8 GB, and the database should fit into memory", "%s",
			plan.Bytes(host.Memory))
		return
	}
	p.fine(checkMemory, "%s", plan.Bytes(host.Memory))
}

// data is what Next asks of data and identity.
func (p about) data(m inventory.Member, host facts.Host) {
	found := p.refused(checkData, p.checks.Hosts[p.name].Data)
	if taken, do := etcd.Endangered(p.want.Cluster, m, host); taken != "" {
		p.warn(checkData, do, "%s", taken)
		found = true
	}
	switch {
	case found:
	case host.Data.WAL:
		p.fine(checkData, "member %s of this cluster", host.Data.MemberID)
	default:
		p.fine(checkData, "none")
	}
}

func (p about) ports(host facts.Host) {
	if p.refused(checkPorts, p.checks.Hosts[p.name].Ports) || slices.Contains(host.Missing, "ss") {
		return
	}
	if host.Process != nil {
		p.fine(checkPorts, "held by the member")
		return
	}
	p.fine(checkPorts, "free")
}

// probed checks what a probe says of one host.
func (p about) probed(m inventory.Member, host facts.Host, probe probe.Probe) {
	p.reach(m, probe)
	if probe.Failed != "" {
		p.warn(CheckConnection,
			"run preflight again; without this nothing is known of disks, addresses and firewalls there",
			"the host was not probed: %s", strings.TrimPrefix(probe.Failed, m.Name+": "))
		return
	}
	for _, unread := range slices.Concat(host.Unread, probe.Unread) {
		p.warn(CheckConnection, "look at it on the host: that part is not known",
			"a part of its answer cannot be read: %s", unread)
	}
	p.timeSync(probe)
	p.resources(probe)
	p.space(host, probe)
	p.fileSystems(host, probe)
	p.latency(host, probe)
	p.addresses(m, probe)
	p.source(m, probe)
	p.roundTrip(m, probe)
	p.firewall(probe)
	p.security(probe)
}

func (p about) timeSync(probe probe.Probe) {
	var keepers []string
	for _, service := range probe.Services {
		if !slices.Contains(filters, service) {
			keepers = append(keepers, service)
		}
	}
	by := strings.Join(keepers, ", ")
	switch {
	case probe.Synced == "container":
		p.fine(checkTimeSync, "not checked: the host is a container, and its clock is that of the machine beneath")
	case probe.Synced == "yes" && by == "":
		p.fine(checkTimeSync, "synchronized")
	case probe.Synced == "yes":
		p.fine(checkTimeSync, "synchronized (%s)", by)
	case by != "" && probe.Synced == "":
		p.fine(checkTimeSync, "%s runs", by)
	case by != "":
		p.warn(checkTimeSync, "see what it says on the host: systemctl status "+keepers[0],
			"%s runs, and the clock is not synchronized yet", by)
	default:
		p.warn(checkTimeSync,
			"install and start chrony, or systemd-timesyncd: certificates and leases live by the clock",
			"nothing keeps the clock right")
	}
}

func (p about) resources(probe probe.Probe) {
	if probe.CPUs > 0 && probe.CPUs < leastCPUs {
		p.warn(checkProcessors, "etcd's hardware guide asks for two to four", "%d", probe.CPUs)
	} else {
		p.fine(checkProcessors, "%d", probe.CPUs)
	}
	if probe.Swap > 0 {
		p.warn(checkSwap, "turn it off (swapoff -a, and in /etc/fstab): a member that is paged out misses heartbeats",
			"%s", plan.Bytes(probe.Swap))
	} else {
		p.fine(checkSwap, "none")
	}
	if probe.OpenFiles > 0 && probe.OpenFiles < leastFiles {
		p.warn(checkOpenFiles, "raise fs.nr_open, or the hard limit of PID 1: each client of etcd is an open file",
			"a unit may have %d at most", probe.OpenFiles)
	} else {
		p.fine(checkOpenFiles, "enough")
	}
}

func (p about) security(probe probe.Probe) {
	switch {
	case probe.SELinux == "enforcing":
		p.warn(checkSecurity,
			"if the member is denied something, on the host: ausearch -m avc -ts recent; and see docs/preflight.md",
			"SELinux is enforcing, and clusterup brings no policy")
	case len(probe.Confined) > 0:
		p.warn(checkSecurity, "make sure that it is not for the binaries in "+facts.ReleaseDir,
			"AppArmor has a profile for etcd: %s", strings.Join(probe.Confined, ", "))
	case probe.SELinux != "":
		p.fine(checkSecurity, "SELinux is %s", probe.SELinux)
	case probe.AppArmor != "":
		p.fine(checkSecurity, "AppArmor, with no profile for etcd")
	default:
		p.fine(checkSecurity, "neither SELinux nor AppArmor")
	}
}
