package etcd

import (
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
)

// Fresh says whether a bootstrap comes next that no member has begun.
func Fresh(w Want, s facts.Snapshot) bool {
	v := newView(w, s)
	return !v.formed && !v.started
}

// Checks are the refusals of Next, grouped by topic. Preflight shows them before anything is done.
type Checks struct {
	Hosts                map[string]HostChecks // by member, of hosts that could be looked at
	Versions, Membership []plan.Refusal
}

// HostChecks are the checks of one host.
type HostChecks struct {
	Released                    bool // there is a release for its architecture
	Data, Ports, Ground, Source []plan.Refusal
}

// ChecksOf are the checks of what was seen. Hosts that could not be looked at are left out.
func ChecksOf(w Want, s facts.Snapshot) Checks {
	v := newView(w, s)
	checks := Checks{Hosts: map[string]HostChecks{}, Versions: v.versionRefusals(), Membership: v.membership()}
	v.Everyone(func(m inventory.Member, host facts.Host) {
		if host.Unreachable != "" || host.Name == "" {
			return
		}
		_, released := v.release(host)
		one := HostChecks{Released: released, Ports: v.ports(m, host), Ground: v.ground(m, host), Source: v.sourced(m, host)}
		for _, check := range []func(inventory.Member, facts.Host) []plan.Refusal{
			v.older, v.data, v.trusted, v.v2Store, v.foreignUnit, v.undiverted,
		} {
			one.Data = append(one.Data, check(m, host)...)
		}
		checks.Hosts[m.Name] = one
	})
	return checks
}
