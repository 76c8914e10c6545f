package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
)

// showAuthorities ends the line about the cluster with its CAs; while one is rotated, each gets a line of its own, with who trusts it.
func (s *session) showAuthorities(total clusterStatus) {
	out := s.console.out
	if len(total.Rotations) == 0 {
		for _, ca := range total.CAs {
			_, _ = fmt.Fprintf(out, " %s CA %d: %s.", ca.Role, ca.Generation, days(ca.NotAfter, s.now())) // a reader that went away is noticed by the shell
		}
		_, _ = fmt.Fprintln(out)
	} else {
		_, _ = fmt.Fprintln(out)
		for _, ca := range total.CAs {
			_, _ = fmt.Fprintln(out, s.authority(ca, total.Members))
		}
	}
	for _, r := range total.Rotations {
		text := fmt.Sprintf("Rotation of the %s CA, %d → %d: phase %s", r.Role, r.From, r.To, r.Phase)
		if r.Back {
			text += ", back to the old one"
		}
		switch {
		case r.Waits != "":
			text += "; it waits: " + r.Waits
		default:
			text += "; clusterup apply goes on with it"
		}
		_, _ = fmt.Fprintln(out, text)
	}
	if len(total.Clients) > 0 {
		var clients []string
		for _, c := range total.Clients {
			clients = append(clients, fmt.Sprintf("%s %s", c.Name, days(c.NotAfter, s.now())))
		}
		_, _ = fmt.Fprintf(out, "Client certificates: %s.\n", strings.Join(clients, ", "))
	}
}

// authority is one CA in a line: "peer CA 2: 3649 days; trusted by etcd-1 alone; signs".
func (s *session) authority(ca caStatus, members int) string {
	text := fmt.Sprintf("%s CA %d: %s", ca.Role, ca.Generation, days(ca.NotAfter, s.now()))
	switch n := len(ca.TrustedBy); {
	case n == members:
		text += "; trusted by all members"
	case n == 0:
		text += "; trusted by no member"
	default:
		text += "; trusted by " + strings.Join(ca.TrustedBy, ", ") + " alone"
	}
	switch {
	case ca.Retired:
		text += "; retired"
	case ca.Signs:
		text += "; signs"
	}
	if n := len(ca.Leaves); n > 0 && n < members {
		text += "; in use by " + strings.Join(ca.Leaves, ", ")
	} else if n == members {
		text += "; in use by all members"
	}
	if len(ca.Clients) > 0 {
		text += "; of clients: " + strings.Join(ca.Clients, ", ")
	}
	return text
}

// newestClients are the client certificates that count: of each name the newest that is neither revoked nor of a CA that was
// dropped, sorted by name.
func newestClients(seen facts.Snapshot) []facts.Client {
	var found []facts.Client
	for _, c := range seen.Operator.Clients { // by name, then age
		dropped := slices.ContainsFunc(seen.Operator.CAs, func(ca facts.CA) bool {
			return ca.Role == "client" && ca.Generation == c.Generation && ca.Retired
		})
		if c.Revoked || dropped {
			continue
		}
		if i := slices.IndexFunc(found, func(other facts.Client) bool { return other.Name == c.Name }); i >= 0 {
			found[i] = c
			continue
		}
		found = append(found, c)
	}
	return found
}
