package etcd

import (
	"fmt"
	"slices"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/trust"
)

// rotateCA is a wish.
func rotateCA(hold string, roles ...string) func(Want, facts.Snapshot) Want {
	return func(w Want, s facts.Snapshot) Want { return RotateCA(w, s, roles, hold) }
}

func abort(roles ...string) func(Want, facts.Snapshot) Want {
	return func(w Want, _ facts.Snapshot) Want { return AbortRotation(w, roles) }
}

// watched is a cluster whose certificates are looked at.
func watched(w Want, s facts.Snapshot) facts.Snapshot {
	for _, name := range s.Names() {
		s = change(s, name, func(h *facts.Host) {
			for _, role := range []string{"peer", "server"} {
				leaf := h.Leaves[role]
				leaf.SHA256 = "first " + role + " of " + name
				h.Leaves[role] = leaf
			}
			h.Serves = map[string][]facts.Served{}
			for _, from := range s.Names() {
				if from != name {
					h.Serves["peer"] = append(h.Serves["peer"], facts.Served{From: from})
					h.Serves["server"] = append(h.Serves["server"], facts.Served{From: from})
				}
			}
			h.Serves = trustOf(w, s).Serve(*h)
		})
	}
	return s
}

// issued is a cluster with a client certificate.
func issued(w Want, s facts.Snapshot) facts.Snapshot {
	s.Operator.Clients = []facts.Client{{Name: "app", Serial: "1", Generation: 1, NotAfter: noon.AddDate(1, 0, 0)}}
	return watched(w, s)
}

// replaced is a cluster whose inventory names another CA than its own.
func replaced(w Want, s facts.Snapshot) facts.Snapshot {
	s.Operator.Replaced = map[string]string{"peer": "the CA is clusterup's own, and another one is given"}
	return watched(w, s)
}

func plainly(w *Want) {
	cluster := *w.Cluster
	cluster.TLS.Peers, cluster.TLS.Clients = false, false
	w.Cluster = &cluster
}

func securely(w *Want) {
	cluster := *w.Cluster
	cluster.TLS.Peers = true
	w.Cluster = &cluster
}

// patiently takes back the consent that clients may lose the cluster.
func patiently(w *Want) {
	w.Accept = slices.DeleteFunc(slices.Clone(w.Accept), func(r plan.Risk) bool { return r == plan.OldClients })
}

var rotations = []operation{
	{name: "peer CA", wish: rotateCA("", "peer"), leads: 2, minds: []func(Want, facts.Snapshot) Want{abort("peer")}},
	{
		name: "client CA", wish: rotateCA("", "client"), begin: issued, leads: 2,
		minds: []func(Want, facts.Snapshot) Want{abort("client"), rotateCA(trust.HoldLeaves, "client")},
	},
	{
		name: "both CAs", wish: rotateCA("", trust.Roles...), leads: 2,
		minds: []func(Want, facts.Snapshot) Want{abort(trust.Roles...), rotateCA(trust.HoldTrust, trust.Roles...)},
	},
	{
		name: "both CAs, held", wish: rotateCA(trust.HoldTrust, trust.Roles...), leads: 1,
		minds: []func(Want, facts.Snapshot) Want{abort("peer"), rotateCA("", "client")},
	},
	{
		name: "client CA, of which a client has not moved", change: patiently, wish: rotateCA("", "client"), begin: issued,
		leads: 1,
	},
	{
		name: "both CAs, held before the end", wish: rotateCA(trust.HoldLeaves, trust.Roles...), begin: issued, leads: 1,
		minds: []func(Want, facts.Snapshot) Want{abort("client"), rotateCA("", "client")},
	},
	{name: "peer CA of another's", begin: replaced, leads: 2, minds: []func(Want, facts.Snapshot) Want{abort("peer")}},
	{name: "leaves", wish: RotateCerts, begin: watched},
	{name: "both CAs with flags", change: flagged, wish: rotateCA("", trust.Roles...), leads: 3},
	{name: "client CA with a minor up", to: "3.7.3", wish: rotateCA("", "client"), leads: 3},
	{
		name: "tokens", was: passworded, change: passworded, wish: RotateTokens, leads: 1,
		minds: []func(Want, facts.Snapshot) Want{func(w Want, _ facts.Snapshot) Want { passworded(&w); return w }},
	},
	{name: "TLS between peers", was: plainly, change: securely, leads: 2},
	{name: "TLS between peers, and a new peer CA", was: plainly, change: securely, wish: rotateCA("", "peer"), leads: 4},
}

