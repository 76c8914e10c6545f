package preflight

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/probe"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
)

// Finding is what preflight has to say about one thing on one host.
type Finding struct {
	Host  string `json:"host,omitempty"` // empty: it concerns the hosts together
	Check string `json:"check"`
	Level Level  `json:"level"`
	Found string `json:"found"`        // what was seen
	Do    string `json:"do,omitempty"` // empty when all is well
}

// Level says how much a Finding weighs.
type Level string

// The levels, from light to heavy.
const (
	LevelFine    Level = "fine"
	LevelWarning Level = "warning" // it can be done; think about it
	LevelRefusal Level = "refusal" // a bootstrap would fail, or not be safe
)

// The checks, in the order in which findings come. Each has a heading in docs/preflight.md.
const (
	CheckConnection   = "connection"
	checkArchitecture = "architecture"
	checkSystemd      = "systemd"
	checkTools        = "tools"
	checkClock        = "clock"
	checkTimeSync     = "time-sync"
	checkProcessors   = "processors"
	checkMemory       = "memory"
	checkSwap         = "swap"
	checkSpace        = "disk-space"
	checkFileSystem   = "file-system"
	checkLatency      = "disk-latency"
	checkData         = "data"
	checkPorts        = "ports"
	checkAddress      = "address"
	checkReach        = "reach"
	checkRoundTrip    = "round-trip"
	checkFirewall     = "firewall"
	checkSecurity     = "security"
	checkOpenFiles    = "open-files"
	checkMachineID    = "machine-id"
)

// checkOrder is the order in which findings come.
var checkOrder = []string{
	CheckConnection, checkArchitecture, checkSystemd, checkTools, checkClock, checkTimeSync, checkProcessors, checkMemory,
	checkSwap,
	checkSpace, checkFileSystem, checkLatency, checkData, checkPorts, checkAddress, checkReach, checkRoundTrip,
	checkFirewall,
	checkSecurity, checkOpenFiles, checkMachineID,
}

// Findings say whether hosts are fit for a bootstrap. They are sorted by check, and within it in the order of the
// inventory, with what concerns all hosts last. Of w.Releases only the architectures count. What was not probed has no
// finding.
func Findings(w etcd.Want, s facts.Snapshot, probes map[string]probe.Probe) []Finding {
	all := &preflight{want: w, seen: s, checks: etcd.ChecksOf(w, s), probes: probes}
	for _, m := range w.Cluster.Present() {
		host, p := s.Hosts[m.Name], about{all, m.Name}
		if host.Unreachable != "" || host.Name == "" {
			p.refuse(CheckConnection, "", "%s", strings.TrimPrefix(host.Unreachable, m.Name+": "))
			continue
		}
		p.member(m, host)
		if probe, ok := probes[m.Name]; ok {
			p.probed(m, host, probe)
		}
	}
	about{all, ""}.together()
	slices.SortStableFunc(all.findings, func(a, b Finding) int {
		return cmp.Compare(slices.Index(checkOrder, a.Check), slices.Index(checkOrder, b.Check))
	})
	return all.findings
}

// Concerning are the findings that matter to a cluster that serves, where some members are added, and others are
// restarted at another address: those about the hosts of the ones, the addresses of the others, and whether members
// reach each other. A member that listens at its old address is not reached at the new one by itself.
func Concerning(findings []Finding, joining, moving []string) []Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f Finding) bool {
		switch moves := slices.Contains(moving, f.Host); {
		case f.Check == checkReach:
			return moves
		case moves:
			return f.Check != checkAddress
		}
		return !slices.Contains(joining, f.Host)
	})
}

// Unready is the kind of a Refusal that preflight found, where no other kind says it better.
const Unready plan.RefusalKind = "preflight"

// Unfit is the *plan.Refused error of those findings that are refusals, nil when none is.
func Unfit(findings []Finding) error {
	kinds := map[string]plan.RefusalKind{
		CheckConnection: plan.Unreachable, checkArchitecture: plan.Unsuitable, checkSystemd: plan.Unsuitable,
		checkTools: plan.Unsuitable, checkClock: plan.ClockOff,
		checkPorts: plan.PortTaken, checkData: plan.ForeignData,
	}
	var refusals []plan.Refusal
	for _, f := range findings {
		if f.Level == LevelRefusal {
			refusals = append(refusals, plan.Refuse(cmp.Or(kinds[f.Check], Unready), f.Host, f.Do, "%s", f.Found))
		}
	}
	if len(refusals) == 0 {
		return nil
	}
	return &plan.Refused{Refusals: refusals}
}

// preflight collects findings.
type preflight struct {
	want     etcd.Want
	seen     facts.Snapshot
	checks   etcd.Checks
	probes   map[string]probe.Probe
	findings []Finding
}

// about is a preflight that speaks of one host; without a name of the hosts together.
type about struct {
	*preflight
	name string
}

func (p about) fine(check, format string, args ...any) {
	p.findings = append(p.findings, Finding{p.name, check, LevelFine, fmt.Sprintf(format, args...), ""})
}

func (p about) warn(check, do, format string, args ...any) {
	p.findings = append(p.findings, Finding{p.name, check, LevelWarning, fmt.Sprintf(format, args...), do})
}

func (p about) refuse(check, do, format string, args ...any) {
	p.findings = append(p.findings, Finding{p.name, check, LevelRefusal, fmt.Sprintf(format, args...), do})
}

// refused turns what Next would refuse into findings, and says whether there was any.
func (p about) refused(check string, refusals []plan.Refusal) bool {
	for _, r := range refusals {
		p.refuse(check, r.Remedy, "%s", r.Reason)
	}
	return len(refusals) > 0
}
