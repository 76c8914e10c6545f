package etcd

import (
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
)

// A block can go when its member has left: where its host is clean, or dark because the machine is gone.
func TestLeft(t *testing.T) {
	w, s := grown(t, 3, 3)
	w = absent(w, "etcd-3")
	if left := Left(w, s); len(left) > 0 {
		t.Errorf("a member that is one still: %q", left)
	}
	gone := s
	gone.Members = slices.DeleteFunc(slices.Clone(s.Members), func(l facts.Listed) bool { return l.Name == "etcd-3" })
	if left := Left(w, gone); len(left) > 0 {
		t.Errorf("its files are still there: %q", left)
	}
	for name, host := range map[string]facts.Host{"clean": bare(w).Hosts["etcd-3"], "dark": {Machine: facts.Machine{
		Name: "etcd-3", Unreachable: "no route",
	}}} {
		gone := change(gone, "etcd-3", func(h *facts.Host) { *h = host })
		if left := Left(w, gone); len(left) != 1 || !strings.HasPrefix(left[0], "etcd-3 has left") ||
			strings.Contains(left[0], "is clean") == (name == "dark") {
			t.Errorf("%s: %q", name, left)
		}
		gone.Members = nil
		if left := Left(w, gone); len(left) > 0 {
			t.Errorf("%s, and nobody tells who is a member: %q", name, left)
		}
	}
}

// That one member is to be left alone is said as long as it can be thought over.
func TestOneIsLeft(t *testing.T) {
	const alone = "one member is left, so the cluster stops whenever that one does"
	w, s := grown(t, 2, 2)
	for _, c := range []struct {
		leave []string
		want  bool
	}{{nil, false}, {[]string{"etcd-2"}, true}} {
		p := build(t, absent(w, c.leave...), s)
		if said := slices.Contains(p.Notes, alone); said != c.want {
			t.Errorf("%v leave: %q", c.leave, p.Notes)
		}
	}
}
