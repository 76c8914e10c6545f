package etcd

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/trust"
	"github.com/clusterup/clusterup/units"
)

// TLS between peers is switched on in two rounds, since etcd's own dialer needs its certificates before anybody listens
// with TLS. In the first all members restart with certificates, while they go on to speak http. In the second one
// member after the other is made known with its https URL, and restarts to listen there; the leader is the last, and
// has handed over before its URL changes.

// peerURL is where peers are to reach a member now, which depends on how far the switch to TLS has come.
func (v view) peerURL(m inventory.Member) string {
	return urlOf(v.peersSecure(m), m.PeerAddress, v.want.Cluster.PeerPort)
}

func urlOf(secure bool, host string, port int) string {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(port))
}

// peersSecure says whether a member is to be reached over TLS by its peers now.
func (v view) peersSecure(m inventory.Member) bool {
	if !v.want.Cluster.TLS.Peers || !v.formed {
		return v.want.Cluster.TLS.Peers
	}
	if v.peerScheme(m) == "https" {
		return true
	}
	return v.seen.Hosts[m.Name].Process != nil && v.dialersReady() && v.serves(v.seen.Hosts[v.asked(m)])
}

// peerScheme is the scheme of the URL by which the cluster knows a member; if no member tells, of the one at which it
// listens.
func (v view) peerScheme(m inventory.Member) string {
	for _, member := range v.seen.Members {
		if member.Name == m.Name && len(member.PeerURLs) > 0 {
			return schemeOf(member.PeerURLs[0])
		}
	}
	if scheme := schemeOf(units.Flag(v.command(v.seen.Hosts[m.Name]), "listen-peer-urls")); scheme != "" {
		return scheme
	}
	return cmp.Or(v.schemeElsewhere(m), "https")
}

// schemeElsewhere is how the others were told to reach a member whose host is dark; "": nobody was.
func (v view) schemeElsewhere(m inventory.Member) string {
	scheme := ""
	v.Each(func(_ inventory.Member, host facts.Host) {
		for peer := range strings.SplitSeq(units.Flag(v.command(host), "initial-cluster"), ",") {
			if address, ok := strings.CutPrefix(peer, m.Name+"="); ok {
				scheme = cmp.Or(scheme, schemeOf(address))
			}
		}
	})
	return scheme
}

// dialersReady says whether every member can dial TLS: its process has been started with certificates.
func (v view) dialersReady() bool {
	return v.All(func(_ inventory.Member, host facts.Host) bool {
		return units.Flag(v.command(host), trust.BundleFlag["peer"]) != ""
	})
}

func schemeOf(address string) string {
	scheme, _, ok := strings.Cut(address, "://")
	if !ok {
		return ""
	}
	return scheme
}

// announce makes a member known with the URL that it is to listen at, right before it restarts to do so. Another member
// is asked where there is one that serves.
func (v view) announce(m inventory.Member) []plan.Step { return v.announceAt(m, v.peerURL(m)) }

func (v view) announceAt(m inventory.Member, wanted string) []plan.Step {
	for _, member := range v.seen.Members {
		if member.Name == m.Name && !slices.Equal(member.PeerURLs, []string{wanted}) {
			return []plan.Step{{
				Kind: plan.UpdateMember, Host: m.Name, Through: v.asked(m), Member: member.ID, PeerURLs: []string{wanted},
				Why: fmt.Sprintf("the cluster knows it at %s", strings.Join(member.PeerURLs, " ")),
			}}
		}
	}
	return nil
}

// asked is a member that serves, not m itself if there is another one.
func (v view) asked(m inventory.Member) string {
	others := v.Which(func(other inventory.Member, host facts.Host) bool { return other.Name != m.Name && v.serves(host) })
	return append(others, m.Name)[0]
}

// plainRefusals keeps TLS from being switched off again, and clients that speak http from losing their port. A stopped
// member counts by its unit.
func (v view) plainRefusals(m inventory.Member, host facts.Host) []plan.Refusal {
	c := v.want.Cluster
	command := v.command(host)
	if host.Process == nil && !v.formed || len(command) == 0 {
		return nil
	}
	secure, plain := clientPorts(command)
	var found []plan.Refusal
	if !c.TLS.Peers && (v.peerScheme(m) == "https" || schemeOf(units.Flag(command, "listen-peer-urls")) == "https") {
		found = append(found, plan.Refuse(plan.Insecure, m.Name, "set peers = true in the block tls",
			"its peers reach it over TLS, which clusterup does not switch off"))
	}
	switch {
	case !c.TLS.Clients && len(secure) > 0:
		found = append(found, plan.Refuse(plan.Insecure, m.Name, "set clients = true in the block tls",
			"its clients reach it over TLS, which clusterup does not switch off"))
	case c.TLS.Clients && len(secure) == 0 && len(plain) > 0 && !slices.Contains(plain, c.TLS.HTTPClientPort) &&
		!v.want.accepts(plan.Downtime):
		found = append(found, plan.Refuse(plan.NeedsConsent, m.Name,
			fmt.Sprintf(
				"keep that port for them until they have moved: tls { http_client_port = %d }, and another client_port; or accept it with --accept=downtime", plain[0]),
			"its clients speak http on port %d, and would lose it", plain[0]))
	}
	return found
}

// clientPorts are the ports on which a command line serves clients, with TLS and without.
func clientPorts(args []string) (secure, plain []int) {
	for text := range strings.SplitSeq(units.Flag(args, "listen-client-urls"), ",") {
		u, err := url.Parse(text)
		if err != nil {
			continue
		}
		port, err := strconv.Atoi(u.Port())
		switch {
		case err != nil:
		case u.Scheme == "https" && !slices.Contains(secure, port):
			secure = append(secure, port)
		case u.Scheme == "http" && !slices.Contains(plain, port):
			plain = append(plain, port)
		}
	}
	return secure, plain
}

// knownAt says whether the cluster knows a member at its address, with or without TLS.
func (v view) knownAt(m inventory.Member, member facts.Listed) bool {
	at := "://" + net.JoinHostPort(m.PeerAddress, strconv.Itoa(v.want.Cluster.PeerPort))
	return slices.ContainsFunc(member.PeerURLs, func(peer string) bool {
		scheme, ok := strings.CutSuffix(peer, at)
		return ok && (scheme == "http" || scheme == "https")
	})
}
