package trust

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// Simulate is the operator directory after a step there.
func (s State) Simulate(step plan.Step) facts.Operator {
	o := s.Seen.Operator
	switch step.Kind {
	case plan.CreateCA:
		o.CAs = append(slices.Clone(o.CAs), s.simulateCA(step.CA))
		o.Replaced, o.Reverts = maps.Clone(o.Replaced), maps.Clone(o.Reverts)
		delete(o.Replaced, step.CA)
		delete(o.Reverts, step.CA)
		outdate(&o, step.CA)
	case plan.RetireCA:
		o.CAs = slices.Clone(o.CAs)
		for i, ca := range o.CAs {
			if ca.Role == step.CA && ca.Generation == step.Generation {
				o.CAs[i].Retired, o.CAs[i].Signing = true, false
				newest := ca.Generation == s.newest(ca.Role)
				if newest {
					outdate(&o, ca.Role)
					o.Replaced, o.Reverts = s.gaveUp(ca)
				}
			}
		}
	case plan.HoldRotation:
		o.Holds = maps.Clone(o.Holds)
		if o.Holds == nil {
			o.Holds = map[string]string{}
		}
		if o.Holds[step.CA] = step.Phase; step.Phase == "" {
			delete(o.Holds, step.CA)
		}
	case plan.RevokeClient:
		o.Clients = slices.Clone(o.Clients)
		for i := range o.Clients {
			o.Clients[i].Revoked = o.Clients[i].Revoked || o.Clients[i].Serial == step.Serial
		}
		outdate(&o, "client")
	case plan.RevokeLeaf:
		o.Leaves = slices.Clone(o.Leaves)
		revoked := *step.Revoke
		revoked.Revoked = true
		same := func(r facts.Recorded) bool { return r.Role == revoked.Role && r.Serial == revoked.Serial }
		if at := slices.IndexFunc(o.Leaves, same); at >= 0 {
			o.Leaves[at] = revoked
		} else {
			o.Leaves = append(o.Leaves, revoked)
			inOrder(o.Leaves)
		}
		outdate(&o, step.CA)
	case plan.ListRevoked:
		o.Revoked = maps.Clone(o.Revoked)
		if o.Revoked == nil {
			o.Revoked = map[string]facts.Revoked{}
		}
		o.Revoked[step.CA] = facts.Revoked{List: simulateList(o, step.CA), Current: true}
	}
	return o
}

// simulateList stands for a list that is yet to be signed.
func simulateList(o facts.Operator, role string) []byte {
	list := []byte(plan.Placeholder)
	for _, c := range o.Clients {
		if c.Revoked && role == "client" {
			list = append(list, " "+c.Serial...)
		}
	}
	for _, r := range o.Leaves {
		if r.Revoked && leafCA[r.Role] == role {
			list = append(list, " "+r.Serial...)
		}
	}
	return list
}

// outdate has the list of a role's CA be signed anew, where there is one.
func outdate(o *facts.Operator, role string) {
	if is, ok := o.Revoked[role]; ok {
		o.Revoked = maps.Clone(o.Revoked)
		is.Current = false
		o.Revoked[role] = is
	}
}

// Record is the operator directory once a leaf was issued to a member.
func (s State) Record(member string, leaf facts.Leaf, generation int) facts.Operator {
	o := s.Seen.Operator
	if slices.ContainsFunc(o.Leaves, func(r facts.Recorded) bool {
		return r.Role == leaf.Role && r.Serial == leaf.Serial
	}) {
		return o
	}
	o.Leaves = append(slices.Clone(o.Leaves), facts.Recorded{
		Member: member, Role: leaf.Role, Serial: leaf.Serial, Generation: generation, NotAfter: leaf.NotAfter,
	})
	inOrder(o.Leaves)
	return o
}

// inOrder sorts certificates of members as they are found, whichever was issued first.
func inOrder(leaves []facts.Recorded) {
	slices.SortFunc(leaves, func(a, b facts.Recorded) int {
		return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.Member, b.Member), a.NotAfter.Compare(b.NotAfter),
			cmp.Compare(a.Serial, b.Serial))
	})
}

