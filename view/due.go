package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/plan/trust"
)

// due are the findings about rotations, CA keys and certificates; dark are the members whose hosts could not be looked
// at.
func (l Look) due(dark []string) []Finding {
	t := l.trust()
	return slices.Concat(l.rotating(t, dark), l.unsealed(), l.expiring(t), l.refusedClients(t))
}

// rotating are the rotations under way: those that an apply goes on with, and those that wait for somebody.
func (l Look) rotating(t trust.State, dark []string) []Finding {
	var found []Finding
	for _, r := range t.Rotations() {
		f := Finding{
			Kind: "rotation",
			Text: fmt.Sprintf("the rotation of the %s CA, %d → %d, was not finished: %s", r.Role, r.From, r.To, phase(r, dark)),
			Do:   "clusterup apply",
		}
		if len(dark) > 0 {
			f.Do += ", when " + strings.Join(dark, " and ") + " can be looked at"
		}
		if r.Waits != "" {
			f.Text = fmt.Sprintf("the rotation of the %s CA, %d → %d, waits: %s", r.Role, r.From, r.To, r.Waits)
			f.Do = l.readied(t, r) + fmt.Sprintf("clusterup rotate ca --%s %s", r.Role, l.File)
		}
		found = append(found, f)
	}
	return found
}

// readied is the beginning of a remedy: the command that gives new certificates to the clients that the rotation would
// leave behind. It is empty if there are none.
func (l Look) readied(t trust.State, r trust.Rotation) string {
	for _, ca := range t.Authorities() {
		if ca.Role != r.Role || ca.Generation != r.From || len(ca.Clients) == 0 {
			continue
		}
		text := l.issue(ca.Clients[0])
		if others := ca.Clients[1:]; len(others) > 0 {
			text += ", and likewise for " + strings.Join(others, ", ")
		}
		return text + "; then "
	}
	return ""
}

// issue is the command that gives a client another certificate. Followers on nodes get theirs from apply.
func (l Look) issue(client string) string {
	if l.nodeOf(client) != "" {
		return "clusterup apply " + l.File
	}
	if client == etcd.Observer {
		client = "--observer"
	}
	return fmt.Sprintf("clusterup cert issue %s %s --out DIR --renew", client, l.File)
}

// unsealed is the finding that CA keys are not sealed as the inventory says. No apply mends that.
func (l Look) unsealed() []Finding {
	if !l.Seen.Operator.Unsealed {
		return nil
	}
	return []Finding{{
		Kind: "unsealed", Text: "the CA keys are not encrypted to the recipients in pki { seal_to }",
		Do: "clusterup pki reseal " + l.File,
	}}
}

// expiring are certificates near their end that no apply renews.
func (l Look) expiring(t trust.State) []Finding {
	var found []Finding
	cas, clients := t.Expiring()
	for _, ca := range cas {
		found = append(found, Finding{
			Kind: "expiry", Text: fmt.Sprintf("%s CA %d ends on %s", ca.Role, ca.Generation, ca.NotAfter.Format(time.DateOnly)),
			Do: "get the next one from whoever runs it, name it in pki of the inventory, and apply",
		})
	}
	for _, c := range clients {
		found = append(found, Finding{
			Kind: "expiry", Text: fmt.Sprintf("the newest certificate of client %s ends on %s", c.Name,
				c.NotAfter.Format(time.DateOnly)),
			Do: l.issue(c.Name),
		})
	}
	return found
}

// refusedClients are the clients that a dropped CA has left behind: members refuse their newest certificate.
func (l Look) refusedClients(t trust.State) []Finding {
	var found []Finding
	good := t.Newest()
	for _, c := range t.Behind() {
		what := c.Name
		if slices.ContainsFunc(good, func(other facts.Client) bool { return other.Name == c.Name }) {
			what = c.Serial // the name would revoke its good certificate, too
		}
		found = append(found, Finding{
			Kind: "client", Text: fmt.Sprintf("client %s: its newest certificate is of client CA %d, which is retired", c.Name,
				c.Generation),
			Do: fmt.Sprintf("%s; or, where nobody uses it, clusterup cert revoke %s %s", l.issue(c.Name), what, l.File),
		})
	}
	return found
}
