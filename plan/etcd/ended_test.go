package etcd

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/trust"
)

// lapsed is a cluster whose CAs of some roles have ended, and with them all that they have signed; nobody can ask it
// then.
func lapsed(s facts.Snapshot, roles ...string) facts.Snapshot {
	s.Operator.CAs = slices.Clone(s.Operator.CAs)
	for i, ca := range s.Operator.CAs {
		if slices.Contains(roles, ca.Role) {
			s.Operator.CAs[i].NotAfter = noon.AddDate(0, 0, -1)
		}
	}
	for _, name := range s.Names() {
		s = change(s, name, func(h *facts.Host) {
			for _, role := range roles {
				leaf := h.Leaves[trust.LeafOf[role]]
				leaf.NotAfter = noon.AddDate(0, 0, -1)
				h.Leaves[trust.LeafOf[role]] = leaf
			}
			if slices.Contains(roles, "client") {
				h.Etcd, h.Reads, h.EtcdError = nil, false, "certificate has expired"
			}
		})
	}
	if slices.Contains(roles, "client") {
		s.Members = nil
	}
	return s
}

// A CA that has ended is replaced with consent only; members that could not do with each other then restart side by
// side, others one at a time. In the end the new one alone is trusted.
func TestEndedCAs(t *testing.T) {
	for _, test := range []struct {
		roles    []string
		together int // stages in which more than one member restarts
	}{{[]string{"peer"}, 1}, {[]string{"client"}, 0}, {trust.Roles, 1}} {
		t.Run(fmt.Sprint(test.roles), func(t *testing.T) {
			w := wanted(t, 3)
			s := lapsed(settled(t, w), test.roles...)
			was := s
			_, err := Next(w, s)
			var refused *plan.Refused
			if !errors.As(err, &refused) || len(refused.Refusals) != len(test.roles) || !refused.Only(plan.NeedsConsent) {
				t.Fatalf("without consent: %v", err)
			}
			w.Accept = []plan.Risk{plan.Downtime}
			together := 0
			for stages := 0; ; stages++ {
				stage, err := Next(w, s)
				if err != nil || stages > 20 {
					t.Fatalf("after %d stages: %v", stages, err)
				}
				if stage == nil {
					break
				}
				if err := lawTrust(w, s, *stage); err != nil {
					t.Error(err)
				}
				if count := len(stage.Steps); stage.Width > 1 && stage.Steps[count-1].Kind == plan.RestartMember {
					together++
				}
				s = Simulate(w, s, *stage)
				for name, host := range s.Hosts { // it is started with the CA that lets somebody in, or nobody asks it
					restarted := host.Process.PID != was.Hosts[name].Process.PID
					if slices.Contains(test.roles, "client") && !restarted && host.Etcd != nil {
						t.Errorf("after %q %s answers, which lets nobody in", stage.Name, name)
					}
				}
			}
			if err := lawSettledCAs(w, s); err != nil || together != test.together {
				t.Errorf("%v; %d stages restart several members, want %d", err, together, test.together)
			}
		})
	}
}

// Where members ask for no certificate, the end of a CA does not matter.
func TestEndedCAOfPlainMembers(t *testing.T) {
	w := wanted(t, 3)
	plainly(&w)
	s := lapsed(settled(t, w), "peer")
	if _, err := Next(w, s); err != nil {
		t.Error(err)
	}
	securely(&w)
	for stages := 0; ; stages++ {
		stage, err := Next(w, s)
		if err != nil || stages > 40 {
			t.Fatalf("after %d stages: %v", stages, err)
		}
		if stage == nil {
			break
		}
		if stage.Width > 1 && slices.ContainsFunc(stage.Steps,
			func(s plan.Step) bool { return s.Kind == plan.RestartMember }) {
			t.Errorf("%s: nothing is cut off here", stage.Name)
		}
		s = Simulate(w, s, *stage)
	}
}
