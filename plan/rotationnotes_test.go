package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
)

// Whoever takes a rotation back is told which clients it cuts off, and not what concerns one that goes on.
func TestTakenBackNotes(t *testing.T) {
	w := wanted(t, 3)
	s := issued(settled(t, w))
	next := s.Operator.CAs[slices.IndexFunc(s.Operator.CAs, func(ca facts.CA) bool { return ca.Role == "client" })]
	next.Generation, next.SHA256 = 2, "another"
	s.Operator.CAs = append(slices.Clone(s.Operator.CAs), next)
	early := facts.Client{Name: "early", Serial: "2", Generation: 2, NotAfter: noon.AddDate(1, 0, 0)}
	for _, test := range []struct {
		name    string
		clients []facts.Client
		want    string
	}{
		{"nobody was quick", s.Operator.Clients, ""},
		{"somebody was", append(slices.Clone(s.Operator.Clients), early), "client early: the newest certificate is of client CA 2, which is taken back"},
	} {
		s.Operator.Clients = test.clients
		got := strings.Join(newView(AbortRotation(w, []string{"client"}), s).clientNotes(), "\n")
		if test.want == "" && got != "" || !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: the notes are %q, want %q", test.name, got, test.want)
		}
	}
}
