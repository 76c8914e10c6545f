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
	waits func(view) []plan.Wait // names its changes that wait for dark hosts; nil: it has none to name
}

// sight is which hosts have to be seen for a rule to go on.
type sight int

// From the least to the most. Before there is a cluster, only nobody and founding go on without all hosts.
const (
	nobody   sight = iota // it concerns the control machine alone
	majority              // those of a majority of the voters, since no run changes hosts without them (law 14)
	founding              // as majority, and before there is a cluster too, since it concerns members that serve
	everyone              // what it rests on has to hold for every member
)

// rules is the order of Next: the first rule with a stage decides. The operator directory and files come first, since
// they disturb nothing that runs. Members that serve nobody and are to go are removed before others start, and members
// that are down start before any other is restarted. A member that takes the place of a lost one is added then, so that
// another can be spared. Better certificates and restarts go one member at a time. CAs begin
// or end, members are added or leave, users, roles and servers of balancers change, and old files go, only when all of
// that is done.
var rules = []rule{
	{"operator directory", nobody, view.operator, nil},
	{"files", majority, view.prepare, nil},
	{"members that serve nobody", majority, view.settle, view.removalWaits},
	{"start", majority, view.start, nil},
	{"await", majority, view.await, view.awaitWaits},
	{"addresses", majority, view.resettle, nil},
	{"births", founding, view.recordBirth, nil},
	{"learners", majority, view.promote, nil},
	{"members in the place of lost ones", majority, view.rejoin, nil},
	{"changeover", everyone, view.changeover, view.changeoverWaits},
	{"leaves", majority, view.renew, nil},
	{"restart", majority, view.restart, view.restartWaits},
	{"rotate", everyone, view.rotate, view.rotateWaits},
	{"members to come", majority, view.join, view.joinWaits},
	{"members to leave", majority, view.leave, view.leaveWaits},
	{"hosts to leave", majority, view.clean, view.cleanWaits},
	{"permissions", majority, view.permit, view.permitWaits},
	{"servers of balancers", majority, view.pools, nil},
	{"prune", everyone, view.prune, nil},
}

// goesOn says whether a rule is asked, given the hosts that are seen now.
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

// allPublished says that the cluster lists every member as one that has served. Births are not recorded before: a dark
// member that never started would then be taken for one that has lost its data.
func (v view) allPublished() bool {
	all := true
	v.Everyone(func(m inventory.Member, _ facts.Host) { all = all && v.published(m) != 0 })
	return all
}

// seesMajority says whether the hosts of a majority of the voters are seen.
func (v view) seesMajority() bool {
	return len(v.Which(func(m inventory.Member, _ facts.Host) bool { return v.votes(m) })) >= v.quorum()
}

// postponed are the wanted changes that wait until dark hosts are seen again.
func (v view) postponed() []plan.Wait {
	switch {
	case len(v.Dark()) == len(v.List):
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

// waitFor is a change that waits for all dark hosts.
func (v view) waitFor(what, why string, args ...any) []plan.Wait {
	return []plan.Wait{{What: what, For: v.Dark(), Why: fmt.Sprintf(why, args...)}}
}

// awaitWaits: while no quorum is seen to run, waiting makes no member serve. If one serves all the same, dark members
// make up its quorum.
func (v view) awaitWaits() []plan.Wait {
	running := len(v.Which(func(m inventory.Member, host facts.Host) bool { return v.votes(m) && host.Process != nil }))
	serves := v.Known(func(_ inventory.Member, host facts.Host) bool { return v.serves(host) })
	if len(v.Dark()) == 0 || serves || running >= v.quorum() {
		return nil
	}
	return v.waitFor("a quorum", "%d of %d voters are seen to run, and a quorum is %d", running, len(v.voters()),
		v.quorum())
}

// changeoverWaits: the change of the minor version, or the end of a downgrade.
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
