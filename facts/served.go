package facts

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// shake looks at the certificates that a running member serves, from all other hosts.
func shake(ctx context.Context, src Source, name string, args []string, endpoint string) map[string][]Served {
	if src.Handshake == nil {
		return nil
	}
	doors := map[string]string{}
	if peer := src.Asks[name].Peer; peer != "" && slices.ContainsFunc(args, func(arg string) bool {
		return strings.HasPrefix(arg, "--listen-peer-urls=https:")
	}) {
		doors["peer"] = peer
	}
	if u, err := url.Parse(endpoint); err == nil && u.Scheme == "https" {
		doors["server"] = u.Host
	}
	seen := map[string][]Served{}
	var wg sync.WaitGroup
	for role, address := range doors {
		views := make([]Served, 0, len(src.Asks))
		for from := range src.Asks {
			if from != name || len(src.Asks) == 1 {
				views = append(views, Served{From: from})
			}
		}
		slices.SortFunc(views, func(a, b Served) int { return strings.Compare(a.From, b.From) })
		seen[role] = views
		for i := range views {
			wg.Go(func() {
				var err error
				if views[i].SHA256, views[i].Name, err = src.Handshake(ctx, views[i].From, role, address); err != nil {
					views[i].Error = err.Error()
				}
			})
		}
	}
	wg.Wait()
	return seen
}
