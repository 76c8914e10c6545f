package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/plan/trust"
)

// Finding is one thing that wants doing.
type Finding struct {
	Type string `json:"type"` // "finding"
	Kind string `json:"kind"` // one of findingKinds
	Host string `json:"host,omitempty"`
	Text string `json:"text"`
	Do   string `json:"do,omitempty"`

	Balancer string `json:"balancer,omitempty"` // of what is about the host as a node: whose

	Behind  *uint64        `json:"behind,omitempty"`       // of a learner: how many entries it has left to apply
	Hearsay *facts.Hearsay `json:"cluster_says,omitempty"` // of a member whose host is dark
}

// findingKinds are all kinds of findings.
var findingKinds = []string{
	"unreachable", "waits", "unhealthy", "unknown", "alarm", "space", "quota", "slow-disk", "elections", "source",
	"learner", "unexpected", "drift",
	"backends", "permissions", "refused", "unplanned", "rotation", "unsealed", "expiry", "client", "package", "snapshot",
}

// expiry is when a certificate ends.
type expiry struct {
	Type       string    `json:"type"`             // "certificate"
	Host       string    `json:"host,omitempty"`   // empty: a CA of the operator directory, or a client's
	Client     string    `json:"client,omitempty"` // its name
	Role       string    `json:"role"`             // peer, server, client; of a CA: peer, client
	Generation int       `json:"generation,omitempty"`
	CA         bool      `json:"ca,omitempty"`
	NotAfter   time.Time `json:"expires"`
	Days       int       `json:"days"` // whole days left, negative when it has ended
}

func (e expiry) String() string {
	switch {
	case e.CA:
		return fmt.Sprintf("%s CA %d", e.Role, e.Generation)
	case e.Client != "":
		return "client " + e.Client
	}
	return e.Host + " " + e.Role
}

// Checked is the last object of check --json.
type Checked struct {
	Type      string           `json:"type"` // "check"
	Cluster   string           `json:"cluster"`
	OK        bool             `json:"ok"`
	Members   int              `json:"members"`             // those that are wanted, but for learners
	Healthy   int              `json:"healthy"`             // of them
	Unknown   int              `json:"unknown"`             // of them, those that could not be asked
	Steps     int              `json:"steps"`               // that an apply would do
	Days      int              `json:"days"`                // until the first certificate ends
	First     string           `json:"first,omitempty"`     // that certificate
	Time      time.Time        `json:"time"`                // when it was looked at
	Rotations []trust.Rotation `json:"rotations,omitempty"` // of CAs, that are under way
	Notes     []string         `json:"notes,omitempty"`     // what is worth knowing, and is no finding
	Snapshot  *snapshotStatus  `json:"snapshot,omitempty"`  // the newest
	Unseen    []string         `json:"unseen,omitempty"`    // what was not looked at
	Findings  []Finding        `json:"findings,omitempty"`
	Expiries  []expiry         `json:"certificates,omitempty"`

	Nodes        int `json:"nodes,omitempty"` // as in clusterStatus
	NodesHealthy int `json:"nodes_healthy,omitempty"`

	members []memberStatus
	nodes   []nodeStatus
}

