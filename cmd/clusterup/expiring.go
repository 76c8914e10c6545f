package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/plan/trust"
	"github.com/clusterup/clusterup/view"
)

// due is all about certificates that no apply does by itself.
func (s *session) due(rotations []trust.Rotation, seen facts.Snapshot) []view.Finding {
	var dark []string
	for _, m := range s.Cluster.Members {
		if seen.Hosts[m.Name].Unreachable != "" {
			dark = append(dark, m.Name)
		}
	}
	return slices.Concat(s.rotating(rotations, seen, dark), s.unsealed(seen), s.expiring(seen), s.refusedClients(seen))
}

// rotating are the rotations under way: those that an apply goes on with, and those that wait for somebody.
func (s *session) rotating(rotations []trust.Rotation, seen facts.Snapshot, dark []string) []view.Finding {
	var found []view.Finding
	for _, r := range rotations {
		f := view.Finding{
			Kind: "rotation", Text: fmt.Sprintf("the rotation of the %s CA, %d → %d, was not finished: %s", r.Role, r.From, r.To,
				view.Phase(r, dark)),
			Do: "clusterup apply",
		}
		if len(dark) > 0 {
			f.Do += ", when " + strings.Join(dark, " and ") + " can be looked at"
		}
		if r.Waits != "" {
			f.Text = fmt.Sprintf("the rotation of the %s CA, %d → %d, waits: %s", r.Role, r.From, r.To, r.Waits)
			f.Do = s.readied(r, seen) + fmt.Sprintf("clusterup rotate ca --%s %s", r.Role, s.file)
		}
		found = append(found, f)
	}
	return found
}

// unsealed is about keys that lie about otherwise than the inventory says, which no apply mends.
func (s *session) unsealed(seen facts.Snapshot) []view.Finding {
	if !seen.Operator.Unsealed {
		return nil
	}
	return []view.Finding{{
		Kind: "unsealed", Text: "the CA keys are not encrypted to the recipients in pki { seal_to }",
		Do: "clusterup pki reseal " + s.file,
	}}
}

// readied is how the clients get ready that a rotation of their CA would leave behind.
func (s *session) readied(r trust.Rotation, seen facts.Snapshot) string {
	for _, ca := range etcd.Trust(etcd.Want{Cluster: s.Cluster}, seen).Authorities() {
		if ca.Role != r.Role || ca.Generation != r.From || len(ca.Clients) == 0 {
			continue
		}
		text := fmt.Sprintf("clusterup cert issue %s %s --out DIR", ca.Clients[0], s.file)
		if others := ca.Clients[1:]; len(others) > 0 {
			text += ", and likewise for " + strings.Join(others, ", ")
		}
		return text + "; then "
	}
	return ""
}

// refusedClients are those that were left behind by a CA that was dropped.
func (s *session) refusedClients(seen facts.Snapshot) []view.Finding {
	var found []view.Finding
	good := newestClients(seen)
	for _, c := range leftBehind(s.Cluster, seen) {
		what := c.Name
		if slices.ContainsFunc(good, func(other facts.Client) bool { return other.Name == c.Name }) {
			what = c.Serial // and not one of before, which is good
		}
		found = append(found, view.Finding{
			Kind: "client", Text: fmt.Sprintf("client %s: its newest certificate is of client CA %d, which is retired", c.Name,
				c.Generation),
			Do: fmt.Sprintf("clusterup cert issue %s %s --out DIR; or, where nobody uses it, clusterup cert revoke %s %s",
				c.Name, s.file, what, s.file),
		})
	}
	return found
}

// expiring are certificates near their end that no apply renews: CAs from elsewhere, and those of clients.
func (s *session) expiring(seen facts.Snapshot) []view.Finding {
	var found []view.Finding
	early := max(s.Cluster.PKI.RenewBefore, s.Cluster.PKI.Lifetime)
	for _, ca := range seen.Operator.CAs {
		newest := !slices.ContainsFunc(seen.Operator.CAs, func(other facts.CA) bool {
			return other.Role == ca.Role && !other.Retired && other.Generation > ca.Generation
		})
		if ca.Given && !ca.Retired && newest && ca.NotAfter.Sub(seen.Taken) < early {
			found = append(found, view.Finding{
				Kind: "expiry", Text: fmt.Sprintf("%s CA %d ends on %s", ca.Role, ca.Generation, ca.NotAfter.Format(time.DateOnly)),
				Do: "get the next one from whoever runs it, name it in pki of the inventory, and apply",
			})
		}
	}
	for _, c := range newestClients(seen) {
		near, lifetime := s.Cluster.PKI.RenewBefore, c.NotAfter.Sub(c.NotBefore)
		if near >= lifetime { // of a client that has a lifetime of its own
			near = lifetime / 3
		}
		if counts(s.Cluster, c, seen.Taken) && c.NotAfter.Sub(seen.Taken) < near {
			found = append(found, view.Finding{
				Kind: "expiry", Text: fmt.Sprintf("the newest certificate of client %s ends on %s", c.Name,
					c.NotAfter.Format(time.DateOnly)),
				Do: fmt.Sprintf("clusterup cert issue %s %s --out DIR", c.Name, s.file),
			})
		}
	}
	return found
}

// counts says whether a client is one that certificates are to be had for: it has a block in the inventory, or its
// certificate has not ended.
func counts(c *inventory.Cluster, client facts.Client, now time.Time) bool {
	return hasBlock(c, client.Name) || now.Before(client.NotAfter)
}
