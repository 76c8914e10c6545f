package plan

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/units"
)

// mustRestart says what a member runs with that is not wanted, line by line; nil when it may go on running.
func (v view) mustRestart(m inventory.Member, host facts.Host) []string {
	if host.Process == nil {
		return nil
	}
	r, _ := v.release(host)
	why := units.DiffArgs(host.Process.Args, units.Args(v.unitMember(m, r)))
	switch binary := path.Join(BinDir(r), "etcd"); {
	case host.Process.SameAs == binary:
	case host.Process.SHA256 == r.Binaries["etcd"]: // its file was replaced by the same bytes
	case len(why) == 0 || !strings.HasPrefix(why[0], "binary: "):
		why = append(why, "runs another binary than "+binary)
	}
	return why
}

// restart restarts one member that runs with something else than is wanted: those that are not healthy first, then followers, the
// leader last. The voters that stay up must be a quorum (law 1).
func (v view) restart() (*Stage, error) {
	type candidate struct {
		member inventory.Member
		why    []string
		order  int
	}
	var found []candidate
	v.hosts(func(m inventory.Member, host facts.Host) {
		why := v.mustRestart(m, host)
		if why == nil {
			return
		}
		order := 1
		switch {
		case !v.serves(host):
			order = 0
		case host.Etcd.Leader == host.Etcd.MemberID:
			order = 2
		}
		found = append(found, candidate{m, why, order})
	})
	if len(found) == 0 {
		return nil, nil
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(a.order, b.order) })
	first := found[0]
	gate, refusal := v.mayStop(first.member)
	if refusal != nil {
		return nil, &Refused{[]Refusal{*refusal}}
	}
	restart := Step{Kind: RestartMember, Host: first.member.Name, Unit: v.want.Cluster.UnitName, Why: strings.Join(first.why, "; ")}
	return &Stage{Name: "restart " + first.member.Name, Gate: gate, Width: 1, Steps: append(v.unitBefore(first.member), restart)}, nil
}

// unitBefore is the unit file that a restart is to start with. It is written only then: a unit that turns out to be bad is found out by
// one member, while the others would still start with theirs.
func (v view) unitBefore(m inventory.Member) []Step {
	host := v.seen.Hosts[m.Name]
	r, _ := v.release(host)
	change, why := fileChange(v.unitFile(m, r), host)
	if why == "" {
		return nil
	}
	if why == "differs" {
		why = v.unitReason(m, host, r)
	}
	return []Step{{Kind: WriteUnit, Host: m.Name, Why: why, Unit: v.want.Cluster.UnitName, Changes: []Change{change}}}
}

// mayStop is law 1: no step takes a voter down unless the voters that stay up and healthy are still a quorum. Where they are none, one
// that seems to take no part may be restarted by consent only: it may just have lost its leader for a moment.
func (v view) mayStop(m inventory.Member) (gate string, refusal *Refusal) {
	voters, stay := max(len(v.want.Cluster.Members), len(v.seen.Members)), 0
	v.hosts(func(other inventory.Member, host facts.Host) {
		if other.Name != m.Name && v.serves(host) {
			stay++
		}
	})
	quorum, serves := voters/2+1, v.serves(v.seen.Hosts[m.Name])
	switch {
	case stay >= quorum:
		return fmt.Sprintf("%d of %d voters stay up and serve; a quorum is %d", stay, voters, quorum), nil
	case (voters == 1 || !serves) && v.want.accepts(Downtime):
		return "downtime was accepted", nil
	case !serves:
		r := refuse(NeedsConsent, m.Name, "bring it or the others back first, or run again with --accept=downtime",
			"%s; the other members are no quorum, so whether the cluster lives by it is not known", ailment(v.seen.Hosts[m.Name]))
		return "", &r
	case voters == 1:
		r := refuse(NeedsConsent, m.Name, "run again with --accept=downtime", "restarting the only member stops the cluster for that time")
		return "", &r
	}
	r := refuse(QuorumAtRisk, m.Name, "bring the other members back first: clusterup status says what ails them",
		"restarting it would leave %d of %d voters, and a quorum is %d", stay, voters, quorum)
	return "", &r
}
