package etcd

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/trust"
	"github.com/clusterup/clusterup/units"
)

// mustRestart says why a member must restart, line by line: mostly what it runs with that is not wanted; nil when it
// may go on running. For what clusters of before have not, and can go on without, none does; see later.
func (v view) mustRestart(m inventory.Member, host facts.Host) []string {
	why, known := v.known.restart[m.Name]
	if !known {
		why = v.whyRestart(m, host)
		v.known.restart[m.Name] = why
	}
	return why
}

func (v view) whyRestart(m inventory.Member, host facts.Host) []string {
	if host.Process == nil {
		return nil
	}
	r, _ := v.release(host)
	b := v.bin(host)
	wanted := units.Args(v.unitMember(m, b))
	why := v.inWords(host, wanted, units.DiffArgs(host.Process.Args, wanted))
	switch binary := b.path("etcd"); {
	case host.Process.SameAs == binary, v.flushes(host), v.lingers(host):
	case host.Process.SHA256 == r.Binaries["etcd"]: // its file was replaced by the same bytes
	case len(why) == 0 || !strings.HasPrefix(why[0], "binary: "):
		why = append(why, "runs another binary than "+binary)
	}
	if told := toldBesides(host); len(told) > 0 {
		why = append(why, "has "+some(told, " ")+" in its environment")
	}
	if pid := v.want.Restart[m.Name]; pid != 0 && pid == host.Process.PID {
		why = append(why, "to end its open connections")
	}
	why = append(why, trust.Unproven(host)...)
	for _, line := range why {
		if !v.later(host, line, b.version) {
			return why
		}
	}
	return nil
}

// later says that a reason to restart is none by itself: a list of revoked peers, or etcd's check of data at
// compactions, which clusters of before have not, and which come with the next restart.
func (v view) later(host facts.Host, line, version string) bool {
	switch {
	case !v.runsWithList(host) && strings.HasPrefix(line, "--"+trust.CRLFlag["peer"]+": "):
		return true
	case !units.AddsHashCheck(line, host.Process.Args):
		return false
	}
	asked := v.flags(version) // by the inventory
	return asked[units.HashCheckFlag] == "" && !strings.Contains(asked["feature-gates"], units.HashCheckGate)
}

// unchecked says that a running member does not compare data at compactions, and restarts for nothing else.
func (v view) unchecked(m inventory.Member, host facts.Host) bool {
	return host.Process != nil && units.Flag(host.Process.Args, units.HashCheckFlag) == "" &&
		!strings.Contains(units.Flag(host.Process.Args, "feature-gates"), units.HashCheckGate) &&
		v.mustRestart(m, host) == nil
}

// runsWithList says that a running member goes by a list of revoked peers.
func (v view) runsWithList(host facts.Host) bool {
	return units.Flag(host.Process.Args, trust.CRLFlag["peer"]) != ""
}

// inWords replaces lines about TLS flags and bundle names by what they mean: "to trust peer CA 2", "to have a
// certificate for its peers, …".
func (v view) inWords(host facts.Host, wanted, why []string) []string {
	for _, role := range trust.Roles {
		was, is := units.Flag(host.Process.Args, trust.BundleFlag[role]), units.Flag(wanted, trust.BundleFlag[role])
		switch {
		case is != "" && was == "":
			why = append(slices.DeleteFunc(why, func(line string) bool {
				return slices.ContainsFunc(tlsFlags[role],
					func(flag string) bool { return strings.HasPrefix(line, "--"+flag+": ") })
			}), tlsWords[role])
		case is != was:
			for i, line := range why {
				if changes := v.trust.Changes(role, host); strings.HasPrefix(line, "--"+trust.BundleFlag[role]+": ") &&
					len(changes) > 0 {
					why[i] = strings.Join(changes, ", ")
				}
			}
		}
	}
	return v.inWordsOfTokens(host, wanted, why)
}

// tlsFlags are the flags that come together when TLS is switched on for peers or clients, and tlsWords says what they
// do.
var (
	tlsFlags = map[string][]string{
		"peer":   {"peer-cert-file", "peer-key-file", "peer-trusted-ca-file", "peer-client-cert-auth", "peer-crl-file"},
		"client": {"cert-file", "key-file", "trusted-ca-file", "client-cert-auth", "client-crl-file"},
	}
	tlsWords = map[string]string{
		"peer":   "to have a certificate for its peers, and to ask them for theirs",
		"client": "to have a certificate for its clients, and to ask them for theirs",
	}
)

// candidate is a member that must restart.
type candidate struct {
	member inventory.Member
	host   facts.Host
	why    []string
	order  int // 0: it does not serve, 1: it has taken its raft snapshot, 2: a follower, 3: the leader
}

// candidates are the members that must restart, in the order in which they do: those that do not serve first, the
// leader last.
func (v view) candidates() []candidate {
	var found []candidate
	v.Each(func(m inventory.Member, host facts.Host) {
		why := v.mustRestart(m, host)
		if why == nil || v.holds(m, host) || v.lost(host) || m.Absent { // who is to leave has no files for it

			return
		}
		order := 2
		switch {
		case !v.stays(host):
			order = 0
		case v.leads(host):
			order = 3
		case units.Flag(host.Process.Args, "snapshot-count") == "1": // with that it is slow, so its turn comes early
			order = 1
		}
		found = append(found, candidate{m, host, why, order})
	})
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(a.order, b.order) })
	return found
}

