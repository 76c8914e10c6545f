package etcd

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/version"
	"github.com/clusterup/clusterup/units"
)

// The member list comes to be as the inventory says by one change at a time (law 2): members that serve nobody are
// removed first, since etcd adds none while a voter is away (server/etcdserver/server.go, mayAddMember); learners that
// are there get their votes; then one is added after the other; and those that serve, and are to leave, go last. So a
// cluster that changes its machines has more voters on the way than in the end, and not fewer.

// membership says where the member list and the inventory differ in a way that is not mended without more ado.
func (v view) membership() []plan.Refusal {
	if !v.formed || v.seen.Members == nil {
		return nil
	}
	var found []plan.Refusal
	for _, entry := range v.seen.Members {
		if _, ok := v.ofEntry(entry); !ok && !v.given(entry) {
			name := cmp.Or(entry.Name, entry.ID.String())
			if named, _ := v.named(entry.Name); named.Name != "" { // the name is another's by now
				name = entry.ID.String()
			}
			found = append(found, plan.Refuse(plan.Membership, "",
				fmt.Sprintf("put it into the inventory, with state = \"absent\" if it is to go; or, if its machine is gone for "+
					"good: clusterup member remove %s INVENTORY, or apply with --accept=%s", name, plan.Remove(name)),
				"member %s (%s) is in the cluster, but not in the inventory", entry.ID,
				strings.TrimSpace(entry.Name+" "+strings.Join(entry.PeerURLs, " "))))
		}
	}
	return slices.Concat(found, v.departed(), v.halfway())
}

// departed refuses to clean a host that is not that of the member which has left.
func (v view) departed() []plan.Refusal {
	var found []plan.Refusal
	v.leaving.Each(func(m inventory.Member, host facts.Host) {
		marker, marked := host.Files[v.birthPath()]
		born, err := units.ParseBirth(marker.Content)
		if v.stillMember(m) {
			return
		}
		found = append(found, v.foreignUnit(m, host)...)
		lists := func(id string) bool {
			return slices.ContainsFunc(v.seen.Members, func(l facts.Listed) bool { return l.ID.String() == id })
		}
		var whose string
		switch id := host.Data.MemberID.String(); {
		case host.Data.WAL && (host.Data.ClusterID != v.clusterID || lists(id)):
			whose = fmt.Sprintf("the data of member %s of cluster %s", id, host.Data.ClusterID)
		case err == nil && (born.ClusterID != v.clusterID.String() || born.Member != m.Name || lists(born.MemberID)):
			whose = fmt.Sprintf("the birth marker of %s, member %s of cluster %s", born.Member, born.MemberID, born.ClusterID)
		case err != nil && marked:
			whose = "a birth marker that cannot be read"
		case host.Process != nil && len(host.Process.Args) > 0 && // a process that is about to end shows none
			(units.Flag(host.Process.Args, "name") != m.Name || units.Flag(host.Process.Args, "data-dir") != m.DataDir):
			whose = "a running member of another name, or with another directory"
		default:
			return
		}
		found = append(found, plan.Refuse(plan.ForeignData, m.Name,
			"take its block out of the inventory, or give it the ssh_address of its own host",
			"it has left the cluster, and its host has %s, which is not its own", whose))
	})
	return found
}

// halfway refuses to change the members of a cluster that is on its way to another minor version, or is to begin with
// it. On the way a lost member can be replaced: it comes with the version that all are to reach. Before the beginning
// it would be the first of that version, with no snapshot saved.
func (v view) halfway() []plan.Refusal {
	wanted, begins := v.want.Cluster.Version, v.begins()
	mixed := v.low != "" && !version.SameMinor(v.low, v.high)
	if !mixed && !begins {
		return nil
	}
	joins := v.all(func(m inventory.Member, host facts.Host) bool {
		switch v.class(m, host) {
		case ClassNeverStarted:
			return !m.Absent && (begins || !v.replaced(m))
		case ClassDark:
			_, listed := v.entry(m)
			return begins && listed && v.replaced(m)
		case ClassRemoved, ClassWiped:
			return begins && v.replaced(m)
		case ClassHalfJoined:
			return begins && !host.Data.WAL
		}
		return false
	})
	leaves := v.Which(func(m inventory.Member, _ facts.Host) bool { return m.Absent })
	if len(joins)+len(leaves) == 0 {
		return nil
	}
	var does []string
	if len(joins) > 0 {
		does = append(does, plan.Enumerate(joins)+" to come")
	}
	if len(leaves) > 0 {
		does = append(does, plan.Enumerate(leaves)+" to leave")
	}
	remedy := fmt.Sprintf("one after the other: leave the members as they are until all run etcd %s, then change who is one; "+
		"one that takes the place of a lost one comes with --accept=replace:NAME", wanted)
	if begins {
		remedy = fmt.Sprintf("one after the other: change who is a member with version %s, then ask for %s again", v.high, wanted)
	}
	return plan.OneRefusal(plan.Membership, "", remedy,
		"members are %s, while the cluster goes from etcd %s to %s", strings.Join(does, " and "), v.low, wanted)
}

