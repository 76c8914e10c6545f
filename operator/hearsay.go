package operator

import (
	"context"
	"net/url"
	"sync"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan/etcd"
)

// Heard is what the cluster says of each member whose host is dark, by name: whether it is listed, and what it answers
// to another member's host. The map is empty where no other member can be asked. It blocks until all have answered.
func (s *Session) Heard(ctx context.Context, seen facts.Snapshot) map[string]facts.Hearsay {
	from := ""
	for _, m := range s.Cluster.Members {
		if host := seen.Hosts[m.Name]; !host.Dark() && host.Etcd != nil && (from == "" || !seen.Hosts[from].Reads) {
			from = m.Name
		}
	}
	list := etcd.Listed(etcd.Want{Cluster: s.Cluster}, seen)
	found := map[string]facts.Hearsay{}
	if from == "" || list == nil {
		return found
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, m := range s.Cluster.Members {
		if !seen.Hosts[m.Name].Dark() {
			continue
		}
		wg.Go(func() {
			said := facts.Hearsay{}
			if member, ok := list[m.Name]; ok {
				said = s.askedFrom(ctx, from, clientURL(s.Cluster, m, member))
			}
			mu.Lock()
			defer mu.Unlock()
			found[m.Name] = said
		})
	}
	wg.Wait()
	return found
}

// clientURL is where a member serves clients. A URL from the member list counts only if its host is the member's client
// address in the inventory, so that no host can send clusterup elsewhere; else it is the inventory's URL.
func clientURL(c *inventory.Cluster, m inventory.Member, listed facts.Listed) string {
	for _, said := range listed.ClientURLs {
		if u, err := url.Parse(said); err == nil && u.Hostname() == m.ClientAddress {
			return said
		}
	}
	return etcd.ClientURL(c, m)
}

// askedFrom asks the member behind an endpoint from another one's host.
func (s *Session) askedFrom(ctx context.Context, from, endpoint string) facts.Hearsay {
	s.Etcd.route(from, endpoint)
	said := facts.Hearsay{Listed: true, From: from}
	var wg sync.WaitGroup
	wg.Go(func() { // beside the read: one that does not answer is waited for once
		if status, err := s.Etcd.Status(ctx, endpoint); err == nil {
			said.Version = status.Version
		}
	})
	err := s.Etcd.ReadLinearizable(ctx, endpoint)
	wg.Wait()
	if said.Serves = err == nil; !said.Serves {
		said.Error = err.Error()
	}
	return said
}
