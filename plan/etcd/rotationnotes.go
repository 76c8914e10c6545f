package etcd

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/version"
)

// Waiting says what is left to somebody's word where nothing is left to do: a member that is held, a rotation that waits.
func Waiting(w Want, s facts.Snapshot) []string {
	var notes []string
	if held := Holding(w, s); held != "" {
		notes = append(notes, held)
	}
	for _, r := range Rotations(w, s) {
		if r.Waits != "" {
			notes = append(notes, fmt.Sprintf("the rotation of the %s CA, %d → %d, waits: %s", r.Role, r.From, r.To, r.Waits))
		}
	}
	v := newView(w, s)
	for _, role := range caRoles {
		later := w.Generation[role] > v.newest(role) || v.due(role) != "" && v.formed
		if later && !v.rotating(role) && (v.held() || version.Minor(v.low) != version.Minor(v.high)) {
			notes = append(notes, fmt.Sprintf("the %s CA is rotated when all members are of one minor version", role))
		}
	}
	for _, role := range w.Abort {
		if again := cmp.Or(s.Operator.Replaced[role], v.due(role)); again != "" && !v.rotating(role) {
			notes = append(notes, fmt.Sprintf("the next apply begins another rotation of the %s CA: %s", role, again))
		}
	}
	return notes
}

// operatorNotes are about the operator directory, and about wishes that come to nothing.
func (v view) operatorNotes() []string {
	var found []string
	if v.seen.Operator.Unsealed {
		found = append(found, "the keys of the CAs are not encrypted to those whom pki { seal_to } names: clusterup pki reseal mends that")
	}
	if len(v.want.Abort) > 0 && !slices.ContainsFunc(v.want.Abort, v.rotating) {
		found = append(found, "no rotation is under way that could be taken back")
	}
	return found
}

// clientNotes say which clients are concerned when the client CA is rotated, and when that is taken back.
func (v view) clientNotes() []string {
	live := v.live("client")
	if v.goesBack("client") {
		return v.takenBackNotes(live)
	}
	begins := len(live) > 1 || v.want.Generation["client"] > v.newest("client") || v.seen.Operator.Replaced["client"] != ""
	if len(live) == 0 || v.hold("client") == HoldTrust || !begins {
		return nil
	}
	names := v.hanging(live[0])
	late := len(live) > 1 && !v.needed(live[0])
	switch {
	case len(names) == 0:
		return nil
	case late && v.want.accepts(plan.OldClients) && v.hold("client") == "":
		return []string{fmt.Sprintf("%s: the newest certificate is of %s, and is refused by every member when that CA is dropped (--accept=%s)",
			listed("client", names), caName(live[0]), plan.OldClients)}
	case late: // what it waits for says the rest
		return nil
	}
	return []string{fmt.Sprintf("%s: the newest certificate is of %s. Who does not trust the next CA by the time that members have certificates of it is cut off: "+
		"--pause-after=trust leaves the time to give clients ca.pem anew. Before the old CA is dropped they need new certificates: that waits for them, unless --accept=%s.",
		listed("client", names), caName(live[0]), plan.OldClients)}
}

// takenBackNotes are about clients that were quick to take a certificate of the new CA.
func (v view) takenBackNotes(live []facts.CA) []string {
	var found []string
	for _, ca := range live[min(1, len(live)):] {
		if names := v.hanging(ca); len(names) > 0 {
			found = append(found, fmt.Sprintf("%s: the newest certificate is of %s, which is taken back: without another, issued after that, the members refuse it",
				listed("client", names), caName(ca)))
		}
	}
	return found
}

// relianceNotes say what is relied on when the members cannot be asked since no certificate is good any more.
func (v view) relianceNotes() []string {
	ended, running := 0, 0
	v.Each(func(_ inventory.Member, host facts.Host) {
		if host.Process == nil {
			return
		}
		running++
		if leaf, ok := host.Leaves["server"]; v.want.Cluster.TLS.Clients && (!ok || !leaf.Intact || !v.within(leaf) || v.ended("client")) && host.Etcd == nil {
			ended++
		}
	})
	if running == 0 || ended < running || !v.formed {
		return nil
	}
	return []string{"no member can be asked, since none has a certificate for clients that is good: what is known of them is what their hosts say, " +
		"which are running processes, data directories and birth markers. They are asked as soon as they have new certificates."}
}