// Check is what a check finds.
func (l Look) Check() Checked {
	cluster, seen := l.Want.Cluster, l.Seen
	result := Checked{
		Type: "check", Cluster: cluster.Name, Time: seen.Taken.UTC(), Expiries: l.expiries(), Notes: l.checkNotes(),
	}
	find := func(kind, host, text, do string) {
		result.Findings = append(result.Findings, Finding{Type: "finding", Kind: kind, Host: host, Text: text, Do: do})
	}
	if l.Ports {
		result.Unseen = l.unseen()
	}
	members, unborn := l.members(), l.unborn()
	result.members, result.nodes = members, l.nodes()
	result.Nodes, result.NodesHealthy = countedNodes(result.nodes)
	result.Members, result.Healthy, result.Unknown = counted(members)
	var silent []string
	var why string
	alarms := etcd.Alarms(l.Want, seen)
	for _, m := range members {
		switch {
		case m.State == "healthy", m.left:
		case m.Class == etcd.ClassUnexpected && l.refusedFor(m.ID.String()): // which says it
		case m.Class == etcd.ClassUnexpected:
			find("unexpected", m.Member, m.Problem+", "+m.voice(), "put it into "+l.File+
				", with state = \"absent\" if it is to go; or, if its machine is gone for good: clusterup member remove "+
				m.Member+" "+l.File)
		case m.State == "unreachable":
			do := l.Advice.remedy(seen.Hosts[m.Member].Err)
			if l.Ports {
				do = "without --no-ssh, clusterup check " + l.File + " looks at its host, too"
			}
			find("unreachable", m.Member, strings.TrimPrefix(m.Problem, m.Member+": "), do)
		case m.State == "unknown":
			if host := seen.Hosts[m.Member]; host.Unasked != "" {
				find("unknown", m.Member, m.Problem, l.Advice.remedy(host.Err))
			} else {
				silent, why = append(silent, m.Member), m.Problem
			}
		case unborn && m.State == "absent": // said of the cluster
		case len(m.Alarms) > 0 && !m.ails(textsOf(alarms)): // said of the alarm
		default:
			find("unhealthy", m.Member, strings.TrimSuffix(m.word()+": "+m.Problem, ": "), m.cure(l.Refused))
		}
	}
	if len(silent) > 0 {
		find("unknown", "", strings.Join(silent, ", ")+" could not be asked: "+why, l.Unmute)
	}
	result.Findings = append(result.Findings, l.nodeFindings(result.nodes, members)...)
	for _, m := range cluster.Members {
		if taken, do := etcd.Endangered(cluster, m, seen.Hosts[m.Name]); taken != "" {
			find("package", m.Name, taken, do)
		}
	}
	for _, alarm := range alarms {
		find("alarm", "", alarm.Text, alarm.Remedy)
	}
	for _, c := range append(l.concerns(members), etcd.Ailing(l.Want, seen, l.Vitals)...) {
		find(c.Kind, c.Host, c.Text, c.Do)
		result.Findings[len(result.Findings)-1].Behind = c.Behind
	}
	if l.Refused != nil {
		for _, wait := range l.Refused.Waits {
			find("waits", "", wait.String(), "")
		}
		for _, r := range l.Refused.Refusals {
			if r.Kind != plan.Unreachable && r.Kind != plan.Alarmed { // the alarm is a finding already
				find("refused", r.Host, r.Reason, r.Remedy)
				if l.Refused.Beside {
					result.Findings[len(result.Findings)-1].Balancer = l.balancerOf(r.Host)
				}
			}
		}
	}
	result.Rotations = l.trust().Rotations()
	for _, stage := range l.Plan.Stages {
		result.Steps += len(stage.Steps)
	}
	if unborn {
		find("drift", "", fmt.Sprintf("there is no cluster %s yet", cluster.Name), "clusterup apply makes it")
	} else {
		for _, step := range l.trust().Drift(l.Plan) {
			result.Findings = append(result.Findings, l.drifted(step))
		}
	}
	for _, b := range l.balancers() {
		if b.Problem != "" && l.Seen.PoolErrors[b.Name] != "" {
			find("backends", "", "the servers of "+b.Name+" are not known: "+b.Problem,
				"clusterup backend list "+b.Name+" "+l.File)
		}
		for _, name := range b.Unreadable {
			find("backends", "", "the key of the server "+name+" of "+b.Name+" is not readable",
				"clusterup backend list "+b.Name+" "+l.File+" says why; clusterup backend remove, or ready, drain or maint, mends it")
		}
	}
	result.Findings = append(result.Findings, l.strays()...)
	for _, e := range result.Expiries {
		if result.First == "" || e.Days < result.Days {
			result.First, result.Days = e.String(), e.Days
		}
	}
	result.Snapshot = l.newestSnapshot()
	for _, f := range l.dueSoon(named(members, "unreachable")) {
		find(f.Kind, f.Host, f.Text, f.Do)
	}
	if blocking(l.Refused) != nil {
		unappliable(result.Findings)
	}
	for i, f := range result.Findings {
		if of, ok := l.Heard[f.Host]; ok && (f.Kind == "unreachable" || f.Kind == "unknown") {
			result.Findings[i].Text += "; " + hearsayText(of)
			result.Findings[i].Hearsay = &of
		}
	}
	if l.Unknown != nil {
		text := "drift is not known: " + l.Unknown.Error()
		// the finding "unknown" gives the reason
		if slices.ContainsFunc(result.Findings, func(f Finding) bool { return f.Kind == "unknown" }) {
			text = "drift is not known either"
		}
		find("unplanned", "", text, "")
	}
	result.OK = len(result.Findings) == 0
	return result
}

// refusedFor says whether a refusal names something.
func (l Look) refusedFor(what string) bool {
	return l.Refused != nil && slices.ContainsFunc(l.Refused.Refusals, func(r plan.Refusal) bool {
		return strings.Contains(r.Reason, what)
	})
}