// restart restarts one member that runs with something else than is wanted. The voters that stay up must be a quorum
// (law 1), and the leader first hands over to one that has been restarted already.
func (v view) restart() (*plan.Stage, error) {
	if stage := v.awaitRaftSnapshot(); stage != nil {
		return stage, nil
	}
	found := v.candidates()
	if len(found) == 0 {
		return nil, nil
	}
	first := found[0]
	if stage := v.awaitLeader(); stage != nil { // the first candidate may be the leader
		return stage, nil
	}
	if refusals := v.alarmed(first); len(refusals) > 0 {
		return nil, &plan.Refused{Refusals: refusals}
	}
	if v.cutOff() && v.want.accepts(plan.Downtime) {
		return v.together(found), nil
	}
	gate, needs, refused := v.mayStop(first.member)
	switch {
	case len(refused) > 0 && len(v.Dark()) > 0: // the restart waits; rules that stop nothing go on
		return nil, nil
	case len(refused) > 0:
		return nil, &plan.Refused{Refusals: refused}
	}
	if to, ok := v.successor(first); ok {
		return plan.SideBySide("move the leader away from "+first.member.Name, gate, []plan.Step{{
			Kind: plan.MoveLeader, Host: first.member.Name, To: to,
			Why: "it is the last to restart; " + to + " serves, and has applied most",
		}}), nil
	}
	name, restart := "restart "+first.member.Name, v.restartStep(first)
	restart.Needs = needs
	switch {
	case v.flushes(first.host):
		restart.Why = first.host.V2Store.Text +
			", which etcd 3.7 could not replay: it takes one as it starts with snapshot-count 1"
		name += ", to take a raft snapshot"
	case restart.From != restart.Version:
		name = fmt.Sprintf("etcd %s → %s: %s", restart.From, restart.Version, name)
	case len(trust.Unproven(first.host)) > 0:
		name += ", which still serves its old certificates"
	}
	steps := slices.Concat(v.announce(first.member), v.writeUnit(first.member, first.host), []plan.Step{restart})
	steps[0].Needs = needs // the first step asks the gate again, so that nothing is announced or written either
	return plan.SideBySide(name, gate, steps), nil
}

// stuck is why the next member that has to restart may not be stopped; nil: it may, or none has to.
func (v view) stuck() []plan.Refusal {
	found := v.candidates()
	if len(found) == 0 || v.cutOff() && v.want.accepts(plan.Downtime) {
		return nil
	}
	_, _, refused := v.mayStop(found[0].member)
	return refused
}

func (v view) restartStep(c candidate) plan.Step {
	return plan.Step{
		Kind: plan.RestartMember, Host: c.member.Name, Unit: v.want.Cluster.UnitName, Why: strings.Join(c.why, "; "),
		From: v.lastVersion(c.host), Version: v.bin(c.host).version,
	}
}

// cutOff says that no member accepts another any more, since the CA of their certificates has ended. There is no quorum
// to keep then, and none comes back before most members have restarted with another CA.
func (v view) cutOff() bool { return v.formed && v.want.Cluster.TLS.Peers && v.trust.Ended("peer") }

// together restarts all candidates side by side: one after the other, each would wait for the rest.
func (v view) together(all []candidate) *plan.Stage {
	var steps []plan.Step
	for _, m := range v.want.Cluster.Members {
		for _, c := range all {
			if c.member.Name == m.Name {
				steps = append(steps, append(v.writeUnit(m, c.host), v.restartStep(c))...)
			}
		}
	}
	return plan.SideBySide("restart all members side by side",
		"the peer CA has ended, so members with a new CA and members without it refuse each other; downtime was accepted",
		steps)
}

// awaitRaftSnapshot waits for a member that was restarted in order to take a raft snapshot. It takes one when it
// applies the next write.
func (v view) awaitRaftSnapshot() *plan.Stage {
	due := v.Which(func(m inventory.Member, host facts.Host) bool {
		return v.flushes(host) && v.serves(host) && v.mustRestart(m, host) == nil
	})
	if len(due) == 0 {
		return nil
	}
	return plan.SideBySide("let "+due[0]+" take a raft snapshot", "it serves", []plan.Step{{
		Kind: plan.AwaitRaftSnapshot, Host: due[0], Why: "it runs with snapshot-count 1, and takes one at the next write",
	}})
}

// successor is the member that leads while the leader restarts: the one that serves and has applied most. False: there
// is none, or the candidate does not lead.
func (v view) successor(c candidate) (string, bool) {
	best, name := uint64(0), ""
	v.Each(func(m inventory.Member, host facts.Host) {
		if m.Name != c.member.Name && v.serves(host) && (name == "" || host.Etcd.Applied > best) {
			best, name = host.Etcd.Applied, m.Name
		}
	})
	return name, c.order == 3 && name != ""
}
