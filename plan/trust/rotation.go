package trust

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// A CA is rotated in three phases, each of which the facts show: all members trust the next generation beside the old
// one; then it signs their leaves; then the old one is retired, and trusted no more (a bundle is read only at a start,
// etcd issue 11555, so the first and the last phase restart every member; leaves are read at each handshake). It goes
// on by itself wherever it was left.

// Phases after which a rotation can be made to wait.
const (
	HoldTrust  = "trust"  // all members trust both CAs
	HoldLeaves = "leaves" // the new CA has signed all leaves
)

// hold is the phase after which the rotation of a role waits; "": none.
func (s State) hold(role string) string {
	if hold, said := s.Wish.Hold[role]; said {
		return hold
	}
	return s.Seen.Operator.Holds[role]
}

// Rotating says that a rotation is under way, forwards or back: there are two CAs, or one that is retired is still
// trusted.
func (s State) Rotating(role string) bool {
	if n := len(s.Live(role)); n != 1 {
		return n > 1
	}
	return slices.ContainsFunc(s.CAs(role), func(ca facts.CA) bool { return ca.Retired && s.stillTrusted(ca) })
}

// stillTrusted says whether a member was seen to trust a retired CA, and not for the sake of a live one with the same
// root.
func (s State) stillTrusted(ca facts.CA) bool {
	return !s.shared(ca) && s.Known(func(_ string, host facts.Host) bool { return s.relies(host, ca) })
}

// relies says that a member asks for certificates, and accepts those of a CA.
func (s State) relies(host facts.Host, ca facts.CA) bool {
	return units.Flag(s.Command(host), BundleFlag[ca.Role]) != "" && s.Trusts(host, ca)
}

// Urgent are the steps that make, hold and take back CAs, and that cannot wait for anything: without a CA nothing else
// can be done.
func (s State) Urgent() []plan.Step {
	var steps []plan.Step
	for _, role := range Roles {
		live := s.Live(role)
		replaced := s.Seen.Operator.Replaced[role]
		switch {
		case len(live) == 0:
			steps = append(steps, plan.Step{Kind: plan.CreateCA, CA: role, Why: "the operator directory has no " + role + " CA"})
		case s.goesBack(role): // a CA that was made now would be taken back at once, again and again
		case replaced != "" && len(s.Dark()) == 0 && !s.Rotating(role) && !s.Mixed:
			if role == "client" && s.hold(role) == "" && len(s.hanging(live[len(live)-1])) > 0 {
				steps = append(steps, s.holdStep(role, HoldTrust))
			}
			steps = append(steps, plan.Step{Kind: plan.CreateCA, CA: role, Why: replaced})
		case s.over(live[len(live)-1]) && !live[len(live)-1].Given:
			steps = append(steps, plan.Step{Kind: plan.CreateCA, CA: role, Why: s.due(role)})
		}
		if hold, said := s.Wish.Hold[role]; said && hold != s.Seen.Operator.Holds[role] {
			steps = append(steps, s.holdStep(role, hold))
		}
		for _, ca := range s.dropped(role) {
			steps = append(steps, plan.Step{
				Kind: plan.RetireCA, CA: role, Generation: ca.Generation,
				Why: "all members have dropped it already, which this operator directory does not know",
			})
		}
		steps = append(steps, s.takenBack(role)...)
	}
	return steps
}

// dropped finds CAs that the members have dropped already, but that this operator directory (restored from an old
// backup) still lists as live. They are retired here, not trusted again.
func (s State) dropped(role string) []facts.CA {
	live := s.Live(role)
	if !s.Formed || len(live) < 2 || !live[len(live)-1].Signing || !s.trustedByAll(live[len(live)-1]) {
		return nil
	}
	return slices.DeleteFunc(live[:len(live)-1], func(ca facts.CA) bool {
		return s.needed(ca) || s.Known(func(_ string, host facts.Host) bool {
			return s.Trusts(host, ca)
		})
	})
}

