package etcd

import (
	"fmt"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/version"
)

// rule is one thing that Next sees to.
type rule struct {
	name  string
	sees  sight
	next  func(view) (*plan.Stage, error)
	waits func(view) []plan.Wait // what of it is not done while hosts are dark; nil: nothing besides the rest
}

// sight is which hosts have to be seen for a rule to go on.
type sight int

// From the least to the most. Before there is a cluster, only birth markers are written without all.
const (
	nobody   sight = iota // it concerns the control machine alone
	majority              // those of a majority of the voters, since no run changes hosts without them (law 14)
	founding              // the same; and it may found the cluster, since it concerns members that serve
	everyone              // what it rests on has to hold for every member
)

// rules is the order of Next: what the operator directory lacks; files on all hosts, which disturb nothing that runs;
// members that do not run; the birth markers once the cluster is there; what the cluster must know of a change of its
// minor version; then, one at a time, better certificates, and restarts of members that run with something else than is
// wanted; and when all that is done, CAs that begin or end, and what is not used any more.
var rules = []rule{
	{"operator directory", nobody, view.operator, nil},
	{"files", majority, view.prepare, nil},
	{"start", majority, view.start, nil},
	{"await", majority, view.await, view.awaitWaits},
	{"births", founding, view.recordBirth, nil},
	{"changeover", everyone, view.changeover, view.changeoverWaits},
	{"leaves", majority, view.renew, nil},
	{"restart", majority, view.restart, view.restartWaits},
	{"rotate", everyone, view.rotate, view.rotateWaits},
	{"prune", everyone, view.prune, nil},
}

// goesOn says whether a rule does what it sees to now.
func (v view) goesOn(r rule) bool {
	switch {
	case len(v.Dark()) == 0:
		return true
	case r.sees == nobody:
		return true
	case r.sees == everyone, !v.formed && (r.sees != founding || !v.allPublished()):
		return false
	}
	return v.seesMajority()
}

// allPublished says that the cluster knows every member as one that has served. Were it recorded as born before, a
// member that is dark, and has not started yet, would be taken for one that has lost its data.
func (v view) allPublished() bool {
	all := true
	v.Everyone(func(m inventory.Member, _ facts.Host) { all = all && v.published(m) != 0 })
	return all
}

// seesMajority says whether the hosts of a majority of the voters are seen.
func (v view) seesMajority() bool {
	return len(v.Which(func(m inventory.Member, _ facts.Host) bool { return v.votes(m) })) >= v.quorum()
}

// postponed is what is wanted, and not done before dark hosts are seen again.
func (v view) postponed() []plan.Wait {
	switch {
	case len(v.Dark()) == len(v.want.Cluster.Members):
		return v.waitFor("every change on hosts", "no host could be looked at, so it is not known whether there is a cluster")
	case !v.formed:
		return v.waitFor("the bootstrap",
			"every host is needed before there is a cluster, since one that is not seen may hold data")
	case !v.seesMajority():
		return v.waitFor("every change on hosts",
			"a run holds the lock on the hosts of %d of %d voters, so that no other run changes the cluster too",
			v.quorum(), len(v.voters()))
	}
	var found []plan.Wait
	for _, r := range rules {
		if r.waits != nil {
			found = append(found, r.waits(v)...)
		}
	}
	return found
}

// waitFor is something that waits for all hosts that are dark.
func (v view) waitFor(what, why string, args ...any) []plan.Wait {
	return []plan.Wait{{What: what, For: v.Dark(), Why: fmt.Sprintf(why, args...)}}
}

// awaitWaits: as long as no quorum is seen to run, no member comes to serve by being waited for; one that is dark may
// run, and then it does.
func (v view) awaitWaits() []plan.Wait {
	running := len(v.Which(func(m inventory.Member, host facts.Host) bool { return v.votes(m) && host.Process != nil }))
	serves := v.Known(func(_ inventory.Member, host facts.Host) bool { return v.serves(host) })
	if len(v.Dark()) == 0 || serves || running >= v.quorum() {
		return nil
	}
	return v.waitFor("a quorum", "%d of %d voters are seen to run, and a quorum is %d", running, len(v.voters()),
		v.quorum())
}

// changeoverWaits: a change of the minor version, or of what the cluster knows of one.
func (v view) changeoverWaits() []plan.Wait {
	const why = "no member leaves a minor version before all are seen to take part"
	var found []plan.Wait
	v.Each(func(m inventory.Member, host facts.Host) {
		if v.lost(host) {
			found = append(found, v.waitFor("starting "+m.Name,
				"no release of the minor version that it ran last lies on its host")...)
		}
	})
	if v.Known(func(_ inventory.Member, host facts.Host) bool { return v.lingers(host) }) {
		return append(found, v.waitFor("the change to etcd "+v.want.Cluster.Version, why)...)
	}
	if v.downgrade != "" {
		return v.waitFor("the end of the downgrade to "+version.Minor(v.downgrade),
			"the cluster ends it when all members are of that version")
	}
	return nil
}

// restartWaits: members that may not be stopped now, and changes that take restarts of all.
func (v view) restartWaits() []plan.Wait {
	var found []plan.Wait
	for _, refusal := range v.stuck() {
		why := refusal.Reason
		if refusal.Kind == plan.NeedsConsent {
			why += "; " + refusal.Remedy
		}
		found = append(found, v.waitFor("restarting "+plan.Enumerate(v.candidateNames()), "%s: %s", refusal.Host, why)...)
	}
	if v.beatWaits() {
		found = append(found, v.waitFor("the change of heartbeat_interval and election_timeout",
			"the order of restarts depends on the values that every member runs with")...)
	}
	if v.want.Cluster.TLS.Peers && v.Known(func(m inventory.Member, _ facts.Host) bool {
		return v.peerScheme(m) == "http"
	}) {
		found = append(found, v.waitFor("TLS between peers",
			"a member listens with TLS only when all others were seen to have certificates to dial it")...)
	}
	return found
}

func (v view) candidateNames() []string {
	var names []string
	for _, c := range v.candidates() {
		names = append(names, c.member.Name)
	}
	return names
}
