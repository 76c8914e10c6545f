package view

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/plan/trust"
)

// memberStatus is one member in the table, and one object with --json. A field that is not known is empty or zero, and
// Problem says why.
type memberStatus struct {
	Type      string     `json:"type"` // "member"
	Member    string     `json:"member"`
	Address   string     `json:"address"`
	OS        string     `json:"os,omitempty"`
	State     string     `json:"state"` // healthy, unhealthy, unknown, stopped, absent, unreachable
	Class     etcd.Class `json:"class"`
	Learner   bool       `json:"learner,omitempty"`  // listed without a vote
	Leaves    bool       `json:"to_leave,omitempty"` // the inventory says so
	Role      string     `json:"role,omitempty"`
	ID        facts.ID   `json:"id,omitempty"`
	ClusterID facts.ID   `json:"cluster_id,omitempty"`
	Version   string     `json:"version,omitempty"`
	Term      uint64     `json:"raft_term,omitempty"`
	Index     uint64     `json:"raft_index,omitempty"`
	Applied   uint64     `json:"raft_applied_index,omitempty"`
	DBSize    int64      `json:"db_size,omitempty"`
	DBInUse   int64      `json:"db_size_in_use,omitempty"`
	DBQuota   int64      `json:"db_quota,omitempty"`
	DataFree  int64      `json:"data_free,omitempty"` // bytes, on the file system of its data
	Behind    *uint64    `json:"behind,omitempty"`    // of a learner: entries of raft's log that it has yet to apply

	Vitals *facts.Vitals `json:"vitals,omitempty"`

	PID            int       `json:"pid,omitempty"`
	Certificate    time.Time `json:"certificate_expires,omitzero"` // the first of its leaves to end
	Alarms         []string  `json:"alarms,omitempty"`
	Problem        string    `json:"problem,omitempty"`
	PendingChanges []string  `json:"pending_changes,omitempty"`
	// where the host is dark, and another member can be asked
	Hearsay *facts.Hearsay `json:"cluster_says,omitempty"`

	unit string
	left bool // nothing of it is there any more
	port bool // only its client port was asked
}

// clusterStatus is the last object of status --json.
type clusterStatus struct {
	Type      string           `json:"type"` // "cluster"
	Cluster   string           `json:"cluster"`
	Members   int              `json:"members"` // those that are wanted, but for learners
	Healthy   int              `json:"healthy"` // of them
	Quorum    bool             `json:"quorum"`
	Unknown   int              `json:"unknown"`             // of them, those that could not be asked
	Unplanned string           `json:"unplanned,omitempty"` // why nobody knows what there is to do
	Unseen    []string         `json:"unseen,omitempty"`    // what was not looked at
	InSync    bool             `json:"in_sync"`             // all is as the inventory says
	CAs       []caStatus       `json:"cas"`
	Rotations []trust.Rotation `json:"rotations,omitempty"` // of CAs, that are under way
	Clients   []clientStatus   `json:"clients,omitempty"`   // the newest certificate of each name
	Refusals  []plan.Refusal   `json:"refusals,omitempty"`
	Waits     []plan.Wait      `json:"waits,omitempty"` // what is not done before dark hosts are seen
	Notes     []string         `json:"notes,omitempty"`
	Snapshot  *snapshotStatus  `json:"snapshot,omitempty"` // the newest

	Permissions *permissionStatus `json:"permissions,omitempty"` // nil: nobody wants any, and none are on
	Balancers   []balancerStatus  `json:"balancers,omitempty"`

	Nodes        int `json:"nodes,omitempty"`         // of balancers, that are wanted, and were to be looked at
	NodesHealthy int `json:"nodes_healthy,omitempty"` // of them

	beside  bool     // what is refused is of nodes alone
	dark    []string // members whose hosts could not be looked at
	holders int      // members that trust CAs, as far as they are known
}

type caStatus struct {
	Role       string    `json:"role"`
	Generation int       `json:"generation"`
	NotAfter   time.Time `json:"expires"`
	Signs      bool      `json:"signs,omitempty"`      // leaves, now
	Retired    bool      `json:"retired,omitempty"`    // and still trusted by a member, or in use
	Given      bool      `json:"given,omitempty"`      // not clusterup's own
	TrustedBy  []string  `json:"trusted_by,omitempty"` // members
	Leaves     []string  `json:"leaves,omitempty"`     // members with a certificate of it
	Clients    []string  `json:"clients,omitempty"`    // names whose newest certificate is of it

	signing bool // its key is at hand
}

type clientStatus struct {
	Name       string    `json:"name"`
	Serial     string    `json:"serial"`
	Generation int       `json:"generation"` // of the client CA
	NotAfter   time.Time `json:"expires"`
	Retired    bool      `json:"retired,omitempty"` // that CA is, so that members refuse it
}