func (s State) holdStep(role, hold string) plan.Step {
	why := "the pause has ended"
	switch hold {
	case HoldTrust:
		why = "its rotation waits when all members trust both CAs"
	case HoldLeaves:
		why = "its rotation waits when the new CA has signed all leaves"
	}
	return plan.Step{Kind: plan.HoldRotation, CA: role, Phase: hold, Why: why}
}

// Rotate begins rotations and ends them, when nothing else is left to do: the members run what is wanted, and serve.
func (s State) Rotate() *plan.Stage {
	if s.Held || s.Mixed {
		return nil // no CA changes while members are of two versions
	}
	var begin, end []plan.Step
	for _, role := range Roles {
		begin = append(begin, s.begin(role)...)
		end = append(end, s.retire(role)...)
	}
	if len(begin) > 0 {
		return plan.SideBySide("make the next CA", "all members serve, and run what is wanted", begin)
	}
	return plan.SideBySide("retire the old CA", "every member trusts the new one, and serves a certificate of it", end)
}

// begin makes the next generation when it is asked for or due. If it is only due, and clients have certificates of the
// old client CA, the rotation is held after its phase trust: that gives them time to learn of the next CA.
func (s State) begin(role string) []plan.Step {
	live := s.Live(role)
	if s.Rotating(role) || len(live) == 0 || s.goesBack(role) {
		return nil
	}
	why := s.due(role)
	asked := s.Wish.Generation[role] > live[len(live)-1].Generation
	if asked {
		why = "a rotation was asked for"
	}
	if why == "" {
		return nil
	}
	var steps []plan.Step
	if role == "client" && !asked && s.hold(role) == "" && len(s.hanging(live[len(live)-1])) > 0 {
		steps = append(steps, s.holdStep(role, HoldTrust))
	}
	return append(steps, plan.Step{Kind: plan.CreateCA, CA: role, Why: why})
}

// retire retires the old CAs of a role once nothing waits for them.
func (s State) retire(role string) []plan.Step {
	live := s.Live(role)
	if len(live) < 2 || s.waits(role) != "" {
		return nil
	}
	newest := live[len(live)-1]
	var steps []plan.Step
	for _, ca := range live[:len(live)-1] {
		why := caName(newest) + " has signed all that is in use"
		if names := s.hanging(ca); len(names) > 0 {
			why = fmt.Sprintf("%s has signed all that members use; no member accepts %s any more (--accept=%s)", caName(newest),
				listed(names), plan.OldClients)
		}
		steps = append(steps, plan.Step{Kind: plan.RetireCA, CA: role, Generation: ca.Generation, Why: why})
	}
	return steps
}

// waits says what the end of a rotation waits for; "": nothing.
func (s State) waits(role string) string {
	live := s.Live(role)
	newest := live[len(live)-1]
	if !newest.Signing {
		return fmt.Sprintf(
			"the key of %s is not at hand; put it back %s, or take the rotation back (clusterup rotate ca --%s --abort)",
			caName(newest), keyPlace(newest), role)
	}
	if hold := s.hold(role); hold != "" {
		return s.paused(role, hold)
	}
	if !s.trustedByAll(newest) {
		return "not every member trusts " + caName(newest) + " yet"
	}
	if why := s.rejected(role); why != "" {
		return why
	}
	if why := s.unready(role, newest); why != "" {
		return why
	}
	if s.accepts(plan.OldClients) {
		return ""
	}
	for _, ca := range live[:len(live)-1] {
		names := s.hanging(ca)
		others := slices.DeleteFunc(slices.Clone(names), s.service)
		switch {
		case len(names) > 0 && len(others) == 0:
			return fmt.Sprintf("the newest certificate of %s is of %s; apply gives out another one as soon as it can change the host, "+
				"or drop that CA all the same with --accept=old-clients", listed(names), caName(ca))
		case len(others) > 0:
			return fmt.Sprintf(
				"the newest certificate of %s is of %s; issue another one (clusterup cert issue), or drop that CA all the same with --accept=old-clients",
				listed(others), caName(ca))
		}
	}
	return ""
}