// begins says that another minor version is wanted, and that no member has gone there yet.
func (v view) begins() bool {
	return v.low != "" && version.SameMinor(v.low, v.high) && !version.SameMinor(v.low, v.want.Cluster.Version)
}

// beforehand is what comes before a change of who is a member, where another minor version is to begin.
func (v view) beforehand() string {
	if !v.begins() {
		return ""
	}
	return fmt.Sprintf("set version to %s, and back when that is done; ", v.high)
}

// all names the members of which something holds, dark ones too.
func (v view) all(is func(inventory.Member, facts.Host) bool) []string {
	var names []string
	v.Everyone(func(m inventory.Member, host facts.Host) {
		if is(m, host) {
			names = append(names, m.Name)
		}
	})
	return names
}

// ofEntry is the member of the inventory that an entry of the member list is of: by its address, else by its name.
func (v view) ofEntry(entry facts.Listed) (inventory.Member, bool) {
	if m, ok := v.hostOf(entry); ok {
		return m, true
	}
	at := slices.IndexFunc(v.want.Cluster.Members, func(m inventory.Member) bool {
		own, _ := v.entry(m)
		return own.ID == entry.ID
	})
	if at < 0 {
		return inventory.Member{}, false
	}
	return v.want.Cluster.Members[at], true
}

// given says that the operator has given up a member that is not in the inventory.
func (v view) given(entry facts.Listed) bool {
	return v.want.accepts(plan.Remove(entry.ID.String())) || entry.Name != "" && v.want.accepts(plan.Remove(entry.Name))
}

// settle removes members that serve nobody and are not to stay as they are, and puts aside what removed ones have left
// on hosts that are wanted.
func (v view) settle() (*plan.Stage, error) {
	if !v.formed || v.seen.Members == nil {
		return nil, nil
	}
	if stage := v.clear(); stage != nil {
		return stage, nil
	}
	var first error
	for _, entry := range v.seen.Members {
		why := v.goes(entry)
		if why == "" {
			continue
		}
		stage, err := v.removal(entry, why)
		if stage != nil {
			return stage, nil
		}
		first = cmp.Or(first, err)
	}
	if first != nil && !v.recovers() {
		return nil, first
	}
	return nil, nil
}

// recovers says that other members are to start, or about to serve: then more may be removed than now.
func (v view) recovers() bool {
	if v.bereft() {
		return false
	}
	starts, _ := v.start()
	awaits, _ := v.await()
	return starts != nil || awaits != nil
}

// mayTell says that the member list, which nobody tells now, may be told later in this run: members are to start, or
// there is data enough for a quorum of those that run. Until then it is not known who is to join.
func (v view) mayTell() bool {
	serves := v.Known(func(_ inventory.Member, host facts.Host) bool { return v.serves(host) })
	if starts, _ := v.start(); starts != nil || serves && v.seen.Simulated {
		return true
	}
	able := v.Which(func(_ inventory.Member, host facts.Host) bool {
		return host.Data.WAL && host.Data.ClusterID == v.clusterID
	})
	lists := v.presumed()
	awaits, _ := v.await()
	return awaits != nil && len(able) > len(lists[len(lists)-1])/2
}

// bereft says that so many voters have lost their data that the others are no quorum: nothing that is started or waited
// for brings one back.
func (v view) bereft() bool {
	if !v.formed || v.seen.Members == nil {
		return false
	}
	lost := v.Which(func(m inventory.Member, host facts.Host) bool { return v.votes(m) && !host.Data.WAL })
	return len(v.voters())-len(lost) < v.quorum()
}

