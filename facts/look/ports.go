package look

import (
	"context"
	"crypto/x509"
	"errors"
	"net/url"
	"sync"

	"github.com/clusterup/clusterup/facts"
)

// Ports asks the members alone, at their client ports, and blocks until all have answered or failed: no host is looked
// at, and nothing is known of what lies there. The leaf of a server is the one that its port shows. A member that does
// not answer counts as a host that could not be looked at; one that does not let us see how it is, as one that could
// not be asked. Of src it needs Asks (only their endpoints), Etcd, Handshake and Now.
func Ports(ctx context.Context, src Source) facts.Snapshot {
	s := facts.Snapshot{Taken: src.Now(), Hosts: map[string]facts.Host{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	l := looker{src: src}
	for name, ask := range src.Asks {
		wg.Go(func() {
			host := l.port(ctx, name, ask.Endpoint)
			mu.Lock()
			defer mu.Unlock()
			s.Hosts[name] = host
		})
	}
	wg.Wait()
	agree(&s)
	askAgain(ctx, &s, src)
	return s
}

// port asks one member.
func (l looker) port(ctx context.Context, name, endpoint string) facts.Host {
	host := facts.Host{Machine: facts.Machine{Name: name}, Member: facts.Member{Endpoint: endpoint}}
	var wg sync.WaitGroup
	var chain []*x509.Certificate
	if u, err := url.Parse(endpoint); err == nil && u.Scheme == "https" {
		wg.Go(func() { chain, _ = l.src.Handshake(ctx, Knock{From: name, Role: "server", Address: u.Host}) })
	}
	err := talk(ctx, Source{Etcd: unasked{l.src.Etcd}}, endpoint, &host)
	wg.Wait()
	if len(chain) > 0 {
		leaf := leafOf(chain[0])
		leaf.Role = "server"
		host.Leaves = map[string]facts.Leaf{"server": leaf}
	}
	switch {
	case err == nil: // so it runs, and has data
		host.Process = &facts.Process{}
		host.Data = facts.Data{
			Exists: true, WAL: true, ClusterID: host.Etcd.ClusterID, MemberID: host.Etcd.MemberID,
		}
	case host.Denied, errors.Is(err, facts.ErrTLS):
		host.Unasked, host.Err = err.Error(), err
	default:
		host.Unreachable, host.Err = err.Error(), err
	}
	return host
}

// unasked is Etcd without the question for permissions, which etcd may send through raft's log.
type unasked struct{ Etcd }

func (unasked) AuthState(context.Context, string, bool) (facts.AuthState, error) {
	return facts.AuthState{}, errors.New("it is not asked for")
}
