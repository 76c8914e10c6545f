package etcd

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/version"
)

// snapshotAge is how old the snapshot in the operator directory may be when the cluster goes to another minor version.
const snapshotAge = 10 * time.Minute

// versionRefusals are the reasons not to take the cluster to the wanted version (law 6), or not without consent.
func (v view) versionRefusals() []plan.Refusal {
	wanted := v.want.Cluster.Version
	if v.low == "" {
		return nil
	}
	if version.Apart(v.low, v.high) {
		return plan.OneRefusal(plan.VersionChange, "",
			"stop the etcd that clusterup did not start, and apply: clusterup status shows the version of each member",
			"the members are of etcd %s to %s, more than one minor version apart", v.low, v.high)
	}
	if version.SameMinor(v.low, v.high) && version.SameMinor(v.low, wanted) {
		return nil
	}
	var found []plan.Refusal
	way := v.route()
	if via := way[:len(way)-1]; len(via) > 0 && !v.want.accepts(plan.Hops) {
		found = append(found, plan.Refuse(plan.NeedsConsent, "",
			"run again with --accept=hops, or go there in steps of your own: set version to "+via[0]+" first",
			"from etcd %s to %s the cluster passes through %s", v.low, wanted, strings.Join(via, " and ")))
	}
	return append(found, v.hopRefusals(way[0])...)
}

// hopRefusals are the refusals of the next hop, to the version to.
func (v view) hopRefusals(to string) []plan.Refusal {
	var found []plan.Refusal
	mixed := !version.SameMinor(v.low, v.high)
	down := version.CompareMinor(to, v.high) < 0
	if down && !mixed && v.downgrade == "" && !v.want.accepts(plan.Downgrade) {
		found = append(found, plan.Refuse(plan.NeedsConsent, "", "run again with --accept=downgrade",
			"the cluster is of etcd %s, and the inventory asks for %s: going back a minor version", v.high,
			v.want.Cluster.Version))
	}
	wanted := v.want.Cluster.Version // refused at once, even where it is several hops away
	if floor := version.Floor(wanted); down && version.BelowFloor(wanted) {
		found = append(found, plan.Refuse(plan.VersionChange, "", "ask for etcd "+floor+" or a later "+version.Minor(wanted),
			"etcd %s is no target of a downgrade: only %s and later can be upgraded again", wanted, floor))
	}
	if len(v.Dark()) > 0 { // the change waits for them anyway
		return found
	}
	begins := !mixed && !version.SameMinor(to, v.low)
	if begins {
		found = append(found, v.noQuorum()...)
	}
	if begins || version.Minor(to) == "3.7" {
		found = append(found, v.strangers(mixed)...)
	}
	return found
}

// strangers refuses members whose etcd, running or last run, does not lie on their host. None of them could go back,
// and one that is down could not be made whole before the change of the minor version.
func (v view) strangers(mixed bool) []plan.Refusal {
	first := v.high
	if mixed {
		first = v.low // all data is fit for it
	}
	var found []plan.Refusal
	v.Each(func(m inventory.Member, host facts.Host) {
		has := v.unitBin(host)
		if host.Process != nil {
			has = runs(host)
		}
		if _, there := host.Binaries[has.path("etcd")]; host.Data.WAL && !there && (host.Process == nil || has.dir != "") {
			found = append(found, plan.Refuse(plan.VersionChange, m.Name,
				fmt.Sprintf("set version to %s and apply, which puts it there; then ask for %s again",
					first, v.want.Cluster.Version), "the etcd that it ran last is not on its host, and a way back may need it"))
		}
	})
	return found
}

// noQuorum says that a cluster is in no state to begin with another minor version. One that is half-way is brought
// together instead.
func (v view) noQuorum() []plan.Refusal {
	total := len(v.voters())
	running := len(v.Which(func(m inventory.Member, host facts.Host) bool { return v.votes(m) && host.Process != nil }))
	if running > total/2 {
		return nil
	}
	return plan.OneRefusal(plan.QuorumAtRisk, "",
		fmt.Sprintf("start the others as they are first: apply with version %s, then ask for %s again",
			v.high, v.want.Cluster.Version),
		"%d of %d members run, which is no quorum: another minor version begins with a cluster that serves", running, total)
}