// goes says why a listed member is removed right away; "": it is not.
func (v view) goes(entry facts.Listed) string {
	m, ok := v.ofEntry(entry)
	host := v.seen.Hosts[m.Name]
	switch {
	case !ok && v.given(entry):
		return "it is not in the inventory, and its machine was given up"
	case !ok:
		return ""
	case m.Absent && !v.takesPart(m, host):
		return "it is to leave"
	case m.Absent:
		return ""
	case host.Dark() && v.replaced(m):
		return "its host cannot be looked at, and it is to be replaced"
	case host.Dark():
		return ""
	case v.class(m, host) == ClassWiped && v.replaced(m) && !v.knownAt(m, entry):
		return "another machine takes its place, at " + v.peerURL(m)
	case v.class(m, host) == ClassWiped && v.replaced(m):
		return "its data is lost, and it is to be replaced"
	case v.broken(m, host):
		return "it has lost its data before it was a member, so it is added anew"
	}
	return ""
}

// broken says that a learner has been started, has no data, and was never published: started again it may panic, since
// the leader knows of a log that it has not (etcd issue 21178). It has no vote, so it is removed and added anew.
func (v view) broken(m inventory.Member, host facts.Host) bool {
	return v.class(m, host) == ClassHalfJoined && v.learner(m) && !host.Data.WAL && host.Unit.Enabled == "enabled"
}

// removalWaits: a removal that would leave no quorum of members that are seen to serve waits for those that are dark.
func (v view) removalWaits() []plan.Wait {
	if !v.formed {
		return nil
	}
	var found []plan.Wait
	for _, entry := range v.seen.Members {
		m, _ := v.ofEntry(entry)
		if v.goes(entry) == "" && !m.Absent {
			continue
		}
		name := cmp.Or(m.Name, entry.Name, entry.ID.String())
		for _, r := range v.cannotRemove(entry, name) {
			found = append(found, v.waitFor("removing "+name, "%s", r.Reason)...)
		}
	}
	return found
}

func (v view) cannotRemove(entry facts.Listed, name string) []plan.Refusal {
	_, _, refused := v.mayRemove(entry, name)
	return refused
}

// removal removes one member from the list (law 2). A learner has no vote, so nothing rests on it.
func (v view) removal(entry facts.Listed, why string) (*plan.Stage, error) {
	m, _ := v.ofEntry(entry)
	name := cmp.Or(m.Name, entry.Name, entry.ID.String())
	if stage := v.awaitLeader(); stage != nil {
		return stage, nil
	}
	gate, needs, refused := v.mayRemove(entry, name)
	switch {
	case len(refused) > 0 && len(v.Dark()) > 0: // it waits
		return nil, nil
	case len(refused) > 0:
		return nil, &plan.Refused{Refusals: refused}
	}
	if to, ok := v.successor(candidate{member: m, order: 3}); ok && v.leads(v.seen.Hosts[m.Name]) {
		return plan.SideBySide("move the leader away from "+m.Name, gate, []plan.Step{{
			Kind: plan.MoveLeader, Host: m.Name, To: to, Why: why + "; " + to + " serves, and has applied most",
		}}), nil
	}
	return plan.SideBySide("remove "+name+" from the cluster", gate, []plan.Step{{
		Kind: plan.RemoveMember, Host: name, Member: entry.ID, Through: v.through(m), Why: why, Needs: needs,
	}}), nil
}

// mayRemove is law 2: no voter is removed unless the others that serve are a quorum of those that are left.
func (v view) mayRemove(entry facts.Listed, name string) (gate string, needs *plan.Needs, refused []plan.Refusal) {
	if entry.Learner {
		return "a learner has no vote", nil, nil
	}
	others := v.Which(func(other inventory.Member, host facts.Host) bool {
		own, _ := v.entry(other)
		return own.ID != entry.ID && v.votes(other) && v.stays(host)
	})
	left := len(v.voters()) - 1
	if quorum := left/2 + 1; left > 0 && len(others) >= quorum {
		return fmt.Sprintf("%d of the %s left serve; a quorum is %d", len(others), plan.Count(left, "voter"), quorum),
			&plan.Needs{Least: quorum, Serve: others}, nil
	}
	if left == 0 {
		return "", nil, plan.OneRefusal(plan.QuorumAtRisk, name,
			"add another member first; or end the cluster with clusterup destroy", "it is the last voter of the cluster")
	}
	remedy := "bring the other members back first: clusterup status shows what is wrong with them"
	if v.bereft() {
		remedy = anew
	}
	return "", nil, plan.OneRefusal(plan.QuorumAtRisk, name, remedy,
		"without it %s are left, of which %d serve, and a quorum is %d", plan.Count(left, "voter"), len(others), left/2+1)
}