// allRotations are the rotations, with defaults filled in.
func allRotations() []operation {
	all := slices.Clone(rotations)
	for i := range all {
		o := &all[i]
		o.from = "3.6.16"
		if o.to == "" {
			o.to = o.from
		}
		if o.begin == nil {
			o.begin = watched
		}
	}
	return all
}

// Every rotation from a whole cluster, and every way off it, as for the operations of versions: cut anywhere, with a
// fault, a member that does not take up its new certificate, and an operator who wants something else, such as the old
// CA back.
func TestEveryWayOfRotations(t *testing.T) {
	var all walked
	t.Run("walk", func(t *testing.T) {
		for _, o := range allRotations() {
			for _, n := range []int{1, 3, 5} {
				t.Run(fmt.Sprintf("%s/%d", o.name, n), func(t *testing.T) {
					t.Parallel()
					o.everyWay(t, n, &all)
				})
			}
		}
	})
	all.holds(t, 2000, plan.CreateCA, plan.RetireCA, plan.HoldRotation, plan.WriteTrust, plan.IssueLeaf, plan.WriteUnit,
		plan.UpdateMember, plan.MoveLeader, plan.RestartMember, plan.StartMember, plan.AwaitMember)
}

// turnedDown are the states after a stage in which a member does not work with the new CA. One that was restarted does
// not accept what the CA signs; nobody accepts one that was given a certificate of it.
func (r *roller) turnedDown(at rolled, stage plan.Stage) []rolled {
	last := stage.Steps[len(stage.Steps)-1]
	st := at.state
	for _, step := range stage.Steps {
		st = r.do(st, step)
	}
	var found []rolled
	for _, role := range trust.Roles {
		leaf := trust.LeafOf[role]
		views := st.seen.Hosts[last.Host].Serves[leaf]
		if v := Trust(r.w, st.seen); len(v.Live(role)) < 2 || len(views) == 0 ||
			last.Kind == plan.IssueLeaf && last.Leaf.CA != role {
			continue
		}
		bad := change(st.seen, last.Host, func(h *facts.Host) {
			h.Serves = trustOf(r.w, st.seen).Serve(*h)
			if view := &h.Serves[leaf][0]; last.Kind == plan.IssueLeaf {
				view.Valid, view.Invalid = nil, "incompatible key usage"
			} else {
				view.Accepts, view.Refuses = "", "bad certificate"
			}
		})
		way := st.way.then("the new " + role + " CA is turned down")
		found = append(found, rolled{state{seen: bad, token: st.token, way: way, truth: st.truth}, at.faults - 1, at.lost})
	}
	return found
}

// stubborn is the state after a member was given a certificate that it does not take up.
func (r *roller) stubborn(at rolled, stage plan.Stage) []rolled {
	name := stage.Steps[len(stage.Steps)-1].Host
	st := at.state
	for _, step := range stage.Steps {
		st = r.do(st, step)
	}
	old := at.seen.Hosts[name].Serves
	if at.seen.Hosts[name].Process == nil || len(old) == 0 {
		return nil
	}
	bad := state{
		seen: change(st.seen, name, func(h *facts.Host) { h.Serves = old }), token: st.token,
		way: st.way.then("which is not taken up"), truth: st.truth,
	}
	return []rolled{{bad, at.faults - 1, at.lost}}
}
