package look

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/clusterup/clusterup/facts"
)

// Knock is one TLS handshake.
type Knock struct {
	From    string // the member on whose host it begins
	Role    string // peer or server: of the certificate that the port shows; we knock as a peer, or as a client
	Address string // host:port
	// CA is the generation of the certificate that we show; the handshake then waits for a sign that the port accepts
	// it. 0: one that is accepted in any case, and no sign is waited for.
	CA int
}

// shake looks at the certificates that a running member serves, from all other hosts. While a CA changes it tries more,
// since a member that restarts has to find the others: whether the member accepts a certificate of the newest CA, if it
// trusts that one, and by which CAs alone its own certificate would be accepted.
func (l looker) shake(ctx context.Context, name string, host facts.Host) map[string][]facts.Served {
	if l.src.Handshake == nil {
		return nil
	}
	seen := map[string][]facts.Served{}
	var wg sync.WaitGroup
	for role, address := range doors(host, peerDoor(host.Process.Args, l.src.Asks[name].Peer)) {
		views := make([]facts.Served, 0, len(l.src.Asks))
		for from := range l.src.Asks {
			if from != name || len(l.src.Asks) == 1 {
				views = append(views, facts.Served{From: from})
			}
		}
		slices.SortFunc(views, func(a, b facts.Served) int { return strings.Compare(a.From, b.From) })
		seen[role] = views
		changing := l.changing(role)
		newest := newestTrusted(changing, host)
		for i := range views {
			wg.Go(func() {
				l.knock(ctx, Knock{views[i].From, role, address, newest.Generation}, newest, changing, &views[i])
			})
		}
	}
	wg.Wait()
	return seen
}

// peerDoor is where peers reach a member that runs: while its address changes, that is not the wanted one.
func peerDoor(args []string, wanted string) string {
	first, _, _ := strings.Cut(argument(args, "--initial-advertise-peer-urls="), ",")
	if u, err := url.Parse(first); err == nil && u.Host != "" && wanted != "" {
		return u.Host
	}
	return wanted
}

// doors are the addresses at which a member speaks TLS, by role.
func doors(host facts.Host, peer string) map[string]string {
	found := map[string]string{}
	secure := func(arg string) bool { return strings.HasPrefix(arg, "--listen-peer-urls=https:") }
	if peer != "" && slices.ContainsFunc(host.Process.Args, secure) {
		found["peer"] = peer
	}
	if u, err := url.Parse(host.Endpoint); err == nil && u.Scheme == "https" {
		found["server"] = u.Host
	}
	return found
}

// changing are the CAs, oldest first, of which members have certificates of a role, or will have; nil where there are
// not several.
func (l looker) changing(role string) []facts.CA {
	var live []facts.CA
	for _, ca := range l.cas {
		if ca.Role == caOf[role] && !ca.Retired {
			live = append(live, ca)
		}
	}
	if len(live) < 2 {
		return nil
	}
	return live
}

var (
	caOf        = map[string]string{"peer": "peer", "server": "client"}
	bundleFlags = map[string]string{"peer": "--peer-trusted-ca-file=", "client": "--trusted-ca-file="}
)

// newestTrusted is the last of some CAs, if a member runs with a bundle that has it, and it can sign; else the zero CA.
func newestTrusted(cas []facts.CA, host facts.Host) facts.CA {
	if len(cas) == 0 {
		return facts.CA{}
	}
	newest := cas[len(cas)-1]
	for _, arg := range host.Process.Args {
		file, ok := strings.CutPrefix(arg, bundleFlags[newest.Role])
		if ok && newest.Signing && bytes.Contains(host.Files[file].Content, newest.Trusted()) {
			return newest
		}
	}
	return facts.CA{}
}

// knock makes one handshake, and another where the first fails in a way that may pass.
func (l looker) knock(ctx context.Context, k Knock, newest facts.CA, changing []facts.CA, view *facts.Served) {
	if err := l.answered(k.From); err != nil { // a dial would only wait for the same failure again
		view.Error = err.Error()
		return
	}
	chain, err := l.src.Handshake(ctx, k)
	if err != nil && k.CA != 0 && !errors.Is(err, facts.ErrNoCertificate) && !errors.Is(err, facts.ErrRefused) {
		chain, err = l.src.Handshake(ctx, k)
	}
	if len(chain) > 0 {
		sum := sha256.Sum256(chain[0].Raw)
		view.SHA256, view.Name = hex.EncodeToString(sum[:]), facts.Whose(chain[0])
		for _, ca := range changing {
			if err := alone(chain, ca, k.Address, l.src.Now()); err == nil {
				view.Valid = append(view.Valid, ca.SHA256)
			} else if ca.SHA256 == newest.SHA256 {
				view.Invalid = err.Error()
			}
		}
	}
	switch {
	case errors.Is(err, facts.ErrRefused):
		view.Refuses = err.Error()
	case err != nil:
		view.Error, view.Broken = err.Error(), errors.Is(err, facts.ErrNoCertificate)
	default:
		view.Accepts = newest.SHA256
	}
}

// alone verifies a chain as etcd would if this CA were all that it trusts: as a server's, by the name that is
// dialled, and as a client's, since members are both to each other.
func alone(chain []*x509.Certificate, ca facts.CA, address string, now time.Time) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	roots, along := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.Trusted())
	for _, cert := range chain[1:] {
		along.AddCert(cert)
	}
	names := map[x509.ExtKeyUsage]string{x509.ExtKeyUsageServerAuth: host, x509.ExtKeyUsageClientAuth: ""}
	for usage, name := range names {
		options := x509.VerifyOptions{
			Roots: roots, Intermediates: along, CurrentTime: now, DNSName: name, KeyUsages: []x509.ExtKeyUsage{usage},
		}
		if _, err := chain[0].Verify(options); err != nil {
			return err
		}
	}
	return nil
}
