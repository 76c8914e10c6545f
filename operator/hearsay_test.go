package operator

import (
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/remote"
)

// A dark host's member that the cluster does not list is told of without asking anybody; where no member can be asked,
// nothing is told.
func TestHeard(t *testing.T) {
	s, _ := lockedSession(t)
	seen := *s.last.Load()
	seen.Hosts["etcd-3"] = facts.Host{Machine: facts.Machine{Name: "etcd-3", Unreachable: "no route"}}
	if got := s.Heard(t.Context(), seen); len(got) != 0 {
		t.Errorf("nobody was asked, and yet %v", got)
	}
	one := seen.Hosts["etcd-1"]
	one.Etcd = &facts.Status{}
	seen.Hosts["etcd-1"] = one
	seen.Members = seen.Members[:2]
	if got := s.Heard(t.Context(), seen); len(got) != 1 || got["etcd-3"].Listed {
		t.Errorf("heard %v", got)
	}
	seen.Hosts["etcd-3"] = facts.Host{Machine: facts.Machine{Name: "etcd-3"}}
	if got := s.Heard(t.Context(), seen); len(got) != 0 {
		t.Errorf("no host is dark, and yet %v", got)
	}
}

// Members are asked about side by side, also where the cluster lists only some of them; and at the addresses of the
// inventory alone.
func TestHeardOfMany(t *testing.T) {
	s, _ := lockedSession(t)
	s.options.Dialer, s.dir = &remote.Dialer{}, t.TempDir()
	s.Now, s.Etcd = time.Now, newEtcdAPI(s)
	seen := *s.last.Load()
	for _, name := range []string{"etcd-2", "etcd-3"} {
		seen.Hosts[name] = facts.Host{Machine: facts.Machine{Name: name, Unreachable: "no route"}}
	}
	one := seen.Hosts["etcd-1"]
	one.Etcd = &facts.Status{}
	seen.Hosts["etcd-1"] = one
	for range 20 {
		seen.Members = seen.Members[:2]
		if got := s.Heard(t.Context(), seen); len(got) != 2 || !got["etcd-2"].Listed || got["etcd-2"].Serves ||
			got["etcd-3"].Listed {
			t.Fatalf("heard %v", got)
		}
	}
	m := s.Cluster.Members[1]
	for said, want := range map[string]string{
		"http://10.0.0.12:2381": "http://10.0.0.12:2381", "https://10.9.9.9:2379": "https://10.0.0.12:2379",
		"://": "https://10.0.0.12:2379",
	} {
		if got := clientURL(s.Cluster, m, facts.Listed{ClientURLs: []string{said}}); got != want {
			t.Errorf("%s: asked at %s", said, got)
		}
	}
}
