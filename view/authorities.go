package view

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan/trust"
)

// showAuthorities ends the line about the cluster with its CAs; while one is rotated, each gets a line of its own, with
// who trusts it.
func showAuthorities(out io.Writer, total clusterStatus, now time.Time) {
	if len(total.Rotations) == 0 {
		for _, ca := range total.CAs {
			fprintf(out, " %s CA %d: %s.", ca.Role, ca.Generation, days(ca.NotAfter, now))
		}
		fprintf(out, "\n")
	} else {
		fprintf(out, "\n")
		for _, ca := range total.CAs {
			fprintf(out, "%s\n", ca.line(total, now))
		}
	}
	for _, r := range total.Rotations {
		fprintf(out, "Rotation of the %s CA, %d → %d: %s\n", r.Role, r.From, r.To, progress(r, total))
	}
	if len(total.Clients) > 0 {
		var clients []string
		for _, c := range total.Clients {
			left := days(c.NotAfter, now)
			if c.Retired {
				left = fmt.Sprintf("of client CA %d, which is retired", c.Generation)
			}
			clients = append(clients, c.Name+" "+left)
		}
		fprintf(out, "Client certificates: %s.\n", strings.Join(clients, ", "))
	}
}

// progress is how far a rotation is, and what it waits for, or which command continues it.
func progress(r trust.Rotation, total clusterStatus) string {
	atHand := slices.ContainsFunc(total.CAs,
		func(ca caStatus) bool { return ca.Role == r.Role && ca.Generation == r.To && ca.signing })
	text := phase(r, total.dark)
	switch {
	case len(total.dark) > 0:
		return text + "; it waits for " + strings.Join(total.dark, " and ")
	case r.Waits != "" && r.Hold != "" && atHand:
		return fmt.Sprintf("paused after %s; next: %s; clusterup rotate ca --%s goes on with it", r.Hold, r.Phase, r.Role)
	case r.Waits != "":
		return text + "; it waits: " + r.Waits
	case len(total.Refusals) > 0 || total.Unplanned != "":
		return text + "; it waits, since there can be no apply for now"
	}
	return text + "; clusterup apply goes on with it"
}

// phase is where a rotation stands, as far as that is known while some hosts are not seen.
func phase(r trust.Rotation, dark []string) string {
	text := "phase " + r.Phase
	if r.Back {
		text += ", back to the old one"
	}
	if len(dark) > 0 {
		text += ", as far as hosts answer"
	}
	return text
}

// line is one CA in a line: "peer CA 2: 3649 days; trusted by etcd-1 alone; signs".
func (ca caStatus) line(total clusterStatus, now time.Time) string {
	members := total.holders
	text := fmt.Sprintf("%s CA %d: %s", ca.Role, ca.Generation, days(ca.NotAfter, now))
	unknown := slices.DeleteFunc(slices.Clone(total.dark),
		func(name string) bool { return slices.Contains(ca.TrustedBy, name) })
	switch n := len(ca.TrustedBy); {
	case n == members:
		text += "; trusted by all members"
	case n == 0 && len(unknown) == members:
		text += "; who trusts it is not known"
	case len(unknown) > 0:
		text += fmt.Sprintf("; trusted by %s; of %s it is not known",
			cmp.Or(strings.Join(ca.TrustedBy, " and "), "no other member"), strings.Join(unknown, " and "))
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

// clientStatuses are the newest certificates, by name.
func (l Look) clientStatuses() []clientStatus {
	behind := l.trust().Behind()
	good := slices.DeleteFunc(l.trust().Newest(), func(client facts.Client) bool {
		return slices.ContainsFunc(behind, func(other facts.Client) bool { return other.Name == client.Name })
	})
	var all []clientStatus
	for i, client := range slices.Concat(good, behind) {
		all = append(all, clientStatus{client.Name, client.Serial, client.Generation, client.NotAfter.UTC(), i >= len(good)})
	}
	slices.SortFunc(all, func(a, b clientStatus) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
