package view

import (
	"slices"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan/etcd"
)

// unseen is what a look at client ports alone does not see, and unseenText says it.
func (l Look) unseen() []string {
	all := []string{"hosts", "drift", "leaves", "snapshots"}
	if len(l.Want.Cluster.Nodes()) > 0 {
		all = append(all, "nodes")
	}
	return all
}

func unseenText(unseen []string) string {
	nodes := ""
	if slices.Contains(unseen, "nodes") {
		nodes = ", nodes of balancers"
	}
	return "not looked at (--no-ssh): hosts" + nodes + ", what differs from the inventory, certificates on disks, snapshots"
}

// notPlanned is why nobody knows what there is to do after such a look.
const notPlanned = "hosts were not looked at (--no-ssh)"

// ported are all members by what their client ports have shown.
func (l Look) ported() []memberStatus {
	address, alarms := map[string]string{}, etcd.Alarms(l.Want, l.Seen)
	for _, m := range l.Want.Cluster.Members {
		address[m.Name] = m.Address
	}
	var members []memberStatus
	for _, one := range etcd.Ported(l.Want, l.Seen) {
		if one.Class == etcd.ClassUnexpected {
			members = append(members, unexpected(one))
			continue
		}
		host := l.Seen.Hosts[one.Name]
		status := memberStatus{
			Type: "member", Member: one.Name, Address: address[one.Name], Class: one.Class, Learner: one.Learner, port: true,
		}
		status.State, status.Problem = state(host)
		status.classed(one)
		status.told(host, l.Vitals)
		status.alarmed(alarms)
		members = append(members, status)
	}
	return members
}

// told fills in what a member says of itself, and when its first certificate ends.
func (m *memberStatus) told(host facts.Host, vitals map[string]facts.Vitals) {
	for _, leaf := range host.Leaves {
		if m.Certificate.IsZero() || leaf.NotAfter.Before(m.Certificate) {
			m.Certificate = leaf.NotAfter
		}
	}
	if e := host.Etcd; e != nil {
		m.ID, m.ClusterID, m.Version, m.Term = e.MemberID, e.ClusterID, e.Version, e.Term
		m.Index, m.Applied, m.DBSize, m.DBInUse = e.Index, e.Applied, e.DBSize, e.DBInUse
		m.Role = role(*e)
	}
	if told, asked := vitals[m.Member]; asked {
		m.Vitals = &told
	}
	if m.Learner {
		m.Role = "learner"
	}
}

// shownEnding are the certificates near their end that client ports have shown. Where hosts are looked at, the plan
// renews them.
func (l Look) shownEnding() []Finding {
	var found []Finding
	certificates := l.trust()
	for _, m := range l.Want.Cluster.Members {
		leaf, shown := l.Seen.Hosts[m.Name].Leaves["server"]
		if !shown || !certificates.LeafEnds(leaf) {
			continue
		}
		verb := "ends"
		if !l.Seen.Taken.Before(leaf.NotAfter) {
			verb = "ended"
		}
		found = append(found, Finding{
			Kind: "expiry", Host: m.Name,
			Text: "the certificate that its client port shows " + verb + " on " + leaf.NotAfter.Format(time.DateOnly),
			Do:   "clusterup apply " + l.File + " renews it, where the keys of the CAs are",
		})
	}
	return found
}

// observerNotes say what the observer's certificate, with which members were asked, can do beyond looking.
func (l Look) observerNotes() []string {
	if l.Observer == nil {
		return nil
	}
	notes := etcd.ObserverNotes(l.Rights, l.Versions)
	if auth := l.Seen.Auth; l.Want.Cluster.Auth != nil && !l.Ports && auth != nil && auth.Enabled && !auth.Listed {
		notes = append(notes, "users and roles are not compared with the inventory: etcd shows them to root alone")
	}
	return notes
}

// observing is when the observer's certificate ends, as far as the operator directory does not tell it already, and the
// finding that it does so soon.
func (l Look) observing() (ends []expiry, found []Finding) {
	o := l.Observer
	same := func(c facts.Client) bool { return c.Serial == o.Serial }
	if o == nil || slices.ContainsFunc(l.Seen.Operator.Clients, same) {
		return nil, nil
	}
	ends = []expiry{{Client: etcd.Observer, Role: "client", NotAfter: o.NotAfter}}
	if l.trust().ClientEnds(*o) {
		found = []Finding{{
			Kind: "expiry", Text: "the observer's certificate ends on " + o.NotAfter.Format(time.DateOnly),
			Do: l.issue(etcd.Observer) + ", where the keys of the CAs are",
		}}
	}
	return ends, found
}