// gaveUp says how the CAs differ from what the inventory names after newest was retired. The inventory may name the CA
// before it; then they do not differ any more.
func (s State) gaveUp(newest facts.CA) (replaced map[string]string, reverts map[string]int) {
	replaced, reverts = maps.Clone(s.Seen.Operator.Replaced), maps.Clone(s.Seen.Operator.Reverts)
	before := 0
	for _, ca := range s.Seen.Operator.CAs {
		if ca.Role == newest.Role && !ca.Retired && ca.Generation < newest.Generation {
			before = ca.Generation
		}
	}
	switch {
	case reverts[newest.Role] == before:
		delete(replaced, newest.Role)
		delete(reverts, newest.Role)
	case newest.Given && replaced[newest.Role] == "":
		if replaced == nil {
			replaced = map[string]string{}
		}
		replaced[newest.Role] = "another one is given"
	}
	return replaced, reverts
}

func (s State) simulateCA(role string) facts.CA {
	generation := 1
	for _, ca := range s.Seen.Operator.CAs {
		if ca.Role == role {
			generation = max(generation, ca.Generation+1)
		}
	}
	name := fmt.Sprintf("%s %s CA %d", plan.Placeholder, role, generation)
	return facts.CA{
		Role: role, Generation: generation, SHA256: name, PEM: []byte(name + "\n"), Signing: true,
		Given: s.Origin[role] != Ours, Lists: s.willList(role),
		NotBefore: s.Seen.Taken, NotAfter: s.Seen.Taken.Add(s.CALifetime),
	}
}

// Issue is the effect on a host of a leaf that is issued.
func (s State) Issue(leaf *plan.Leaf, host *facts.Host) {
	if host.Leaves == nil {
		host.Leaves = map[string]facts.Leaf{}
	}
	var signer facts.CA
	for _, ca := range s.Seen.Operator.CAs {
		if ca.Role == leaf.CA && ca.Generation == leaf.Generation {
			signer = ca
		}
	}
	subject := cmp.Or(leaf.CN, leaf.OU)
	made := facts.Leaf{
		Role: leaf.Role, Dir: units.LeafDir(leaf.ConfigDir, leaf.Role, "new"), Intact: true, Issuer: signer.SHA256,
		SHA256:  fmt.Sprintf("%s %s of %s, %s", plan.Placeholder, subject, signer.SHA256, s.Seen.Taken.Format(time.RFC3339)),
		Subject: subject, CN: leaf.CN, Algorithm: leaf.Algorithm, Names: leaf.Names, NotBefore: s.Seen.Taken,
		NotAfter: s.Seen.Taken.Add(leaf.Lifetime),
	}
	// Each has another one, and the model as few as it can.
	for made.Serial = made.SHA256; s.revokedLeaf(made.Role, made); {
		made.Serial += "+"
	}
	if signer.NotAfter.Before(made.NotAfter) {
		made.NotAfter = signer.NotAfter
	}
	host.Leaves[leaf.Role] = made
	link := units.LeafLink(leaf.ConfigDir, leaf.Role)
	maps.DeleteFunc(host.Files, func(name string, _ facts.File) bool { // the old pairs go
		return units.IsLeafDir(link, name) || units.IsLeafDir(link, path.Dir(name))
	})
	host.Serves = s.Serve(*host)
}

// Serve is what the ports of a host show and accept once its member has taken up the certificates that lie there.
func (s State) Serve(host facts.Host) map[string][]facts.Served {
	all := map[string][]facts.Served{}
	for role, views := range host.Serves {
		leaf, accepts := host.Leaves[role], ""
		for _, ca := range s.Live(leafCA[role]) {
			if s.Trusts(host, ca) {
				accepts = ca.SHA256
			}
		}
		all[role] = slices.Clone(views)
		for i := range all[role] {
			all[role][i] = facts.Served{
				From: all[role][i].From, SHA256: leaf.SHA256, Name: leaf.Subject,
				Accepts: accepts, Valid: []string{leaf.Issuer},
			}
		}
	}
	return all
}
