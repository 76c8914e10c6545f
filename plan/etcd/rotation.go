package etcd

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/version"
	"github.com/clusterup/clusterup/units"
)

// A CA is rotated in three phases, each of which the facts show: all members trust the next generation beside the old one; then it signs
// their leaves; then the old one is retired, and trusted no more (a bundle is read only at a start, etcd issue 11555, so the first and the
// last phase restart every member; leaves are read at each handshake). It goes on by itself wherever it was left.

// Phases after which a rotation can be made to wait.
const (
	HoldTrust  = "trust"  // all members trust both CAs
	HoldLeaves = "leaves" // the new CA has signed all leaves
)

// hold is the phase after which the rotation of a role waits.
func (v view) hold(role string) string {
	if hold, said := v.want.Hold[role]; said {
		return hold
	}
	return v.seen.Operator.Holds[role]
}

// rotating says that a rotation is under way, forwards or back: there are two CAs, or one that is retired is still trusted.
func (v view) rotating(role string) bool {
	if n := len(v.live(role)); n != 1 {
		return n > 1
	}
	return slices.ContainsFunc(v.cas(role), func(ca facts.CA) bool { return ca.Retired && v.stillTrusted(ca) })
}

// stillTrusted says whether any member was seen to trust a retired CA. What is trusted for its successor too, as where
// intermediates share their root, does not count.
func (v view) stillTrusted(ca facts.CA) bool {
	shared := slices.ContainsFunc(v.live(ca.Role), func(other facts.CA) bool { return bytes.Equal(other.Trusted(), ca.Trusted()) })
	return !shared && v.Known(func(_ inventory.Member, host facts.Host) bool { return v.relies(host, ca) })
}

// relies says that a member asks for certificates, and accepts those of a CA.
func (v view) relies(host facts.Host, ca facts.CA) bool {
	return units.Flag(v.command(host), trustFlag[ca.Role]) != "" && v.trusts(host, ca)
}

// authorities are the steps that make, hold and take back CAs, and that cannot wait for anything: without a CA nothing else can be done.
func (v view) authorities() []plan.Step {
	var steps []plan.Step
	for _, role := range caRoles {
		live := v.live(role)
		replaced := v.seen.Operator.Replaced[role]
		switch {
		case len(live) == 0:
			steps = append(steps, plan.Step{Kind: plan.CreateCA, CA: role, Why: "the operator directory has no " + role + " CA"})
		case v.goesBack(role): // a CA that was made now would be taken back at once, again and again
		case replaced != "" && len(v.Dark()) == 0 && !v.rotating(role) && version.Minor(v.low) == version.Minor(v.high):
			if role == "client" && v.hold(role) == "" && len(v.hanging(live[len(live)-1])) > 0 {
				steps = append(steps, v.holdStep(role, HoldTrust))
			}
			steps = append(steps, plan.Step{Kind: plan.CreateCA, CA: role, Why: replaced})
		case v.over(live[len(live)-1]) && !live[len(live)-1].Given:
			steps = append(steps, plan.Step{Kind: plan.CreateCA, CA: role, Why: v.due(role)})
		}
		if hold, said := v.want.Hold[role]; said && hold != v.seen.Operator.Holds[role] {
			steps = append(steps, v.holdStep(role, hold))
		}
		for _, ca := range v.dropped(role) {
			steps = append(steps, plan.Step{
				Kind: plan.RetireCA, CA: role, Generation: ca.Generation, Why: "all members have dropped it already, which this operator directory does not know",
			})
		}
		steps = append(steps, v.takenBack(role)...)
	}
	return steps
}

// dropped are CAs that were retired once, as in a directory out of a backup from before: all members serve with TLS and trust a later one,
// and none of them trusts these. To trust them again would lead to the same end.
func (v view) dropped(role string) []facts.CA {
	live := v.live(role)
	if !v.formed || len(live) < 2 || !live[len(live)-1].Signing || !v.trustedByAll(live[len(live)-1]) {
		return nil
	}
	return slices.DeleteFunc(live[:len(live)-1], func(ca facts.CA) bool {
		return v.needed(ca) || v.Known(func(_ inventory.Member, host facts.Host) bool {
			return units.Flag(v.command(host), trustFlag[role]) == "" || v.trusts(host, ca)
		})
	})
}

func (v view) holdStep(role, hold string) plan.Step {
	why := "it is held no more"
	switch hold {
	case HoldTrust:
		why = "its rotation waits when all members trust both CAs"
	case HoldLeaves:
		why = "its rotation waits when the new CA has signed all leaves"
	}
	return plan.Step{Kind: plan.HoldRotation, CA: role, Phase: hold, Why: why}
}

// rotate begins rotations and ends them, when nothing else is left to do: the members run what is wanted, and serve.
func (v view) rotate() (*plan.Stage, error) {
	if v.held() || version.Minor(v.low) != version.Minor(v.high) {
		return nil, nil // no CA changes while members are of two versions
	}
	var begin, end []plan.Step
	for _, role := range caRoles {
		begin = append(begin, v.begin(role)...)
		end = append(end, v.retire(role)...)
	}
	switch {
	case len(begin) > 0:
		return &plan.Stage{Name: "make the next CA", Gate: "all members serve, and run what is wanted", Width: 1, Steps: begin}, nil
	case len(end) > 0:
		return &plan.Stage{Name: "retire the old CA", Gate: "every member trusts the new one, and serves a certificate of it", Width: 1, Steps: end}, nil
	}
	return nil, nil
}