// flags are the flags of the inventory that version of, on the way to the wanted one, knows. Flags of later versions
// come when the cluster is there.
func (v view) flags(of string) map[string]string {
	flags, err := inventory.FlagsFor(v.want.Cluster.Etcd.Flags, version.Minor(of))
	if err != nil && !errors.As(err, new(*inventory.FlagError)) {
		return v.want.Cluster.Etcd.Flags // any other mistake is reported by inventory.Load
	}
	return flags
}

// changeover tells the cluster itself of a change of its minor version, in this order: it cancels a downgrade that is
// not wanted any more, lets the members agree on their version, saves a snapshot, and enables a downgrade.
func (v view) changeover() (*plan.Stage, error) {
	mixed := !version.SameMinor(v.low, v.high)
	ailing := v.awaiting(func(inventory.Member, facts.Host) bool { return true })
	// no member leaves a minor version unless all take part
	if !mixed && !version.SameMinor(v.target, v.high) && !v.held() && ailing != nil {
		return ailing, nil
	}
	if stage := v.awaitLeader(); stage != nil &&
		(!version.SameMinor(v.target, v.high) || v.downgrade != "" || v.unsettled() != "") {
		return stage, nil
	}
	at, ok := v.leader()
	if !ok { // nobody serves
		return nil, nil
	}
	one := func(name, gate string, step plan.Step) (*plan.Stage, error) {
		step.Host = at.Name
		return plan.SideBySide(name, gate, []plan.Step{step}), nil
	}
	switch down := version.CompareMinor(v.target, v.high) < 0; {
	case v.downgrade != "" && version.CompareMinor(v.target, v.downgrade) > 0:
		return one("stay with etcd "+version.Minor(v.target), "the members that went back can come along again",
			plan.Step{
				Kind: plan.CancelDowngrade,
				Why:  "a downgrade to " + version.Minor(v.downgrade) + " is enabled, and not wanted",
			})
	case mixed:
		return nil, nil
	case v.unsettled() != "" && ailing != nil:
		return nil, nil // the ailing member restarts first: without it the members agree on nothing
	case v.unsettled() != "":
		return one("let the members agree on the version", "nothing is changed",
			plan.Step{Kind: plan.AwaitVersion, Version: v.common(), Why: v.unsettled()})
	case version.SameMinor(v.target, v.high) || v.held():
		return nil, nil
	case !v.saved():
		return one("save a snapshot", "all members serve", plan.Step{
			Kind: plan.SaveSnapshot, Version: v.high,
			Why: "before etcd " + version.Minor(v.target) + "; from the leader to the operator directory, and verified",
		})
	case down && v.downgrade == "":
		return one("enable the downgrade", "all members serve; going back was accepted",
			plan.Step{
				Kind: plan.EnableDowngrade, Version: version.Minor(v.target),
				Why: "members of etcd " + version.Minor(v.target) + " may join then",
			})
	}
	return nil, nil
}

// common is the minor version that the cluster, and the storage of each member, is to be of now.
func (v view) common() string {
	if v.downgrade != "" {
		return version.Minor(v.downgrade)
	}
	return version.Minor(v.high)
}

// unsettled says which member's storage is not yet of the version that the cluster is at, or that a downgrade has not
// ended although all went back; "" when all is settled. etcd 3.5 says nothing of either.
func (v view) unsettled() string {
	why := ""
	if v.young() && v.downgrade == "" && version.SameMinor(v.target, v.high) {
		return "" // etcd gets there by itself within seconds, and nothing waits for it
	}
	v.Each(func(m inventory.Member, host facts.Host) {
		if why != "" || host.Etcd == nil || version.CompareMinor(host.Etcd.Version, "3.6") < 0 {
			return
		}
		if is := version.Minor(host.Etcd.StorageVersion); is != v.common() {
			why = fmt.Sprintf("the data of %s is still of version %s, and becomes %s", m.Name, is, v.common())
		}
	})
	if why == "" && v.downgrade != "" && version.SameMinor(v.downgrade, v.high) {
		why = "the downgrade is about to end"
	}
	return why
}

