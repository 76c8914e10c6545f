package etcd

import (
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
)

// Notes say what an observer's certificate can do beyond looking, and where it cannot look.
func TestObserverNotes(t *testing.T) {
	now := map[string]string{"etcd-1": "3.6.16", "etcd-2": "3.6.12", "etcd-3": ""}
	old := map[string]string{"etcd-1": "3.6.16", "etcd-2": "3.6.11", "etcd-3": "3.5.31"}
	on := facts.Rights{Known: true, On: true}
	for name, test := range map[string]struct {
		rights   facts.Rights
		versions map[string]string
		want     []string
	}{
		"all is well":      {on, now, nil},
		"not known":        {facts.Rights{}, now, []string{"not known whether"}},
		"off":              {facts.Rights{Known: true}, now, []string{"can read and write all keys"}},
		"it has a role":    {facts.Rights{Known: true, On: true, Reads: true}, now, []string{"take its roles away"}},
		"on, and old":      {on, old, []string{"etcd-2 (3.6.11) and etcd-3 (3.5.31): while etcd's permissions are on"}},
		"off, and old":     {facts.Rights{Known: true}, old, []string{"all keys", "once etcd's permissions are on"}},
		"nothing is known": {facts.Rights{}, nil, []string{"not known whether"}},
	} {
		got := ObserverNotes(test.rights, test.versions)
		for i, want := range test.want {
			if len(got) != len(test.want) || !strings.Contains(got[i], want) {
				t.Errorf("%s: %q, want %q", name, got, test.want)
				break
			}
		}
		if len(test.want) == 0 && len(got) > 0 {
			t.Errorf("%s: %q", name, got)
		}
	}
	for version, want := range map[string]string{
		"3.6.11": "3.5.32, 3.6.12 and 3.7.0 on", "3.6.12": "refuse the observer",
	} {
		if got := Hidden(version); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", version, got, want)
		}
	}
}

// Members are judged by their client ports alone: whether they answer, are listed, and are of the same cluster.
func TestPorted(t *testing.T) {
	w := wanted(t, 5)
	w.Cluster.Members[4].Absent = true
	s := facts.Snapshot{Cluster: 7, Hosts: map[string]facts.Host{}}
	for i, m := range w.Cluster.Members[:4] {
		id := facts.ID(i + 1)
		host := facts.Host{Machine: facts.Machine{Name: m.Name}}
		host.Process, host.Etcd = &facts.Process{}, &facts.Status{ClusterID: 7, MemberID: id, Leader: 1}
		host.Data = facts.Data{WAL: true, ClusterID: 7, MemberID: id}
		s.Hosts[m.Name] = host
		s.Members = append(s.Members, facts.Listed{ID: id, Name: m.Name, Learner: i == 2})
	}
	s.Members = append(s.Members, facts.Listed{ID: 5, Name: "etcd-5"}, facts.Listed{ID: 9, Name: "who"})
	other := s.Hosts["etcd-4"]
	other.Etcd = &facts.Status{ClusterID: 8, MemberID: 4}
	s.Hosts["etcd-4"] = other
	s.Hosts["etcd-2"] = facts.Host{Machine: facts.Machine{Name: "etcd-2", Unreachable: "refused"}}
	var got []string
	for _, one := range Ported(w, s) {
		text := one.Name + " " + string(one.Class)
		if one.Learner {
			text += ", a learner"
		}
		got = append(got, text)
	}
	want := "etcd-1 running; etcd-2 dark; etcd-3 running, a learner; etcd-4 foreign; who unexpected"
	if strings.Join(got, "; ") != want {
		t.Errorf("they stand as %q, want %q", strings.Join(got, "; "), want)
	}
}