// Look is one look at a cluster: status and check are made of it.
type Look struct {
	Want    etcd.Want // the cluster at least
	Seen    facts.Snapshot
	Plan    plan.Plan                // the stages before an error, where there was one
	Refused *plan.Refused            // nil: the plan was not refused
	Unknown error                    // why nobody knows what there is to do; nil: it is known
	Muted   error                    // why no member could be asked; nil: they were
	Unmute  string                   // what to do about that
	Heard   map[string]facts.Hearsay // by member, of those on dark hosts
	Vitals  map[string]facts.Vitals  // by member, of those that told; nil: nobody asked
	// Ports: the client ports alone were asked. Observer is the certificate with which members were asked, nil: one of
	// clusterup's own; Rights is what that may do.
	Ports    bool
	Observer *facts.ClientPair
	Rights   facts.Rights
	Versions map[string]string // that members run, by name, also of those that do not let an observer see how they are
	Now      time.Time
	Advice   Advice
	File     string // the inventory
}

func (l Look) trust() trust.State { return etcd.Trust(l.Want, l.Seen) }

// members are all members as they are.
func (l Look) members() []memberStatus {
	if l.Ports {
		return l.ported()
	}
	pending := map[string][]string{}
	for _, stage := range l.Plan.Stages {
		for _, step := range stage.Steps {
			if ofPermissions(step) || step.Pool != nil || onNode(step) {
				continue
			}
			pending[step.Host] = append(pending[step.Host], string(step.Kind)+": "+step.Why)
		}
	}
	cluster, alarms := l.Want.Cluster, etcd.Alarms(l.Want, l.Seen)
	all, behind := etcd.Members(l.Want, l.Seen), etcd.Behind(l.Want, l.Seen)
	members := make([]memberStatus, 0, len(all))
	for i, one := range all {
		if i >= len(cluster.Members) {
			members = append(members, unexpected(one))
			continue
		}
		m := cluster.Members[i]
		host := l.Seen.Hosts[m.Name]
		status := memberStatus{
			Type: "member", Member: m.Name, Address: m.Address, OS: host.OS, PendingChanges: pending[m.Name],
			unit: cluster.UnitName, Class: one.Class, Learner: one.Learner, Leaves: one.Absent, left: one.Left,
		}
		status.State, status.Problem = state(host)
		status.classed(one)
		if l.Muted != nil && host.Process != nil && host.Etcd == nil {
			status.State, status.Problem = "unknown", l.Muted.Error()
		}
		if host.Process != nil {
			status.PID = host.Process.PID
		}
		status.told(host, l.Vitals)
		if host.Etcd != nil {
			status.DBQuota = etcd.QuotaOf(host)
		}
		status.DataFree = host.Rooms["data"].Free
		if lag, learns := behind[m.Name]; learns {
			status.Behind = &lag
		}
		status.alarmed(alarms)
		if said, ok := l.Heard[m.Name]; ok {
			status.Hearsay = &said
		}
		members = append(members, status)
	}
	return members
}

// unexpected is a member that the inventory does not have, as far as the member list tells of it.
func unexpected(one etcd.Standing) memberStatus {
	status := memberStatus{
		Type: "member", Member: cmp.Or(one.Name, one.ID.String()), State: "unknown", Class: one.Class, Learner: one.Learner,
		ID: one.ID, Problem: meant[one.Class],
	}
	if one.Learner {
		status.Role = "learner"
	}
	for _, at := range one.PeerURLs {
		if u, err := url.Parse(at); err == nil {
			status.Address = u.Hostname()
		}
	}
	return status
}

// classed judges a member by how it stands: a learner serves no linearizable reads, and yet may be healthy; and one of
// whose class there is something to say is not.
func (m *memberStatus) classed(one etcd.Standing) {
	switch {
	case m.State == "unreachable" || m.State == "unknown":
	case one.Class == etcd.ClassHalfJoined && m.State == "healthy": // it is about to say where it serves
	case one.Class == etcd.ClassRunning && one.Learner && one.Ailment == "":
		m.State, m.Problem = "healthy", ""
	case one.Class == etcd.ClassRunning && one.Learner:
		m.State, m.Problem = "unhealthy", one.Ailment
	case meant[one.Class] != "" && m.State == "healthy":
		m.State, m.Problem = "unhealthy", meant[one.Class]
	case meant[one.Class] != "":
		m.Problem = meant[one.Class]
	}
}

// word is the state for people: for a member that runs how it does, else how it stands.
func (m memberStatus) word() string {
	word := m.State
	switch m.State {
	case "unreachable":
		if word = string(etcd.ClassDark); m.port {
			word = "no answer"
		}
	case "stopped", "absent":
		word = string(m.Class)
	case "unhealthy", "unknown":
		if meant[m.Class] != "" {
			word = string(m.Class)
		}
	}
	switch {
	case m.left:
		return "left"
	case m.Leaves:
		return word + ", to leave"
	}
	return word
}

