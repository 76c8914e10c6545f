package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/clusterup/clusterup/facts"
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
		if later && !v.rotating(role) && (v.held() || minor(v.low) != minor(v.high)) {
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

// clientNotes say which clients are concerned when the client CA is rotated, and when that is taken back.
func (v view) clientNotes() []string {
	live := v.live("client")
	if slices.Contains(v.want.Abort, "client") {
		return v.takenBackNotes(live)
	}
	begins := len(live) > 1 || v.want.Generation["client"] > v.newest("client") || v.seen.Operator.Replaced["client"] != ""
	late := len(live) > 1 && !v.needed(live[0]) // what it waits for says the rest
	if len(live) == 0 || v.hold("client") != "" || late || !begins {
		return nil
	}
	names := v.hanging(live[0])
	if len(names) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s: the newest certificate is of %s. Before the members have certificates of the next CA, clients have to trust that one too: "+
		"--pause-after=trust leaves the time to give them ca.pem anew. Before the old CA is dropped they need new certificates: that waits for them, unless --accept=old-clients.",
		listed("client", names), caName(live[0]))}
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
	for _, m := range v.want.Cluster.Members {
		host := v.seen.Hosts[m.Name]
		if host.Process == nil {
			continue
		}
		running++
		if leaf, ok := host.Leaves["server"]; v.want.Cluster.TLS.Clients && (!ok || !leaf.Intact || !v.within(leaf) || v.ended("client")) && host.Etcd == nil {
			ended++
		}
	}
	if running == 0 || ended < running || !v.formed {
		return nil
	}
	return []string{"no member can be asked, since none has a certificate for clients that is good: what is known of them is what their hosts say, " +
		"which are running processes, data directories and birth markers. They are asked as soon as they have new certificates."}
}
