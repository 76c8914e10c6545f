package apply

import (
	"sync"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// serving remembers where members serve clients. While that is being changed, a member is at its old place until it has restarted.
type serving struct {
	mu sync.Mutex
	at map[string]string // by member
}

func (s *serving) saw(seen facts.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = map[string]string{}
	for name, host := range seen.Hosts {
		s.at[name] = host.Endpoint
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
			return plan.ClientURL(r.Want.Cluster, m)
		}
	}
	return ""
}
