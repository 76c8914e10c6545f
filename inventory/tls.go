package inventory

import "github.com/hashicorp/hcl/v2"

var tlsSchema = &hcl.BodySchema{Attributes: attributes("peers", "clients", "http_client_port")}

// readTLS reads the tls block, which may be absent. taken are the cluster's other ports, as far as they are known.
func (s scope) readTLS(b *hcl.Block, taken []namedPort) TLS {
	v := s.block(b, tlsSchema)
	out := TLS{Peers: true, Clients: true}
	if v.flag("peers", &out.Peers) && !out.Peers {
		s.problems.warnAt(v.exprRange("peers"), "peers without TLS",
			"Whoever reaches peer_port can read and write everything; they can pass for a member. Take the line away to have TLS.")
	}
	if v.flag("clients", &out.Clients) && !out.Clients {
		s.problems.warnAt(v.exprRange("clients"), "clients without TLS",
			"Whoever reaches client_port can read and write everything; where etcd asks for passwords, they can be read on the way. Take the line away to have TLS.")
	}
	if v.number("http_client_port", &out.HTTPClientPort, 0, 65535) && out.HTTPClientPort != 0 {
		v.checkHTTPClientPort(out, taken)
	}
	return out
}

func (v values) checkHTTPClientPort(tls TLS, taken []namedPort) {
	const name = "http_client_port"
	clash := ""
	for _, other := range taken {
		if other.port == tls.HTTPClientPort {
			clash = other.name
		}
	}
	switch {
	case !tls.Clients:
		v.problems.errorAt(v.attrs[name].NameRange, "http twice",
			"With clients = false they speak http on client_port already; take away the one line or the other.")
	case clash == "client_port":
		v.bad(name, "port used twice", "client_port and %s are both %d, and one port does not speak both https and http. "+
			"Where clients are to find http on %[2]d until they have moved, give client_port another number.", name,
			tls.HTTPClientPort)
	case clash != "":
		v.bad(name, "port used twice", "%s and %s are both %d; give one of them another number.", clash, name,
			tls.HTTPClientPort)
	default:
		v.problems.warnAt(v.exprRange(name), "http beside TLS",
			"Whoever reaches port %d can read and write everything, without a certificate. Take the line away once all clients have moved to https.", tls.HTTPClientPort)
	}
}
