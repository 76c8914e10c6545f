package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/node/haproxy"
)

const (
	// readyEvery is how often HAProxy is looked at by whoever waits for it.
	readyEvery = 200 * time.Millisecond
	// lookLimit is how long one look may take.
	lookLimit = 5 * time.Second
)

// Takes are the backends of a configuration in which HAProxy has a server that is up and takes new clients, in their
// order.
func Takes(ctx context.Context, cfg Config) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	socket := haproxy.Socket{Path: cfg.HAProxy}
	seen, err := socket.Look(ctx)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, b := range cfg.Backends {
		if slices.ContainsFunc(seen, func(s haproxy.Seen) bool { return s.Backend == b.Name && s.Takes() && s.Up }) {
			found = append(found, b.Name)
		}
	}
	return found, nil
}

// Await waits until Takes has all these backends, or ctx ends; then the error says which it lacks, or why HAProxy does
// not tell.
func Await(ctx context.Context, cfg Config, backends []string) error {
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for {
		found, err := Takes(context.WithoutCancel(ctx), cfg)
		lack := slices.DeleteFunc(slices.Clone(backends), func(name string) bool { return slices.Contains(found, name) })
		switch {
		case err == nil && len(lack) == 0:
			return nil
		case err == nil:
			err = fmt.Errorf("no server is up for %s", strings.Join(lack, ", "))
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}