// clear puts aside what a removed member has left on a host that is to have a member again: its marker, with which no
// member without data starts, and its data, where the operator has agreed (law 3).
func (v view) clear() *plan.Stage {
	var steps []plan.Step
	v.Each(func(m inventory.Member, host facts.Host) {
		_, listed := v.entry(m)
		switch v.class(m, host) {
		case ClassRemoved:
			if !m.Absent && (v.replaced(m) || !host.Data.WAL) {
				steps = append(steps, v.aside(m, host, "it is of a member that was removed from the cluster")...)
			}
		case ClassNeverStarted: // else a unit that is enabled says that it has been started as the learner that it is to be
			if !listed && !m.Absent && host.Unit.Enabled == "enabled" {
				steps = append(steps, plan.Step{
					Kind: plan.StopMember, Host: m.Name, Unit: v.want.Cluster.UnitName, Why: "it is not a member yet",
				})
			}
		}
	})
	return plan.SideBySide("put aside what removed members have left", "the cluster does not list those members",
		one(steps))
}

// one are the steps of the first host alone, if any of them stops a member.
func one(steps []plan.Step) []plan.Step {
	if !slices.ContainsFunc(steps, func(s plan.Step) bool { return s.Kind == plan.StopMember }) {
		return steps
	}
	return slices.DeleteFunc(steps, func(s plan.Step) bool { return s.Host != steps[0].Host })
}

// aside stops what runs, and renames what it has.
func (v view) aside(m inventory.Member, host facts.Host, why string) []plan.Step {
	var steps []plan.Step
	if host.Process != nil || host.Unit.Enabled == "enabled" ||
		host.Unit.Active == "activating" || host.Unit.Active == "active" {
		steps = append(steps, plan.Step{Kind: plan.StopMember, Host: m.Name, Unit: v.want.Cluster.UnitName, Why: why})
	}
	var paths []plan.Path
	if host.Data.WAL || slices.Contains(host.Data.Entries, "member") {
		paths = append(paths, plan.Path{Path: m.DataDir})
		if m.WALDir != "" {
			paths = append(paths, plan.Path{Path: m.WALDir})
		}
	}
	if _, marked := host.Files[v.birthPath()]; marked && !m.Absent { // else it goes with the rest
		paths = append(paths, plan.Path{Path: v.birthPath()})
	}
	if len(paths) > 0 {
		steps = append(steps, plan.Step{
			Kind: plan.MoveAside, Host: m.Name, Why: why + "; renamed, not deleted", Paths: paths,
		})
	}
	return steps
}

// promote gives a learner its vote, when it has applied what the voters have.
func (v view) promote() (*plan.Stage, error) {
	var stage *plan.Stage
	v.Each(func(m inventory.Member, host facts.Host) {
		if stage == nil && !m.Absent && v.learns(m, host) {
			stage = v.promotion(m, host)
		}
	})
	return stage, nil
}

// promotion waits for a learner that learns to catch up, or gives it its vote. It is nil where fewer than the quorum of
// then would serve, the learner among them.
func (v view) promotion(m inventory.Member, host facts.Host) *plan.Stage {
	entry, _ := v.entry(m)
	voters, others := v.voting()
	after := len(voters) + 1
	quorum := after/2 + 1
	switch {
	case !v.caughtUp(host):
		return plan.SideBySide("let "+m.Name+" catch up", "it has no vote, so nothing rests on it", []plan.Step{{
			Kind: plan.AwaitLearner, Host: m.Name, Why: fmt.Sprintf("it is %d behind the others in raft's log", v.lag(host)),
		}})
	case len(others)+1 < quorum:
		return nil
	}
	return plan.SideBySide("promote "+m.Name,
		fmt.Sprintf("it has caught up; with it %d of %d voters serve, and a quorum is %d", len(others)+1, after, quorum),
		[]plan.Step{{
			Kind: plan.PromoteMember, Host: m.Name, Member: entry.ID, Through: v.through(m),
			Why: "it has applied what the voters have", Needs: &plan.Needs{Least: quorum - 1, Serve: others},
		}})
}

