package etcd

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/trust"
	"github.com/clusterup/clusterup/units"
)

// Law 5, as checks that know nothing of how Next comes to its decisions: what counts is which certificates are in the
// file that a process was started with.

// accepts says whether a member with this command line, and these files, accepts what a CA signs.
func accepts(host facts.Host, command []string, ca facts.CA) bool {
	flag := "--trusted-ca-file="
	if ca.Role == "peer" {
		flag = "--peer-trusted-ca-file="
	}
	for _, word := range command {
		if file, ok := strings.CutPrefix(word, flag); ok {
			return bytes.Contains(host.Files[strings.Trim(file, `"\`)].Content, ca.PEM)
		}
	}
	return len(command) > 0
}

// runsWith is the command line of a member, or that of its unit where it does not run.
func runsWith(w Want, host facts.Host) []string {
	if host.Process != nil {
		return host.Process.Args
	}
	_, command, _ := bytes.Cut(host.Files[UnitPath(w.Cluster)].Content, []byte("\nExecStart="))
	return words(command)
}

func issuerOf(s facts.Snapshot, host facts.Host, role string) (facts.CA, bool) {
	i := slices.IndexFunc(s.Operator.CAs, func(ca facts.CA) bool { return ca.SHA256 == host.Leaves[role].Issuer })
	if i < 0 || !host.Leaves[role].Intact {
		return facts.CA{}, false
	}
	return s.Operator.CAs[i], true
}

// strangers says which running member does not accept which other one, or clusterup's own certificate; nil: everybody
// accepts everybody.
func strangers(w Want, s facts.Snapshot) error {
	var errs []error
	for _, a := range w.Cluster.Members {
		host := s.Hosts[a.Name]
		if host.Process == nil {
			continue
		}
		if own, ok := ownCA(s); ok && !accepts(host, runsWith(w, host), own) {
			errs = append(errs, fmt.Errorf("%s does not accept clusterup's certificate of client CA %d", a.Name, own.Generation))
		}
		for _, b := range w.Cluster.Members {
			other := s.Hosts[b.Name]
			if ca, ok := issuerOf(s, other, "peer"); ok && other.Process != nil && !accepts(host, runsWith(w, host), ca) {
				errs = append(errs, fmt.Errorf("%s does not accept %s, whose certificate is of peer CA %d", a.Name, b.Name,
					ca.Generation))
			}
		}
	}
	return errors.Join(errs...)
}

// ownCA is the CA that signs clusterup's own certificate: the oldest of the client CAs that is not retired.
func ownCA(s facts.Snapshot) (facts.CA, bool) {
	for _, ca := range s.Operator.CAs {
		if ca.Role == "client" && !ca.Retired && s.Taken.Before(ca.NotAfter) {
			return ca, true
		}
	}
	return facts.CA{}, false
}

// lawTrust is law 5 for one stage.
func lawTrust(w Want, s facts.Snapshot, stage plan.Stage) error {
	for i, step := range stage.Steps {
		var err error
		switch step.Kind {
		case plan.IssueLeaf:
			err = errors.Join(lawSigner(w, s, *step.Leaf), lawAccepted(s, *step.Leaf))
		case plan.StartMember, plan.RestartMember:
			err = lawDrop(w, s, step, words([]byte(startsWith(w, s, stage.Steps[:i], step.Host))))
		case plan.RetireCA:
			err = lawRetire(w, s, step)
		}
		if err != nil {
			return fmt.Errorf("law 5: %s: %w", step.ID(), err)
		}
	}
	return nil
}

// lawSigner: every member of a cluster that exists trusts the CA that signs, unless it trusts none any more that has
// not ended and is not retired.
func lawSigner(w Want, s facts.Snapshot, leaf plan.Leaf) error {
	_, exists := identities(w, s)
	several := 0
	var signer facts.CA
	for _, ca := range s.Operator.CAs {
		if ca.Role != leaf.CA {
			continue
		}
		several++
		if ca.Generation == leaf.Generation {
			signer = ca
		}
	}
	switch {
	case signer.SHA256 == "" && several > 0:
		return fmt.Errorf("there is no %s CA %d", leaf.CA, leaf.Generation)
	case signer.Retired:
		return fmt.Errorf("%s CA %d is retired", leaf.CA, leaf.Generation)
	case !exists || several < 2:
		return nil
	}
	for _, m := range staying(w, s) {
		host := s.Hosts[m.Name]
		command := runsWith(w, host)
		good := func(ca facts.CA) bool {
			return ca.Role == leaf.CA && !ca.Retired && s.Taken.Before(ca.NotAfter) && accepts(host, command, ca)
		}
		if !accepts(host, command, signer) && slices.ContainsFunc(s.Operator.CAs, good) {
			return fmt.Errorf("%s does not trust %s CA %d yet", m.Name, leaf.CA, leaf.Generation)
		}
	}
	return nil
}

// staying are the members that a certificate counts for: all but those that have left.
func staying(w Want, s facts.Snapshot) []inventory.Member {
	return slices.DeleteFunc(slices.Clone(w.Cluster.Members), func(m inventory.Member) bool {
		return m.Absent && s.Members != nil && !slices.ContainsFunc(s.Members, func(l facts.Listed) bool {
			return l.Name == m.Name || l.ID == s.Hosts[m.Name].Data.MemberID
		})
	})
}

// lawDrop: no member is started with a bundle that lacks a CA of which a good leaf is in use.
func lawDrop(w Want, s facts.Snapshot, step plan.Step, command []string) error {
	for _, m := range staying(w, s) {
		for _, role := range []string{"peer", "server"} {
			host := s.Hosts[m.Name]
			ca, ok := issuerOf(s, host, role)
			if ok && s.Taken.Before(host.Leaves[role].NotAfter) && !accepts(s.Hosts[step.Host], command, ca) {
				return fmt.Errorf("would not accept the %s certificate of %s, which is of CA %d", role, m.Name, ca.Generation)
			}
		}
	}
	return nil
}

// lawRetire: an old CA is retired when nothing in use is of it; that clients still have certificates of it takes
// consent. A new CA is retired to take its rotation back.
func lawRetire(w Want, s facts.Snapshot, step plan.Step) error {
	left, clients := 0, 0
	for _, ca := range s.Operator.CAs {
		if ca.Role == step.CA && !ca.Retired && ca.Generation != step.Generation {
			left++
		}
	}
	if left == 0 {
		return errors.New("no CA would be left")
	}
	if slices.Contains(w.Abort, step.CA) {
		return nil
	}
	if hold := s.Operator.Holds[step.CA]; hold != "" {
		return fmt.Errorf("the rotation is held after %s", hold)
	}
	for _, c := range s.Operator.Clients {
		if c.Generation == step.Generation && !c.Revoked && step.CA == "client" &&
			!slices.ContainsFunc(s.Operator.Clients, func(other facts.Client) bool {
				return other.Name == c.Name && other.Generation > c.Generation && !other.Revoked
			}) {
			clients++
		}
	}
	if clients > 0 && !slices.Contains(w.Accept, plan.OldClients) {
		return fmt.Errorf("%d clients are of it", clients)
	}
	return lawFound(w, s, step)
}

// lawFound is law 13 for an old CA: new connections between all members were seen to succeed without it.
func lawFound(w Want, s facts.Snapshot, step plan.Step) error {
	for _, m := range staying(w, s) {
		host := s.Hosts[m.Name]
		role := map[string]string{"peer": "peer", "client": "server"}[step.CA]
		found := 0
		for _, served := range host.Serves[role] {
			if served.Accepts != "" && served.Accepts == newestOf(s, step.CA).SHA256 &&
				slices.Contains(served.Valid, served.Accepts) {
				found++
			}
		}
		if all := len(host.Serves[role]); found < all && (role == "peer" || found == 0) {
			return fmt.Errorf("law 13: %d of %d new connections with %s were seen to succeed without it", found, all, m.Name)
		}
		if ca, ok := issuerOf(s, host, role); ok && ca.Generation == step.Generation {
			return fmt.Errorf("the %s certificate of %s is of it", role, m.Name)
		}
		for _, served := range host.Serves[role] {
			if served.SHA256 != "" && served.SHA256 != host.Leaves[role].SHA256 {
				return fmt.Errorf("%s serves another certificate than lies there", m.Name)
			}
		}
	}
	return nil
}

// lawAccepted is law 13 for the certificates of a new CA: none is made while a member does not accept it.
func lawAccepted(s facts.Snapshot, leaf plan.Leaf) error {
	live := slices.DeleteFunc(slices.Clone(s.Operator.CAs),
		func(ca facts.CA) bool { return ca.Role != leaf.CA || ca.Retired })
	if len(live) > 1 && newestOf(s, leaf.CA).Generation == leaf.Generation && turnedDown(s, leaf.Role) {
		return fmt.Errorf("law 13: a member does not accept %s CA %d", leaf.CA, leaf.Generation)
	}
	return nil
}

func newestOf(s facts.Snapshot, role string) facts.CA {
	var newest facts.CA
	for _, ca := range s.Operator.CAs {
		if ca.Role == role && !ca.Retired && ca.Generation > newest.Generation {
			newest = ca
		}
	}
	return newest
}

// turnedDown says that new handshakes with a member have failed, for certificates of a role.
func turnedDown(s facts.Snapshot, role string) bool {
	for _, host := range s.Hosts {
		if slices.ContainsFunc(host.Serves[role], func(v facts.Served) bool { return v.Refuses != "" || v.Invalid != "" }) {
			return true
		}
	}
	return false
}

// lawSettledCAs: where nothing is left to do, no rotation is half done, but for one that waits for somebody.
func lawSettledCAs(w Want, s facts.Snapshot) error {
	for _, role := range []string{"peer", "client"} {
		if turnedDown(s, trust.LeafOf[role]) {
			continue // it waits for somebody
		}
		var live, retired []facts.CA
		for _, ca := range s.Operator.CAs {
			switch {
			case ca.Role != role:
			case ca.Retired:
				retired = append(retired, ca)
			default:
				live = append(live, ca)
			}
		}
		if len(live) == 0 {
			return fmt.Errorf("settled: no %s CA", role)
		}
		hold := s.Operator.Holds[role]
		signer := live[len(live)-1]
		if len(live) > 1 && hold == trust.HoldTrust {
			signer = live[0]
		}
		if len(live) > 1 && hold == "" && !(role == "client" && len(s.Operator.Clients) > 0 &&
			!slices.Contains(w.Accept, plan.OldClients)) {
			return fmt.Errorf("settled: there are %d %s CAs", len(live), role)
		}
		for _, m := range w.Cluster.Present() {
			host := s.Hosts[m.Name]
			leaf := host.Leaves[map[string]string{"peer": "peer", "client": "server"}[role]]
			if leaf.Issuer != signer.SHA256 || !leaf.Intact {
				return fmt.Errorf("settled: %s has no certificate of %s CA %d", m.Name, role, signer.Generation)
			}
			for _, ca := range live {
				if !accepts(host, runsWith(w, host), ca) {
					return fmt.Errorf("settled: %s does not trust %s CA %d", m.Name, role, ca.Generation)
				}
			}
			for _, ca := range retired {
				if secure(w, role) && accepts(host, runsWith(w, host), ca) {
					return fmt.Errorf("settled: %s still trusts %s CA %d", m.Name, role, ca.Generation)
				}
			}
		}
	}
	return lawSettledSchemes(w, s)
}

func secure(w Want, role string) bool {
	return role == "peer" && w.Cluster.TLS.Peers || role == "client" && w.Cluster.TLS.Clients
}

// lawSchemes: a member is made known with https when everybody can dial it, and right before it listens so. No member
// is started to listen with another scheme than the one it is known by.
func lawSchemes(w Want, s facts.Snapshot, stage plan.Stage) error {
	known := map[string]string{}
	for _, member := range s.Members {
		if len(member.PeerURLs) > 0 {
			known[member.Name] = member.PeerURLs[0]
		}
	}
	for i, step := range stage.Steps {
		switch step.Kind {
		case plan.UpdateMember:
			was := known[step.Host]
			known[step.Host] = step.PeerURLs[0]
			restarts := slices.ContainsFunc(stage.Steps[i:],
				func(next plan.Step) bool { return next.Kind == plan.RestartMember && next.Host == step.Host })
			if p := s.Hosts[step.Host].Process; p != nil && was != step.PeerURLs[0] &&
				units.Flag(p.Args, "listen-peer-urls") == step.PeerURLs[0] {
				restarts = true // it listens there already
			}
			if !restarts || stage.Width != 1 || !serving(w, s)[step.Through] {
				return fmt.Errorf("tls: %s: it does not restart then, or %s does not serve", step.ID(), step.Through)
			}
			for _, m := range staying(w, s) {
				if strings.HasPrefix(step.PeerURLs[0], "https:") &&
					units.Flag(runsWith(w, s.Hosts[m.Name]), "peer-trusted-ca-file") == "" {
					return fmt.Errorf("tls: %s: %s cannot dial https yet", step.ID(), m.Name)
				}
			}
		case plan.StartMember, plan.RestartMember:
			listens := units.Flag(words([]byte(startsWith(w, s, stage.Steps[:i], step.Host))), "listen-peer-urls")
			is, _, _ := strings.Cut(listens, "://")
			want, _, _ := strings.Cut(known[step.Host], "://")
			if want != "" && is != want && len(w.Cluster.Members) > 1 {
				return fmt.Errorf("tls: %s: it is known at %s, and would listen at %s", step.ID(), known[step.Host], listens)
			}
		}
	}
	return nil
}

func lawSettledSchemes(w Want, s facts.Snapshot) error {
	for _, member := range s.Members {
		i := slices.IndexFunc(w.Cluster.Members, func(m inventory.Member) bool { return m.Name == member.Name })
		if i < 0 {
			continue
		}
		args := s.Hosts[member.Name].Process.Args
		peers := units.Flag(args, "listen-peer-urls")
		if strings.HasPrefix(member.PeerURLs[0], "https:") != w.Cluster.TLS.Peers ||
			strings.HasPrefix(peers, "https:") != w.Cluster.TLS.Peers {
			return fmt.Errorf("settled: %s is known at %s, and listens at %s", member.Name, member.PeerURLs[0], peers)
		}
		if clients := units.Flag(args, "listen-client-urls"); strings.HasPrefix(clients, "https:") != w.Cluster.TLS.Clients {
			return fmt.Errorf("settled: %s serves clients at %s", member.Name, clients)
		}
	}
	return nil
}