// young says that the cluster was born less than a minute ago, and that no member can have run an older minor version:
// no host has such a release.
func (v view) young() bool {
	young := len(v.births) > 0
	for _, born := range v.births {
		young = young && v.seen.Taken.Sub(born.Created).Abs() < time.Minute
	}
	v.Each(func(_ inventory.Member, host facts.Host) {
		for name := range host.Binaries {
			b := binAt(name)
			young = young && (b.dir == "" || version.CompareMinor(b.version, v.high) >= 0)
		}
	})
	return young
}

// saved says whether a fresh and sound snapshot of the cluster lies in the operator directory.
func (v view) saved() bool {
	return slices.ContainsFunc(v.seen.Operator.Snapshots, func(s facts.SavedSnapshot) bool {
		return s.ClusterID == v.clusterID && s.Damage == "" && version.SameMinor(s.Version, v.high) &&
			v.seen.Taken.Sub(s.Taken).Abs() < snapshotAge
	})
}

// held says that --hold-last keeps the last member at its minor version, where the cluster can still turn back.
func (v view) held() bool {
	if !v.want.HoldLast || version.CompareMinor(v.target, v.low) <= 0 {
		return false
	}
	return len(v.Which(v.behind)) <= 1
}

// behind says that a member with data has not come to the minor version that all are to reach next.
func (v view) behind(_ inventory.Member, host facts.Host) bool {
	return host.Data.WAL && !version.SameMinor(v.lastVersion(host), v.target)
}

// holds says that this member is the one that is held.
func (v view) holds(m inventory.Member, host facts.Host) bool { return v.held() && v.behind(m, host) }

// v2Store refuses to take a member from 3.5 to 3.6 with etcd v2 content, which 3.6 does not start with.
func (v view) v2Store(m inventory.Member, host facts.Host) []plan.Refusal {
	if v.lingers(host) || version.Minor(v.target) != "3.6" || version.Minor(v.lastVersion(host)) != "3.5" ||
		host.V2Store == nil || host.V2Store.Clean ||
		version.BelowFloor(v.lastVersion(host)) { // older releases cannot tell
		return nil
	}
	return plan.OneRefusal(plan.V2Content, m.Name,
		"content in the write-ahead log goes away with a raft snapshot: set snapshot_count = 5 in the block etcd, apply, "+
			"write a few keys, take it out, and apply; content in the v2 store is somebody's data, and has to be migrated first",
		"it may hold content of the etcd v2 API, with which etcd 3.6 does not start: %s",
		strings.TrimSpace(host.V2Store.Text))
}

// Holding says which member is held, and how to go on or turn back; "": none is held.
func Holding(w Want, s facts.Snapshot) string {
	v := newView(w, s)
	left := v.Which(v.holds)
	if len(left) == 0 {
		return ""
	}
	text := fmt.Sprintf(
		"%s stays at etcd %s, as --hold-last asks. This is the last point of return: until this last member follows, the cluster goes back "+
			"when version is set to %s again and applied. A plain apply goes on.", left[0], v.low, v.low)
	if v.passwordsWait() {
		text += " The passwords of users wait for it, too: it signs tokens with another key."
	}
	return text
}

// shownRoute is the way from the oldest version that runs to the wanted one; nil when that is where the cluster is.
func (v view) shownRoute() []string {
	way := v.route()
	if v.low == "" || len(way) == 1 && v.low == way[0] && v.high == way[0] {
		return nil
	}
	from := v.low
	if version.Compare(v.want.Cluster.Version, v.low) <= 0 {
		from = v.high
	}
	return append([]string{from}, way...)
}