// counts says whether a member is one of those that are wanted, and have a vote or are to get one at once.
func (m memberStatus) counts() bool {
	return !m.Leaves && !m.Learner && m.Class != etcd.ClassUnexpected
}

// voice says whether a listed member votes.
func (m memberStatus) voice() string {
	if m.Learner {
		return "as a learner, which has no vote"
	}
	return "with a vote"
}

func role(e facts.Status) string {
	switch {
	case e.Learner:
		return "learner"
	case e.Leader == e.MemberID && e.Leader != 0:
		return "leader"
	}
	return "follower"
}

// state puts a member into one word, and what is wrong with it into a sentence.
func state(host facts.Host) (word, problem string) {
	switch {
	case host.Unreachable != "":
		return "unreachable", host.Unreachable
	case host.Unasked != "":
		return "unknown", host.Unasked
	case host.Healthy():
		return "healthy", ""
	case host.Etcd != nil && len(host.Etcd.Errors) > 0:
		return "unhealthy", strings.Join(host.Etcd.Errors, ", ")
	case host.Etcd != nil && host.Etcd.Leader == 0:
		return "unhealthy", "knows no leader"
	case host.Etcd != nil:
		return "unhealthy", host.ReadError
	case host.Process != nil && host.Denied:
		return "unknown", "etcd's permissions are on, and refuse clusterup"
	case host.Process != nil:
		return "unhealthy", host.EtcdError
	case host.Unit.Load == "loaded" && host.Unit.Active == "failed":
		return "stopped", "the unit failed: " + host.Unit.Result
	case host.Unit.Load == "loaded":
		return "stopped", "the unit is " + host.Unit.Active
	}
	return "absent", ""
}

func (l Look) clusterStatus(members []memberStatus, nodes []nodeStatus) clusterStatus {
	total := clusterStatus{
		Type: "cluster", Cluster: l.Want.Cluster.Name,
		InSync: l.Plan.Empty() && l.Refused == nil && l.Unknown == nil && !l.Ports,
	}
	total.Members, total.Healthy, total.Unknown = counted(members)
	total.Nodes, total.NodesHealthy = countedNodes(nodes)
	total.dark = named(members, "unreachable")
	for _, m := range members {
		if !m.left && m.Class != etcd.ClassUnexpected {
			total.holders++
		}
	}
	for _, host := range l.Seen.Hosts {
		total.Quorum = total.Quorum || host.Reads // a linearizable read needs one
	}
	for _, ca := range l.trust().Authorities() {
		total.CAs = append(total.CAs, caStatus{
			ca.Role, ca.Generation, ca.NotAfter.UTC(), ca.Signs, ca.Retired, ca.Given, ca.TrustedBy, ca.Leaves, ca.Clients,
			ca.Signing,
		})
	}
	total.Rotations = l.trust().Rotations()
	said := etcd.Waiting(l.Want, l.Seen) // rotations, which have lines of their own
	total.Notes = slices.DeleteFunc(slices.Clone(l.Plan.Notes), func(note string) bool {
		return len(total.Rotations) > 0 && slices.Contains(said, note)
	})
	total.Clients, total.Snapshot, total.Permissions = l.clientStatuses(), l.newestSnapshot(), l.permissions()
	total.Balancers = l.balancers()
	if l.Refused != nil {
		total.Refusals, total.Waits, total.beside = l.Refused.Refusals, l.Refused.Waits, l.Refused.Beside
	}
	total.Notes = append(total.Notes, l.observerNotes()...)
	switch {
	case l.Ports:
		total.Unplanned, total.Unseen = notPlanned, l.unseen()
	case l.Unknown != nil:
		total.Unplanned = l.Unknown.Error()
	}
	return total
}

// counted are how many members are wanted with a vote, how many of them are healthy, and how many could not be asked.
func counted(members []memberStatus) (all, healthy, unknown int) {
	for _, m := range members {
		if !m.counts() {
			continue
		}
		all++
		switch m.State {
		case "healthy":
			healthy++
		case "unreachable", "unknown":
			unknown++
		}
	}
	return all, healthy, unknown
}

