package etcd

import (
	"fmt"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/trust"
)

// Next is the stage to run now, nil when there is nothing to do, or a *plan.Refused error. While hosts are dark it goes
// on with the stages that need none of them. After those its refusals are of kind Unreachable alone, and the error says
// what waits.
func Next(w Want, s facts.Snapshot) (*plan.Stage, error) {
	v := newView(w, s)
	if refusals := v.refusals(); len(refusals) > 0 {
		return nil, &plan.Refused{Refusals: refusals}
	}
	for _, r := range rules {
		if !v.goesOn(r) {
			continue
		}
		stage, err := r.next(v)
		if stage != nil || err != nil {
			return stage, err
		}
	}
	if dark := v.refused(); dark != nil {
		return nil, dark
	}
	return nil, nil
}

// Dark says why hosts cannot be looked at, and what waits for them; nil where none is dark.
func Dark(w Want, s facts.Snapshot) *plan.Refused { return newView(w, s).refused() }

func (v view) refused() *plan.Refused {
	dark := v.unreachables()
	if len(dark) == 0 {
		return nil
	}
	return &plan.Refused{Refusals: dark, Waits: v.postponed()}
}

// operator writes to the operator directory: CAs, the lists of revoked certificates, and the digests of releases. While
// dark hosts hide whether there is a cluster, it only revokes: a cluster that exists must not get another first CA.
func (v view) operator() (*plan.Stage, error) {
	unknown := len(v.Dark()) > 0 && !v.formed
	var steps []plan.Step
	if !unknown {
		steps = v.trust.Urgent()
	}
	steps = append(steps, v.trust.Revoke()...)
	steps = append(steps, v.trust.RevokeGone(v.gone())...)
	for _, role := range trust.Roles {
		made := trust.Relists(steps, role)
		if !unknown || made || len(v.seen.Operator.Revoked[role].List) > 0 {
			steps = append(steps, v.trust.List(role, made)...)
		}
	}
	if !unknown {
		steps = append(steps, v.newTokenKey()...)
		steps = append(steps, v.pins()...)
	}
	return plan.SideBySide("operator directory", "no host is touched, and no host holds anything of an unknown CA", steps),
		nil
}

// pins are the digests of releases that are used for the first time.
func (v view) pins() []plan.Step {
	var steps []plan.Step
	pinned := map[string]bool{}
	v.Each(func(_ inventory.Member, host facts.Host) {
		for _, r := range v.releases(host) {
			if pinned[r.Pin()] || v.seen.Operator.Pinned[r.Pin()] == r.SHA256 {
				continue
			}
			pinned[r.Pin()] = true
			steps = append(steps, plan.Step{
				Kind: plan.PinRelease, Release: &r,
				Why: "first use of etcd " + r.Version + " for " + r.Arch,
			})
		}
	})
	return steps
}

// start starts all members that do not run, side by side, since starting one takes down no other. In a bootstrap none
// becomes ready before a quorum has started, so they have to start together.
func (v view) start() (*plan.Stage, error) {
	var steps []plan.Step
	v.Each(func(m inventory.Member, host facts.Host) {
		if host.Process != nil || v.lost(host) || !v.starting(m, host) {
			return
		}
		why := "not running"
		switch {
		case host.Unit.Active == "failed":
			why = "failed (" + host.Unit.Result + ")"
		case !host.Data.WAL:
			why = "first start"
		}
		steps = append(steps, plan.Step{
			Kind: plan.StartMember, Host: m.Name, Unit: v.want.Cluster.UnitName,
			Version: v.bin(host).version, Why: why,
		})
	})
	name, gate := "start members", "the members to start are down already; nothing is stopped"
	switch {
	case v.formed:
	case v.started:
		gate = "the bootstrap goes on: all data that was found carries its cluster ID " + v.clusterID.String()
	default:
		name, gate = "bootstrap: start all members side by side", "no host holds data or a birth marker"
	}
	return plan.SideBySide(name, gate, steps), nil
}

// starting says whether a member that does not run is to be started. Beside a cluster that is, one that is not listed
// is not: it has yet to be added, or was removed.
func (v view) starting(m inventory.Member, host facts.Host) bool {
	switch v.class(m, host) {
	case ClassNeverStarted, ClassRemoved, ClassWiped:
		return !v.formed
	case ClassStale: // it would acknowledge again what it has lost, and its unit refuses it, too
		return false
	case ClassHalfJoined:
		return !v.broken(m, host)
	}
	return true
}

// await waits for members that run but do not answer as a healthy one does, unless they are to restart anyway.
func (v view) await() (*plan.Stage, error) {
	if v.cutOff() && len(v.candidates()) > 0 {
		return nil, nil // a member that has restarted can serve only once these have, too
	}
	if len(v.awaitWaits()) > 0 || v.bereft() {
		return nil, nil
	}
	return v.awaiting(func(m inventory.Member, host facts.Host) bool {
		return v.mustRestart(m, host) == nil || v.holds(m, host)
	}), nil
}

func (v view) awaiting(which func(inventory.Member, facts.Host) bool) *plan.Stage {
	var steps []plan.Step
	v.Each(func(m inventory.Member, host facts.Host) {
		if host.Process == nil || v.takesPart(m, host) || v.class(m, host) == ClassRemoved || !which(m, host) {
			return
		}
		steps = append(steps, plan.Step{
			Kind: plan.AwaitMember, Host: m.Name, Unit: v.want.Cluster.UnitName,
			Why: v.ailment(host),
		})
	})
	return plan.SideBySide("wait for members", "nothing is changed", steps)
}

// maxLag is how many entries a member may have left to apply and still count as serving: entries come in between asking
// one member and asking the next.
const maxLag = 5000

// reads says that a member serves linearizable reads of this cluster.
func (v view) reads(host facts.Host) bool {
	return host.Reads && host.Etcd != nil && host.Etcd.ClusterID == v.clusterID
}

// serves says whether a member takes part: it serves reads, knows a leader, and has caught up. That is more than
// [facts.Member.Healthy] asks, since others are restarted in reliance on it. Alarms do not count: people resolve them,
// and waiting does not help.
func (v view) serves(host facts.Host) bool {
	return v.reads(host) && host.Etcd.Leader != 0 && v.lag(host) <= maxLag
}

// lag is how many entries a member is behind the second highest applied index among members that serve reads. The
// highest alone is not trusted, since one member may say anything. The second is enough: in a cluster of several, two
// members have what was acknowledged. Of a single voter it is the highest.
func (v view) lag(host facts.Host) uint64 {
	var most, second uint64
	v.Each(func(_ inventory.Member, other facts.Host) {
		if !v.reads(other) {
			return
		}
		switch applied := other.Etcd.Applied; {
		case applied >= most:
			most, second = applied, most
		case applied > second:
			second = applied
		}
	})
	if len(v.voters()) == 1 { // there is no second one
		second = most
	}
	return second - min(second, host.Etcd.Applied)
}

func (v view) ailment(host facts.Host) string {
	switch {
	case host.Etcd == nil:
		return "runs, but does not answer: " + host.EtcdError
	case host.Etcd.Leader == 0:
		return "runs, but knows no leader"
	case host.Reads:
		return fmt.Sprintf("runs, but is %d behind the others in raft's log", v.lag(host))
	default:
		return "runs, but serves no linearizable read: " + host.ReadError
	}
}