// unborn says whether every host was looked at, and none has anything of the cluster.
func (l Look) unborn() bool {
	if l.Ports {
		return false
	}
	for _, m := range l.Want.Cluster.Members {
		if host := l.Seen.Hosts[m.Name]; host.Name == "" || host.Unreachable != "" {
			return false
		}
	}
	return etcd.Fresh(l.Want, l.Seen)
}

// checkNotes are worth knowing, and no findings.
func (l Look) checkNotes() []string {
	if l.Ports {
		return l.observerNotes()
	}
	return slices.Concat(etcd.Left(l.Want, l.Seen), l.trust().GatewayNotes(), l.observerNotes())
}

// concerns are about members, as far as that was looked at.
func (l Look) concerns(members []memberStatus) []etcd.Concern {
	if !l.Ports {
		return etcd.Concerns(l.Want, l.Seen)
	}
	var found []etcd.Concern
	for _, m := range members {
		if m.Learner && m.Class == etcd.ClassRunning {
			found = append(found, etcd.Concern{
				Host: m.Member, Kind: "learner", Text: "it is a learner, which has no vote",
				Do: "clusterup apply " + l.File + " gives it its vote when it has caught up",
			})
		}
	}
	return found
}

// dueSoon are the findings about what ends or grows old; dark are the members whose hosts could not be looked at.
func (l Look) dueSoon(dark []string) []Finding {
	_, observing := l.observing()
	if l.Ports {
		return append(l.shownEnding(), observing...)
	}
	return slices.Concat(l.due(dark), l.snapshotDue(), observing)
}

// expiries are the ends of all certificates, hosts first.
func (l Look) expiries() []expiry {
	seen, certificates := l.Seen, l.trust()
	var all []expiry
	add := func(e expiry, end time.Time) {
		e.Type, e.NotAfter, e.Days = "certificate", end.UTC(), int(end.Sub(seen.Taken)/(24*time.Hour))
		if end.Before(seen.Taken) {
			e.Days--
		}
		all = append(all, e)
	}
	for _, m := range l.Want.Cluster.Members {
		for _, role := range []string{"peer", "server"} {
			if leaf, ok := seen.Hosts[m.Name].Leaves[role]; ok && !leaf.NotAfter.IsZero() {
				add(expiry{Host: m.Name, Role: role}, leaf.NotAfter)
			}
		}
	}
	for _, ca := range seen.Operator.CAs {
		if !ca.Retired {
			add(expiry{Role: ca.Role, Generation: ca.Generation, CA: true}, ca.NotAfter)
		}
	}
	for _, client := range certificates.Newest() {
		if certificates.Used(client) {
			add(expiry{Client: client.Name, Role: "client", Generation: client.Generation}, client.NotAfter)
		}
	}
	ends, _ := l.observing()
	for _, e := range ends {
		add(e, e.NotAfter)
	}
	return all
}

// ShowCheck shows what a check has found.
func (c *Console) ShowCheck(result Checked) {
	if c.JSON {
		for _, f := range result.Findings {
			c.Object(f)
		}
		for _, e := range result.Expiries {
			c.Object(e)
		}
		result.Findings, result.Expiries = nil, nil // each had a line of its own
		c.Object(result)
		return
	}
	out := c.Out
	for _, f := range result.Findings {
		if f.Host != "" {
			fprintf(out, "%s: ", f.Host)
		}
		fprintf(out, "%s  [%s]\n", f.Text, f.Kind)
		if f.Do != "" {
			fprintf(out, "  → %s\n", f.Do)
		}
	}
	for _, note := range result.Notes {
		fprintf(out, "note: %s\n", note)
	}
	if len(result.Unseen) > 0 {
		fprintf(out, "%s\n", unseenText(result.Unseen))
	}
	verdict := "all is well"
	if !result.OK {
		verdict = Plural(len(result.Findings), "finding")
	}
	fprintf(out, "Cluster %s: %s; %d of %d members healthy", result.Cluster, verdict, result.Healthy, result.Members)
	if result.Unknown > 0 {
		fprintf(out, ", %d not known", result.Unknown)
	}
	fprintf(out, "%s", nodesText(result.Nodes, result.NodesHealthy))
	if result.First != "" {
		fprintf(out, "; the first certificate to end is that of %s, in %s", result.First, Plural(result.Days, "day"))
	}
	fprintf(out, ".\n")
}
