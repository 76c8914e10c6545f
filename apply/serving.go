package apply

import (
	"net/url"
	"slices"
	"sync"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan/etcd"
)

// serving remembers where members serve clients. While that is being changed, a member is at its old place until it has
// restarted.
type serving struct {
	mu sync.Mutex
	at map[string]string // by member

	// of the last look
	dark, down map[string]bool // members of which it found nothing out, and those whose process does not run
	learners   map[string]bool
	list       []facts.Listed
	size       int64 // bytes of the largest database
}

func (s *serving) saw(seen facts.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.dark, s.down = map[string]string{}, map[string]bool{}, map[string]bool{}
	s.learners, s.list, s.size = map[string]bool{}, seen.Members, 0
	for name, host := range seen.Hosts {
		s.at[name], s.dark[name], s.down[name] = host.Endpoint, host.Dark(), host.Process == nil
		if host.Etcd != nil {
			s.learners[name] = host.Etcd.Learner
			s.size = max(s.size, host.Etcd.DBSize)
		}
	}
}

// hasVote says that the last look saw a member with a vote.
func (s *serving) hasVote(id facts.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.list, func(m facts.Listed) bool { return m.ID == id && !m.Learner })
}

// ran says that the last look saw a member's process.
func (s *serving) ran(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	down, seen := s.down[name]
	return seen && !down && !s.dark[name]
}

// learner says that the last look saw a member at an address of peers that has no vote, and how large the others'
// databases were, in bytes.
func (s *serving) learner(address string) (size int64, learner bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size, slices.ContainsFunc(s.list, func(m facts.Listed) bool {
		return m.Learner && slices.ContainsFunc(m.PeerURLs, func(raw string) bool {
			u, err := url.Parse(raw)
			return err == nil && u.Host == address
		})
	})
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

// members are those whose hosts are not dark, by name, in the order of the inventory; one that is to leave is among
// them while it runs.
func (r *Run) members() []string {
	return r.which(func(name string, absent bool) bool {
		return !r.serving.dark[name] && !(absent && r.serving.down[name])
	})
}

// voters are those of them that are wanted, and that the last look did not see as learners.
func (r *Run) voters() []string {
	return r.which(func(name string, absent bool) bool {
		return !r.serving.dark[name] && !r.serving.down[name] && !absent && !r.serving.learners[name]
	})
}

// which asks of every member of the inventory.
func (r *Run) which(is func(name string, absent bool) bool) (names []string) {
	r.serving.mu.Lock()
	defer r.serving.mu.Unlock()
	for _, m := range r.Want.Cluster.Members {
		if is(m.Name, m.Absent) {
			names = append(names, m.Name)
		}
	}
	return names
}
