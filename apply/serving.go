package apply

import (
	"sync"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan/etcd"
)

// serving remembers where members serve clients. While that is being changed, a member is at its old place until it has
// restarted.
type serving struct {
	mu sync.Mutex
	at map[string]string // by member

	dark map[string]bool // members of which the last look found nothing out
}

func (s *serving) saw(seen facts.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.dark = map[string]string{}, map[string]bool{}
	for name, host := range seen.Hosts {
		s.at[name], s.dark[name] = host.Endpoint, host.Dark()
	}
}

// moved forgets where a member was: it has started anew, with what is wanted.
func (s *serving) moved(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.at, name)
}

// endpoint is where a member serves clients.
func (r *Run) endpoint(name string) string {
	r.serving.mu.Lock()
	at := r.serving.at[name]
	r.serving.mu.Unlock()
	if at != "" {
		return at
	}
	for _, m := range r.Want.Cluster.Members {
		if m.Name == name {
			return etcd.ClientURL(r.Want.Cluster, m)
		}
	}
	return ""
}

// members are those whose hosts are not dark, by name, in the order of the inventory.
func (r *Run) members() []string {
	r.serving.mu.Lock()
	defer r.serving.mu.Unlock()
	var names []string
	for _, m := range r.Want.Cluster.Members {
		if !r.serving.dark[m.Name] {
			names = append(names, m.Name)
		}
	}
	return names
}
