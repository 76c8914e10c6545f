package inventory

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
)

// maxNodes is how many nodes a balancer may have.
const maxNodes = 200

var nodeSchema = &hcl.BodySchema{
	Attributes: attributes("address", "ssh_address", "ssh_port", "state"),
	Blocks:     []hcl.BlockHeaderSchema{{Type: "ssh"}},
}

// nodeRead is a node with the places that checks across blocks point at.
type nodeRead struct {
	Node
	balancer            string
	label, address, ssh hcl.Range // of its name, and of its addresses
}

// place is where a node says that it is on the host of another.
func (n nodeRead) place(other host) hcl.Range {
	if n.Address == other.address {
		return n.address
	}
	return n.ssh
}

func (n nodeRead) host() host { return host{n.Name, n.Address, n.SSHAddress, n.SSH, n.Absent} }

func (s scope) readNodes(blocks hcl.Blocks, balancer string, ssh SSH) []nodeRead {
	var out []nodeRead
	for _, b := range blocks {
		if err := checkName(b.Labels[0]); err != nil {
			s.problems.errorAt(b.LabelRanges[0], "bad node name", "%q: %s.", clip(b.Labels[0]), err)
		}
		if client := NodeClient(b.Labels[0], balancer); len(client) > maxCommonName && checkName(b.Labels[0]) == nil {
			s.problems.errorAt(b.LabelRanges[0], "bad node name",
				"%q: its certificate is called %s, and such a name ends at %d characters.", clip(b.Labels[0]), clip(client), maxCommonName)
		}
		n := s.readNode(b, ssh)
		n.balancer = balancer
		out = append(out, n)
	}
	if len(blocks) > maxNodes {
		s.problems.errorAt(blocks[maxNodes].DefRange, "too many nodes", "A balancer has at most %d nodes.", maxNodes)
	}
	return out
}

func (s scope) readNode(b *hcl.Block, ssh SSH) nodeRead {
	v, content := s.newValues(b, nodeSchema)
	n := nodeRead{
		Node: Node{Name: b.Labels[0], Range: rangeOf(b.DefRange)}, label: b.LabelRanges[0],
		address: v.placeOf(b.DefRange, "address"), ssh: v.placeOf(b.DefRange, "ssh_address", "address"),
	}
	v.require("address", b.DefRange, "A node needs an address: the IP address or DNS name at which clients reach it.")
	v.address("address", &n.Address)
	n.SSHAddress = n.Address
	v.address("ssh_address", &n.SSHAddress)
	n.SSH = v.readSSH(s.problems.only(content.Blocks), ssh)
	v.port("ssh_port", &n.SSH.Port)
	n.SSHPort = n.SSH.Port
	state := statePresent
	v.checked("state", &state, checkNodeState)
	n.Absent = state == stateAbsent
	return n
}

func checkNodeState(s string) error {
	if s == statePresent || s == stateAbsent {
		return nil
	}
	return fmt.Errorf("write %q to have the node taken out of use and its host made clean, or %q, which is the default",
		stateAbsent, statePresent)
}