// begin makes the next generation when it is asked for or due. Clients of a CA that ends get the time to learn of the next one.
func (v view) begin(role string) []plan.Step {
	live := v.live(role)
	if v.rotating(role) || len(live) == 0 || v.goesBack(role) {
		return nil
	}
	why := v.due(role)
	asked := v.want.Generation[role] > live[len(live)-1].Generation
	if asked {
		why = "a rotation was asked for"
	}
	if why == "" {
		return nil
	}
	var steps []plan.Step
	if role == "client" && !asked && v.hold(role) == "" && len(v.hanging(live[len(live)-1])) > 0 {
		steps = append(steps, v.holdStep(role, HoldTrust))
	}
	return append(steps, plan.Step{Kind: plan.CreateCA, CA: role, Why: why})
}

// retire ends what every member can do without.
func (v view) retire(role string) []plan.Step {
	live := v.live(role)
	if len(live) < 2 || v.waits(role) != "" {
		return nil
	}
	newest := live[len(live)-1]
	var steps []plan.Step
	for _, ca := range live[:len(live)-1] {
		why := caName(newest) + " has signed all that is in use"
		if names := v.hanging(ca); len(names) > 0 {
			why = fmt.Sprintf("%s has signed all that members use; no member accepts %s any more (--accept=%s)", caName(newest), listed("client", names), plan.OldClients)
		}
		steps = append(steps, plan.Step{Kind: plan.RetireCA, CA: role, Generation: ca.Generation, Why: why})
	}
	return steps
}

// waits says what the end of a rotation waits for; "" when it can be.
func (v view) waits(role string) string {
	live := v.live(role)
	newest := live[len(live)-1]
	if !newest.Signing {
		return fmt.Sprintf("the key of %s is not at hand; put it back %s, or take the rotation back (clusterup rotate ca --%s --abort)", caName(newest), keyPlace(newest), role)
	}
	if hold := v.hold(role); hold != "" {
		return v.paused(role, hold)
	}
	if names := v.Dark(); len(names) > 0 {
		return fmt.Sprintf("%s cannot be looked at, and may need %s", plan.Enumerate(names), numbered(role, live[:len(live)-1]))
	}
	if !v.trustedByAll(newest) {
		return "not every member trusts " + caName(newest) + " yet"
	}
	if why := v.rejected(role); why != "" {
		return why
	}
	if why := v.unready(role, newest); why != "" {
		return why
	}
	if v.want.accepts(plan.OldClients) {
		return ""
	}
	for _, ca := range live[:len(live)-1] {
		if names := v.hanging(ca); len(names) > 0 {
			return fmt.Sprintf("the newest certificate of %s is of %s; issue another one (clusterup cert issue), or drop that CA all the same with --accept=old-clients",
				listed("client", names), caName(ca))
		}
	}
	return ""
}

// unready says which member has no certificate of the newest CA yet, or was not seen to do without the old one; "":
// none.
func (v view) unready(role string, newest facts.CA) string {
	why := ""
	v.Each(func(m inventory.Member, host facts.Host) {
		switch {
		case why != "":
		case host.Leaves[leafOf[role]].Issuer != newest.SHA256, v.unproven(host, leafOf[role]) != "":
			why = m.Name + " has no certificate of " + caName(newest) + " yet"
		default:
			why = v.unseen(m, host, role, newest)
		}
	})
	return why
}

// paused says what goes on with a rotation that is held.
func (v view) paused(role, hold string) string {
	text := fmt.Sprintf("it is paused after its phase %s; clusterup rotate ca --%s goes on with it", hold, role)
	if names := v.hanging(v.live(role)[0]); len(names) > 0 {
		text += fmt.Sprintf(", best when new certificates (clusterup cert issue) are in use by %s", listed("client", names))
	}
	return text
}

// hanging are the names of clients whose newest certificate that is good is of a CA. Those of a CA that was taken back are not.
func (v view) hanging(ca facts.CA) []string {
	if ca.Role != "client" {
		return nil
	}
	retired := slices.DeleteFunc(v.cas("client"), func(other facts.CA) bool { return !other.Retired })
	newest := map[string]facts.Client{}
	for _, c := range v.seen.Operator.Clients {
		gone := c.Generation != ca.Generation && slices.ContainsFunc(retired, func(other facts.CA) bool { return other.Generation == c.Generation })
		if c.Revoked || gone || !v.seen.Taken.Before(c.NotAfter) {
			continue
		}
		if is, ok := newest[c.Name]; !ok || c.Generation >= is.Generation {
			newest[c.Name] = c
		}
	}
	var names []string
	for name, c := range newest {
		if c.Generation == ca.Generation {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// listed is "client app", "clients app and web", "clients a, b, c and 4 more".
func listed(noun string, names []string) string {
	const few = 4
	switch n := len(names); {
	case n == 1:
		return noun + " " + names[0]
	case n > few:
		return fmt.Sprintf("%ss %s and %d more", noun, strings.Join(names[:few-1], ", "), n-few+1)
	default:
		return fmt.Sprintf("%ss %s and %s", noun, strings.Join(names[:n-1], ", "), names[n-1])
	}
}