// unready says which member has no certificate of the newest CA yet, or was not seen to do without the old one; "":
// none.
func (s State) unready(role string, newest facts.CA) string {
	why := ""
	s.Each(func(name string, host facts.Host) {
		switch {
		case why != "":
		case host.Leaves[LeafOf[role]].Issuer != newest.SHA256, unproven(host, LeafOf[role]) != "":
			why = name + " has no certificate of " + caName(newest) + " yet"
		default:
			why = s.unseen(name, host, role, newest)
		}
	})
	return why
}

// paused says how a rotation that is held goes on.
func (s State) paused(role, hold string) string {
	text := fmt.Sprintf("it is paused after its phase %s; clusterup rotate ca --%s goes on with it", hold, role)
	if names := slices.DeleteFunc(s.hanging(s.Live(role)[0]), s.service); len(names) > 0 {
		text += fmt.Sprintf(", best when new certificates (clusterup cert issue) are in use by %s", listed(names))
	}
	return text
}

// hanging are the names of clients that members accept only for the sake of ca: their newest good certificate is of ca,
// or of a retired CA whose root only ca has among the live ones. Certificates of a CA that was taken back do not count.
func (s State) hanging(ca facts.CA) []string {
	if ca.Role != "client" {
		return nil
	}
	newest := map[string]facts.Client{}
	for _, c := range s.Seen.Operator.Clients {
		gone := c.Generation != ca.Generation && s.CARetired(c)
		if c.Revoked || gone || !s.Seen.Taken.Before(c.NotAfter) {
			continue
		}
		if is, ok := newest[c.Name]; !ok || c.Generation >= is.Generation {
			newest[c.Name] = c
		}
	}
	var names []string
	for name, c := range newest {
		if s.restsOn(c, ca) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// restsOn says that a certificate which members accept is refused once a live CA is dropped.
func (s State) restsOn(c facts.Client, ca facts.CA) bool {
	sameRoot := func(other facts.CA) bool { return bytes.Equal(other.Trusted(), ca.Trusted()) }
	return c.Generation == ca.Generation ||
		slices.ContainsFunc(s.CAs("client"), func(other facts.CA) bool {
			return other.Generation == c.Generation && other.Retired && sameRoot(other)
		}) && !slices.ContainsFunc(s.Live("client"), func(other facts.CA) bool {
			return other.Generation != ca.Generation && sameRoot(other)
		})
}

// listed is "client app", "clients app and web", "clients a, b, c and 4 more".
func listed(names []string) string {
	const few = 4
	switch n := len(names); {
	case n == 1:
		return "client " + names[0]
	case n > few:
		return fmt.Sprintf("clients %s and %d more", strings.Join(names[:few-1], ", "), n-few+1)
	default:
		return fmt.Sprintf("clients %s and %s", strings.Join(names[:n-1], ", "), names[n-1])
	}
}

// Unfinished picks the roles to rotate. If some member already trusts a new CA, only the roles still being rotated;
// otherwise all of them. So a second call finishes the first rotation instead of starting another.
func (s State) Unfinished(roles []string) []string {
	under := slices.DeleteFunc(slices.Clone(roles), func(role string) bool { return !s.Rotating(role) })
	if slices.ContainsFunc(under, s.advanced) {
		return under
	}
	return roles
}

// Next are, by role, the generations of CAs that a rotation leads to: the one that is on its way, else the one after
// the last. A role without a CA is left out.
func (s State) Next(roles []string) map[string]int {
	next := map[string]int{}
	for _, role := range roles {
		cas, live := s.CAs(role), s.Live(role)
		switch {
		case len(live) == 0:
		case s.Rotating(role):
			next[role] = live[len(live)-1].Generation
		default:
			next[role] = cas[len(cas)-1].Generation + 1
		}
	}
	return next
}

// advanced says that a member may trust the newest CA already.
func (s State) advanced(role string) bool {
	live := s.Live(role)
	return s.May(func(_ string, host facts.Host) bool { return s.Trusts(host, live[len(live)-1]) })
}
