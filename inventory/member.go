package inventory

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

var memberSchema = &hcl.BodySchema{
	Attributes: attributes("for_each", "name", "address", "ssh_address", "ssh_port", "peer_address", "client_address",
		"names", "data_dir", "wal_dir", "state"),
	Blocks: []hcl.BlockHeaderSchema{{Type: "ssh"}},
}

// memberRead is a member with the places that checks across members point at.
type memberRead struct {
	Member
	block hcl.Range
	key   string               // each.key, in a block with for_each
	names map[string]hcl.Range // attribute to place; only of those that are written
}

// where is the place of the first of these attributes that is written, or of the block.
func (m memberRead) where(attrs ...string) hcl.Range {
	for _, attr := range attrs {
		if r, ok := m.names[attr]; ok {
			return r
		}
	}
	return m.block
}

// readMembers reads one member block: one member, or with for_each one per key.
// It returns false when it cannot say how many.
func (s scope) readMembers(b *hcl.Block, c *Cluster) ([]memberRead, bool) {
	v, content := s.newValues(b, memberSchema)
	attr, repeated := content.Attributes["for_each"]
	if !repeated {
		m := v.readMember(b, content, c)
		if _, ok := content.Attributes["name"]; ok {
			s.problems.errorAt(content.Attributes["name"].NameRange, "name without for_each",
				"The label names the member: member %q { … }. A name attribute is for blocks with for_each.", b.Labels[0])
		}
		return []memberRead{m}, true
	}
	each, ok := s.forEach(attr)
	if !ok {
		return nil, false
	}
	var out []memberRead
	for it := each.ElementIterator(); it.Next(); {
		key, value := it.Element()
		if each.Type().IsSetType() {
			key = value
		}
		v.scope = s.with(key, value)
		out = append(out, v.readMember(b, content, c))
	}
	return out, true
}

// forEach evaluates to a map, an object or a set of strings.
func (s scope) forEach(attr *hcl.Attribute) (cty.Value, bool) {
	each, ok := s.eval(attr.Expr)
	if !ok {
		return each, false
	}
	t := each.Type()
	switch {
	case each.IsNull():
		s.problems.errorAt(attr.Expr.Range(), "for_each is null", "It takes a map, or a set of strings.")
	case t.IsSetType() && (t.ElementType() == cty.String || each.LengthInt() == 0):
		return each, !slices.ContainsFunc(each.AsValueSlice(), cty.Value.IsNull)
	case t.IsMapType() || t.IsObjectType():
		return each, true
	case t.IsTupleType() || t.IsListType() || t.IsSetType():
		s.problems.errorAt(attr.Expr.Range(), "for_each over a list",
			"It takes a map, or a set of strings: toset([\"a\", \"b\"]), or { for n in range(3) : n => … }.")
	default:
		s.problems.errorAt(attr.Expr.Range(), "wrong type", "for_each takes a map, or a set of strings; this is %s.",
			typeWords(t))
	}
	return each, false
}

// readMember reads the block once, in a scope that may have each.key. Without a
// name attribute, a repeated block names its members LABEL-KEY.
func (v values) readMember(b *hcl.Block, content *hcl.BodyContent, c *Cluster) memberRead {
	p := v.problems
	m := memberRead{block: b.DefRange, names: map[string]hcl.Range{"": b.LabelRanges[0]}}
	for name := range content.Attributes {
		m.names[name] = v.exprRange(name)
	}
	m.Member = Member{Name: b.Labels[0], DataDir: c.DataDir, WALDir: c.WALDir, Range: rangeOf(b.DefRange)}
	if each, ok := v.lookup("each"); ok {
		m.key = each.GetAttr("key").AsString()
		m.Name += "-" + m.key
		v.text("name", &m.Name)
	}
	if err := checkName(m.Name); err != nil {
		p.errorAt(v.placeOf(b.LabelRanges[0], "name"), "bad member name", "%q: %s.", clip(m.Name), err)
	}
	v.addresses(&m, b.DefRange)
	v.checked("data_dir", &m.DataDir, CheckDataDir)
	v.checked("wal_dir", &m.WALDir, CheckDataDir)
	m.SSH = v.readSSH(p.only(content.Blocks), c.SSH)
	v.port("ssh_port", &m.SSH.Port)
	m.SSHPort = m.SSH.Port
	v.checkWALDir(m.WALDir, m.DataDir)
	state := statePresent
	v.checked("state", &state, checkState)
	m.Absent = state == stateAbsent
	return m
}

// The states of a member, and of a node.
const (
	statePresent = "present"
	stateAbsent  = "absent"
)

func checkState(s string) error {
	if s == statePresent || s == stateAbsent {
		return nil
	}
	return fmt.Errorf("write %q to have the member taken out of the cluster, or %q, which is the default", stateAbsent,
		statePresent)
}

// addresses reads the addresses; each but the first defaults to the first.
func (v values) addresses(m *memberRead, header hcl.Range) {
	v.require("address", header, "A member needs an address: the IP address or DNS name that peers and clients use.")
	v.address("address", &m.Address)
	m.SSHAddress, m.PeerAddress, m.ClientAddress = m.Address, m.Address, m.Address
	v.address("ssh_address", &m.SSHAddress)
	v.address("peer_address", &m.PeerAddress)
	v.address("client_address", &m.ClientAddress)
	names, _ := v.list("names")
	for _, one := range names {
		name, err := parseCertName(one.text)
		switch {
		case err != nil:
			v.badExpr(one.expr, "bad name", "%s: %s.", clip(one.text), err)
		case slices.Contains(m.Names, name):
			v.badExpr(one.expr, "name given twice", "%s is already in names.", name)
		default:
			m.Names = append(m.Names, name)
		}
	}
}
