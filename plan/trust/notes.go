package trust

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// Waiting says which rotations wait for somebody's word, or for something else to end.
func (s State) Waiting() []string {
	var notes []string
	for _, r := range s.Rotations() {
		if r.Waits != "" {
			notes = append(notes, fmt.Sprintf("the rotation of the %s CA, %d → %d, waits: %s", r.Role, r.From, r.To, r.Waits))
		}
	}
	for _, role := range Roles {
		later := s.Wish.Generation[role] > s.newest(role) || s.due(role) != "" && s.Formed
		if later && !s.Rotating(role) && (s.Held || s.Mixed) {
			notes = append(notes, fmt.Sprintf("the %s CA is rotated when all members are of one minor version", role))
		}
	}
	for _, role := range s.Wish.Abort {
		if again := cmp.Or(s.Seen.Operator.Replaced[role], s.due(role)); again != "" && !s.Rotating(role) {
			notes = append(notes, fmt.Sprintf("the next apply begins another rotation of the %s CA: %s", role, again))
		}
	}
	return notes
}

// Notes are findings about trust that stop nothing.
func (s State) Notes() []string {
	return slices.Concat(s.operatorNotes(), s.clientNotes(), s.relianceNotes(), s.GatewayNotes())
}

// GatewayNotes say which members still have a server certificate of before, with a common name, where clients use
// etcd's HTTP gateway: see [facts.Whose]. No leaf is exchanged for that alone.
func (s State) GatewayNotes() []string {
	name := ""
	members := s.Which(func(_ string, host facts.Host) bool {
		cn := host.Leaves["server"].CN
		name = cmp.Or(name, cn)
		return cn != ""
	})
	if len(s.Gateway) == 0 || len(members) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the server certificate of %s still has a common name (%s), and a request to the HTTP gateway "+
		"that names no user may act as one of that name: call no user of etcd so until it is exchanged, "+
		"which clusterup rotate certs does now, and else an apply when it is due", plan.Enumerate(members), name)}
}

// operatorNotes are about the operator directory, and about wishes that come to nothing.
func (s State) operatorNotes() []string {
	var found []string
	if s.Seen.Operator.Unsealed {
		found = append(found,
			"the CA keys are not encrypted to the recipients in pki { seal_to }: clusterup pki reseal mends that")
	}
	if len(s.Wish.Abort) > 0 && !slices.ContainsFunc(s.Wish.Abort, s.Rotating) {
		found = append(found, "no rotation is under way that could be taken back")
	}
	return found
}

// clientNotes say which clients are concerned when the client CA is rotated, and when that is taken back.
func (s State) clientNotes() []string {
	live := s.Live("client")
	if s.goesBack("client") {
		return s.takenBackNotes(live)
	}
	begins := len(live) > 1 || s.Wish.Generation["client"] > s.newest("client") || s.Seen.Operator.Replaced["client"] != ""
	if len(live) == 0 || s.hold("client") == HoldTrust || !begins {
		return nil
	}
	names := slices.DeleteFunc(s.hanging(live[0]), s.service)
	late := len(live) > 1 && !s.needed(live[0])
	switch {
	case len(names) == 0:
		return nil
	case late && s.accepts(plan.OldClients) && s.hold("client") == "":
		return []string{fmt.Sprintf(
			"%s: the newest certificate is of %s, and is refused by every member when that CA is dropped (--accept=%s)",
			listed(names), caName(live[0]), plan.OldClients)}
	case late: // Waiting says the rest
		return nil
	}
	return []string{fmt.Sprintf(
		"%s: the newest certificate is of %s. Clients that do not trust the next CA are cut off when members take certificates of it: "+
			"--pause-after=trust leaves the time to give them ca.pem anew. The old CA is dropped when they have new certificates, or with --accept=%s.",
		listed(names), caName(live[0]), plan.OldClients)}
}

// service says that a client is a service that apply sees to.
func (s State) service(name string) bool { return slices.Contains(s.Services, name) }

// takenBackNotes are about clients that were quick to take a certificate of the new CA.
func (s State) takenBackNotes(live []facts.CA) []string {
	var found []string
	for _, ca := range live[min(1, len(live)):] {
		if names := s.hanging(ca); len(names) > 0 {
			found = append(found,
				fmt.Sprintf(
					"%s: the newest certificate is of %s, which is taken back: issue another one afterwards, since the members refuse this one then",
					listed(names), caName(ca)))
		}
	}
	return found
}

// relianceNotes say what a plan relies on where no member can be asked, since none has a valid certificate.
func (s State) relianceNotes() []string {
	ended, running := 0, 0
	s.Each(func(_ string, host facts.Host) {
		if host.Process == nil {
			return
		}
		running++
		if leaf, ok := host.Leaves["server"]; s.Clients && (!ok || !leaf.Intact || !s.within(leaf) || s.Ended("client")) &&
			host.Etcd == nil {
			ended++
		}
	})
	if running == 0 || ended < running || !s.Formed {
		return nil
	}
	return []string{"no member can be asked, since none has a valid server certificate: only their hosts tell of them " +
		"(processes, data directories, birth markers). They are asked when they have new certificates."}
}