// join adds one member that is wanted as a learner. All voters have to serve: etcd asks for that too.
func (v view) join() (*plan.Stage, error) {
	m, ok := v.joiner()
	if !ok {
		return nil, nil
	}
	serve := v.Which(func(other inventory.Member, host facts.Host) bool { return v.votes(other) && v.stays(host) })
	if len(serve) < len(v.voters()) {
		return nil, nil
	}
	return plan.SideBySide("add "+m.Name+" as a learner",
		fmt.Sprintf("%d of %d voters serve; a learner has no vote", len(serve), len(serve)), []plan.Step{{
			Kind: plan.AddLearner, Host: m.Name, PeerURLs: []string{v.peerURL(m)}, Through: v.through(m),
			Why: "it is in the inventory, and not a member", Needs: &plan.Needs{Least: len(serve), Serve: serve},
		}}), nil
}

// joiner is the next member to be added; false: none, or one that is being added comes first.
func (v view) joiner() (next inventory.Member, found bool) {
	if !v.formed || v.seen.Members == nil ||
		slices.ContainsFunc(v.seen.Members, func(l facts.Listed) bool { return l.Learner || len(l.ClientURLs) == 0 }) {
		return inventory.Member{}, false
	}
	v.Each(func(m inventory.Member, host facts.Host) {
		if _, listed := v.entry(m); !found && !listed && !m.Absent && v.class(m, host) == ClassNeverStarted {
			next, found = m, true
		}
	})
	return next, found
}

// through is the member that is asked for a change of the list: the leader, since followers of 3.5 before 3.5.28 and of
// 3.6 before 3.6.6 pass none on where permissions are on; else another one that serves.
func (v view) through(m inventory.Member) string {
	if leader, ok := v.leader(); ok && leader.Name != m.Name {
		return leader.Name
	}
	return v.asked(m)
}

// rejoin is join where it comes before members restart: for a member that takes the place of a lost one, and as long as
// there are too few voters for one to be spared.
func (v view) rejoin() (*plan.Stage, error) {
	if m, ok := v.joiner(); !ok || !v.replaced(m) && len(v.voters()) > 2 {
		return nil, nil
	}
	return v.join()
}

// Joining are the members that a run is about to add to a cluster that is, in the order of the inventory.
func Joining(w Want, s facts.Snapshot) []string {
	v := newView(w, s)
	if !v.formed || v.seen.Members == nil {
		return nil
	}
	return v.joining()
}

// joins says whether a member is about to be added.
func (v view) joins(name string) bool { return slices.Contains(v.joining(), name) }

// Moving are the members that a run is about to restart at another address.
func Moving(w Want, s facts.Snapshot) []string {
	v := newView(w, s)
	if !v.formed {
		return nil
	}
	return v.Which(func(m inventory.Member, host facts.Host) bool {
		entry, listed := v.entry(m)
		return listed && !v.knownAt(m, entry) && host.Data.WAL && host.Data.MemberID == entry.ID && !m.Absent
	})
}

func (v view) joining() []string {
	return v.Which(func(m inventory.Member, host facts.Host) bool {
		switch v.class(m, host) {
		case ClassNeverStarted:
			return !m.Absent
		case ClassRemoved, ClassWiped:
			return v.replaced(m)
		}
		return false
	})
}

// joinWaits: nobody is added before all voters are seen to serve, nor before its own host is seen.
func (v view) joinWaits() []plan.Wait {
	if !v.formed || v.seen.Members == nil {
		return nil
	}
	var found []plan.Wait
	m, ok := v.joiner()
	unseen := slices.DeleteFunc(v.Dark(), func(name string) bool { return !slices.Contains(v.voters(), name) })
	if ok && len(unseen) > 0 {
		found = append(found, plan.Wait{
			What: "adding " + m.Name, For: unseen, Why: "no member is added before every voter is seen to serve",
		})
	}
	v.Everyone(func(m inventory.Member, host facts.Host) {
		if _, listed := v.entry(m); host.Dark() && !listed && !m.Absent {
			found = append(found, plan.Wait{
				What: "adding " + m.Name, For: []string{m.Name}, Why: "its host has to be prepared first",
			})
		}
	})
	return found
}

// toCome are the members that are wanted, and are no voters yet, dark ones among them.
func (v view) toCome() []string {
	var names []string
	v.Everyone(func(m inventory.Member, _ facts.Host) {
		if entry, listed := v.entry(m); !m.Absent && (!listed || entry.Learner || len(entry.ClientURLs) == 0) {
			names = append(names, m.Name)
		}
	})
	return names
}

