package operator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/probe"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/remote"
)

// shell lets facts and apply speak to a host of package remote.
type shell struct{ host *remote.Host }

func (s shell) Script(ctx context.Context, script string) ([]byte, error) {
	return s.host.Script(ctx, script)
}

func (s shell) Write(ctx context.Context, parts ...apply.Part) (done, failed int, err error) {
	puts := make([]remote.Part, len(parts))
	for i, part := range parts {
		puts[i].Before, puts[i].Then = part.Before, part.Then
		for _, f := range part.Files {
			puts[i].Files = append(puts[i].Files, remote.File{
				Path: f.Path, Owner: f.Owner, Group: f.Group, Mode: f.Mode, Content: f.Data, Secret: f.Secret, New: f.New,
			})
		}
	}
	return s.host.Put(ctx, puts...)
}

func (s shell) Feed(ctx context.Context, script string, input apply.Input, progress func(done, total int64)) error {
	return s.host.Feed(ctx, script, remote.Input(input), progress)
}

func (s shell) Hold(ctx context.Context, script string) (string, <-chan struct{}, func() error, error) {
	held, err := s.host.Hold(ctx, script)
	if err != nil {
		return "", nil, nil, err
	}
	return held.Line, held.Lost(), held.Close, nil
}

// prober is a host of package remote that is only looked at. Errors that waiting does not mend, such as remote.ErrAuth,
// become sentinels of package facts.
type prober struct{ shell }

func (p prober) Script(ctx context.Context, script string) ([]byte, error) {
	return p.host.Ask(ctx, script)
}

func (p prober) AskUntil(ctx context.Context, script string, until <-chan struct{}, out io.Writer) error {
	return p.host.AskUntil(ctx, script, until, out)
}

func (p prober) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := p.host.DialContext(ctx, network, address)
	switch {
	case errors.Is(err, remote.ErrForwarding):
		return nil, fmt.Errorf("%w: %w", facts.ErrNoForwarding, err)
	case errors.Is(err, remote.ErrAuth), errors.Is(err, remote.ErrHostKey), errors.Is(err, remote.ErrSudo):
		return nil, fmt.Errorf("%w: %w", facts.ErrNoAccess, err)
	}
	return conn, err
}

// Probes probes the hosts that could be looked at.
func (s *Session) Probes(ctx context.Context, seen facts.Snapshot,
	source probe.Source,
) (map[string]probe.Probe, error) {
	source.Hosts, source.Now = map[string]probe.Host{}, s.Now
	for name, host := range seen.Hosts {
		if host.Unreachable == "" {
			source.Hosts[name] = prober{shell{s.hosts[name]}}
		}
	}
	probes := probe.Gather(ctx, source)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("probe hosts: %w", err)
	}
	return probes, nil
}

// Unreached is a *plan.Refused for the hosts that could not be looked at; nil: there are none. Anything else that is
// wrong with a cluster is a result of status, and no error.
func (s *Session) Unreached(seen facts.Snapshot) error {
	refused := &plan.Refused{}
	told := map[string]bool{} // a host may be a member's and a node's
	add := func(name string, is facts.Machine) {
		if reason := cmp.Or(is.Unasked, strings.TrimPrefix(is.Unreachable, name+": ")); reason != "" && !told[name] {
			told[name] = true
			refused.Refusals = append(refused.Refusals, plan.Refusal{
				Kind: plan.Unreachable, Host: name, Reason: reason, Remedy: Remedy(is.Err),
			})
		}
	}
	for _, m := range s.Cluster.Members {
		add(m.Name, seen.Hosts[m.Name].Machine)
	}
	for _, n := range s.Cluster.Nodes() {
		add(n.Name, seen.Nodes[n.Name].Machine)
	}
	if len(refused.Refusals) == 0 {
		return nil
	}
	return refused
}

// Remedied adds their remedies to the refusals of dark hosts in err, and returns err. Package plan has only the text of
// such an error, while seen holds the error itself, which knows the remedy.
func Remedied(err error, seen facts.Snapshot) error {
	refusals := plan.RefusalsOf(err)
	for i, r := range refusals {
		if r.Kind == plan.Unreachable && r.Remedy == "" {
			err := seen.Hosts[r.Host].Err
			if err == nil {
				err = seen.Nodes[r.Host].Err
			}
			refusals[i].Remedy = Remedy(err)
		}
	}
	return err
}
