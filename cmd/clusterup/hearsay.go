package main

import (
	"context"
	"fmt"
	"net/url"
	"sync"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan/etcd"
)

// hearsay is what the cluster says of a member whose host is dark: its member list, and the member's client port as
// another member's host reaches it. That the host does not answer here says nothing of that.
type hearsay struct {
	Listed  bool   `json:"listed"`            // the member list has it
	Serves  bool   `json:"serves"`            // it served a linearizable read
	From    string `json:"from,omitempty"`    // the member from whose host it was asked
	Version string `json:"version,omitempty"` // of etcd, as it says
	Error   string `json:"error,omitempty"`   // why it served none
}

func (h hearsay) String() string {
	switch {
	case !h.Listed:
		return "the cluster lists no such member"
	case h.Serves:
		return fmt.Sprintf("the cluster lists it, and it serves reads to %s's host", h.From)
	}
	return fmt.Sprintf("the cluster lists it, and it serves no read to %s's host: %s", h.From, h.Error)
}

// heard asks others about every member whose host is dark; nothing is told where no other one is there to ask.
func (s *session) heard(ctx context.Context, seen facts.Snapshot) map[string]hearsay {
	from := ""
	for _, m := range s.cluster.Members {
		if host := seen.Hosts[m.Name]; !host.Dark() && host.Etcd != nil && (from == "" || !seen.Hosts[from].Reads) {
			from = m.Name
		}
	}
	list := etcd.Listed(etcd.Want{Cluster: s.cluster}, seen)
	found := map[string]hearsay{}
	if from == "" || list == nil {
		return found
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, m := range s.cluster.Members {
		if !seen.Hosts[m.Name].Dark() {
			continue
		}
		wg.Go(func() {
			said := hearsay{}
			if member, ok := list[m.Name]; ok {
				said = s.askedFrom(ctx, from, clientURL(s.cluster, m, member))
			}
			mu.Lock()
			defer mu.Unlock()
			found[m.Name] = said
		})
	}
	wg.Wait()
	return found
}

// clientURL is where a member serves clients: as the cluster says where that is its address in the inventory, and else
// as the inventory has it. Nobody else is asked because a host says so.
func clientURL(c *inventory.Cluster, m inventory.Member, listed facts.Member) string {
	for _, said := range listed.ClientURLs {
		if u, err := url.Parse(said); err == nil && u.Hostname() == m.ClientAddress {
			return said
		}
	}
	return etcd.ClientURL(c, m)
}

// askedFrom asks the member behind an endpoint from another one's host.
func (s *session) askedFrom(ctx context.Context, from, endpoint string) hearsay {
	s.etcd.route(from, endpoint)
	said := hearsay{Listed: true, From: from}
	if err := s.etcd.ReadLinearizable(ctx, endpoint); err != nil {
		said.Error = err.Error()
	} else {
		said.Serves = true
	}
	if status, err := s.etcd.Status(ctx, endpoint); err == nil {
		said.Version = status.Version
	}
	return said
}

// tell puts what was heard beside the members.
func tell(members []memberStatus, heard map[string]hearsay) {
	for i, m := range members {
		if said, ok := heard[m.Member]; ok {
			members[i].Hearsay = &said
		}
	}
}

// heard adds to what was found of dark hosts what the cluster itself says of their members.
func (c *checked) heard(said map[string]hearsay) {
	for i, f := range c.Findings {
		if of, ok := said[f.Host]; ok && (f.Kind == "unreachable" || f.Kind == "unknown") {
			c.Findings[i].Text += "; " + of.String()
			c.Findings[i].Hearsay = &of
		}
	}
}