// ShowStatus shows every member, and the cluster that they are.
func (c *Console) ShowStatus(l Look) {
	members, nodes := l.members(), l.nodes()
	total := l.clusterStatus(members, nodes)
	if c.JSON {
		for _, m := range members {
			c.Object(m)
		}
		for _, n := range nodes {
			c.Object(n)
		}
		c.Object(total)
		return
	}
	out := c.Out
	table := c.Table("MEMBER", "ADDRESS", "STATE", "ROLE", "VERSION", "TERM", "INDEX", "APPLIED", "DB SIZE",
		"IN USE", "QUOTA LEFT", "DISK LEFT", "ALARMS",
		"CERTIFICATE", "DRIFT")
	for _, m := range members {
		table.Row(
			m.Member, m.Address, m.word(), cmp.Or(m.Role, "-"), cmp.Or(m.Version, "-"), number(m.Term), number(m.Index), number(m.Applied),
			size(m.DBSize), size(m.DBInUse), size(max(0, m.DBQuota-m.DBSize)), size(m.DataFree),
			cmp.Or(strings.Join(m.Alarms, ","), "-"), days(m.Certificate, l.Now), drift(m, total))
	}
	_ = table.End()
	for _, why := range reasons(members) {
		fprintf(out, "%s: %s\n", strings.Join(why.members, ", "), why.text)
	}
	said := slices.Clone(total.Notes)
	for _, r := range total.Refusals {
		said = append(said, r.Reason)
	}
	for _, m := range members {
		if m.ails(said) && !(meant[m.Class] != "" && total.refuses(m.Member)) {
			fprintf(out, "%s: %s\n", m.Member, strings.TrimPrefix(m.Problem, m.Member+": "))
		}
		if m.Hearsay != nil {
			fprintf(out, "%s: %s\n", m.Member, hearsayText(*m.Hearsay))
		}
		for _, change := range m.PendingChanges {
			fprintf(out, "%s: %s\n", m.Member, change)
		}
	}
	showVitals(out, members)
	c.showNodes(out, nodes, total, l.Now)
	const lost = "NO QUORUM"
	quorum := lost
	switch {
	case total.Quorum:
		quorum = "quorum"
	case total.Unknown > 0, slices.ContainsFunc(members, memberStatus.silent):
		quorum = "quorum not known"
	}
	fprintf(out, "\nCluster %s: %d of %d members healthy, %s.", total.Cluster, total.Healthy, total.Members, quorum)
	showAuthorities(out, total, l.Now)
	total.Permissions.show(out)
	for _, b := range total.Balancers {
		b.show(out)
	}
	if quorum == lost && (l.Ports || !etcd.Fresh(l.Want, l.Seen)) {
		fprintf(out, "no quorum: bring members back with their disks; if those are lost for good, clusterup recover INVENTORY "+
			"shows what is left (docs/disasters.md)\n")
	}
	if total.Snapshot != nil {
		fprintf(out, "%s\n", total.Snapshot.line(l.Now))
	}
	switch {
	case len(total.Unseen) > 0:
		fprintf(out, "%s\n", unseenText(total.Unseen))
	case total.Unplanned == "":
	case len(named(members, "unknown")) > 0: // their line has given the reason
		fprintf(out, "drift is not known either\n")
	default:
		fprintf(out, "drift is not known: %s\n", total.Unplanned)
	}
	for _, note := range total.Notes {
		fprintf(out, "note: %s\n", note)
	}
	for _, wait := range total.Waits {
		fprintf(out, "waits: %s\n", wait)
	}
	for _, r := range total.Refusals {
		if r.Kind != plan.Unreachable {
			fprintf(out, "%s  [%s]\n  → %s\n", r, r.Kind, r.Remedy)
		}
	}
}

// named are the members in a state.
func named(members []memberStatus, state string) []string {
	var names []string
	for _, m := range members {
		if m.State == state {
			names = append(names, m.Member)
		}
	}
	return names
}

// silent says whether a member runs and could not be asked: it may serve others.
func (m memberStatus) silent() bool { return m.PID != 0 && m.Version == "" }

// drift is how much of a member is not as the inventory says; nobody knows that where planning was refused.
func drift(m memberStatus, total clusterStatus) string {
	switch {
	case m.State == "unreachable" || total.refused() || total.Unplanned != "":
		return "?"
	case len(m.PendingChanges) == 0:
		return "none"
	}
	return Plural(len(m.PendingChanges), "change")
}

// refuses says whether a refusal speaks of a member already.
func (c clusterStatus) refuses(member string) bool {
	return slices.ContainsFunc(c.Refusals, func(r plan.Refusal) bool { return r.Host == member })
}

// refused says whether nothing is planned for another reason than dark hosts. Refused nodes keep nothing else back.
func (c clusterStatus) refused() bool {
	return !c.beside &&
		slices.ContainsFunc(c.Refusals, func(r plan.Refusal) bool { return r.Kind != plan.Unreachable })
}

func number(n uint64) string {
	if n == 0 {
		return "-"
	}
	return strconv.FormatUint(n, 10)
}

func size(n int64) string {
	if n == 0 {
		return "-"
	}
	return Size(n)
}

// days is how long a certificate has left.
func days(end, now time.Time) string {
	switch left := end.Sub(now); {
	case end.IsZero():
		return "-"
	case left < 0:
		return "EXPIRED"
	default:
		return Plural(int(left.Hours()/24), "day")
	}
}