// leaveWaits: nobody that serves is taken out before all are voters that are to come, and their hosts may be dark.
func (v view) leaveWaits() []plan.Wait {
	var found []plan.Wait
	come := slices.DeleteFunc(v.toCome(), func(name string) bool { return !slices.Contains(v.Dark(), name) })
	v.Each(func(m inventory.Member, _ facts.Host) {
		if m.Absent && v.formed && v.seen.Members != nil && len(come) > 0 {
			found = append(found, plan.Wait{
				What: "taking out " + m.Name, For: come, Why: "members that are to come get their votes before others leave",
			})
		}
	})
	return found
}

// leave removes a member that serves, and is to leave: one at a time, and none as long as another one has yet to become
// a voter.
func (v view) leave() (*plan.Stage, error) {
	if !v.formed || len(v.toCome()) > 0 {
		return nil, nil
	}
	var first error
	for _, entry := range v.seen.Members {
		if m, ok := v.ofEntry(entry); !ok || !m.Absent || v.seen.Hosts[m.Name].Dark() {
			continue
		}
		stage, err := v.removal(entry, "it is to leave")
		if stage != nil {
			return stage, nil
		}
		first = cmp.Or(first, err)
	}
	return nil, first
}

// cleanWaits: hosts of members that have left, which cannot be looked at.
func (v view) cleanWaits() []plan.Wait {
	if v.seen.Members == nil {
		return nil
	}
	var found []plan.Wait
	v.leaving.Everyone(func(m inventory.Member, host facts.Host) {
		if host.Dark() && !v.stillMember(m) {
			found = append(found, plan.Wait{
				What: "cleaning the host of " + m.Name, For: []string{m.Name},
				Why: "it has left the cluster; if its machine is gone for good, run again with --accept=" + string(plan.Remove(m.Name)),
			})
		}
	})
	return found
}

// resettle makes members known at the addresses at which they listen already, such as one whose disk has come to
// another machine.
func (v view) resettle() (*plan.Stage, error) {
	var steps []plan.Step
	v.Each(func(m inventory.Member, host facts.Host) {
		if v.formed && host.Process != nil && !m.Absent && v.mustRestart(m, host) == nil {
			steps = append(steps, v.announce(m)...)
		}
	})
	if len(steps) == 0 {
		return nil, nil
	}
	return plan.SideBySide("make "+steps[0].Host+" known at its address", "it listens there", steps[:1]), nil
}

// clean takes away what a member that has left has had on its host. Its data is renamed.
func (v view) clean() (*plan.Stage, error) {
	var steps []plan.Step
	v.leaving.Each(func(m inventory.Member, host facts.Host) {
		if v.stillMember(m) || v.seen.Members == nil {
			return
		}
		steps = append(steps, v.aside(m, host, "it has left the cluster")...)
		var paths []plan.Path
		for _, name := range []string{UnitPath(v.want.Cluster), ConfigDir(v.want.Cluster)} {
			if _, ok := host.Files[name]; ok {
				paths = append(paths, plan.Path{Path: name})
			}
		}
		if len(paths) > 0 {
			steps = append(steps, plan.Step{
				Kind: plan.RemoveFiles, Host: m.Name, Unit: v.want.Cluster.UnitName, Paths: paths,
				Why: "unit, certificates, keys and marker; releases that no unit uses",
			})
		}
	})
	return plan.SideBySide("clean the hosts of members that have left", "the cluster does not list them", one(steps)), nil
}

// Left says which blocks of the inventory can be taken out, since their members have left.
func Left(w Want, s facts.Snapshot) []string { return newView(w, s).leftNotes() }

// memberNotes say what the inventory says for no reason any more, and that one member is left alone.
func (v view) memberNotes() []string {
	found := v.leftNotes()
	going := slices.ContainsFunc(v.List, func(m inventory.Member) bool { return m.Absent })
	if v.formed && going && len(v.want.Cluster.Present()) == 1 {
		found = append(found, "one member is left, so the cluster stops whenever that one does")
	}
	return found
}

func (v view) leftNotes() []string {
	if v.seen.Members == nil {
		return nil
	}
	var found []string
	v.leaving.Everyone(func(m inventory.Member, host facts.Host) {
		_, has := host.Files[ConfigDir(v.want.Cluster)]
		switch {
		case v.stillMember(m) || has:
		case host.Dark():
			found = append(found, m.Name+" has left the cluster, and its host cannot be looked at: its block can be taken out of "+
				"the inventory if the machine is gone for good; else an apply makes the host clean when it is back")
		default:
			found = append(found, m.Name+" has left the cluster, and its host is clean: its block can be taken out of the inventory")
		}
	})
	return found
}
