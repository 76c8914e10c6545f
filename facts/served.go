package facts

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// ErrNoCertificate means that a port answered, and ended the handshake before it had shown a certificate. Trying again is of no use while the
// same pair lies there.
var ErrNoCertificate = errors.New("it has no certificate that it can show")

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
				sum, shown, err := src.Handshake(ctx, views[i].From, role, address)
				views[i].SHA256, views[i].Name = sum, shown
				if err != nil {
					views[i].Error, views[i].Broken = err.Error(), errors.Is(err, ErrNoCertificate)
				}
			})
		}
	}
	wg.Wait()
	return seen
}
