package apply

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/clusterup/clusterup/facts"
)

func TestVerifyFindings(t *testing.T) {
	status := func(h *facts.Host, do func(s *facts.Status)) {
		s := *h.Etcd
		do(&s)
		h.Etcd = &s
	}
	tests := map[string]struct {
		spoil func(s *facts.Snapshot, h *facts.Host)
		says  string
	}{
		"silent": {
			func(_ *facts.Snapshot, h *facts.Host) { h.Etcd, h.EtcdError = nil, "connect: refused" },
			"etcd-2 does not answer: connect: refused",
		},
		"no reads": {
			func(_ *facts.Snapshot, h *facts.Host) { h.Reads, h.ReadError = false, "no leader" },
			"etcd-2 serves no linearizable read: no leader",
		},
		"complains": {func(_ *facts.Snapshot, h *facts.Host) {
			status(h, func(s *facts.Status) { s.Errors = []string{"NOSPACE"} })
		}, "etcd-2 says: NOSPACE"},
		"two leaders": {
			func(_ *facts.Snapshot, h *facts.Host) { status(h, func(s *facts.Status) { s.Leader++ }) },
			"do not agree on a leader",
		},
		"no leader": {
			func(_ *facts.Snapshot, h *facts.Host) { status(h, func(s *facts.Status) { s.Leader = 0 }) },
			"do not agree on a leader",
		},
		"an alarm": {func(s *facts.Snapshot, _ *facts.Host) {
			s.Alarms = []facts.Alarm{{Member: 0xab, Type: "CORRUPT"}}
		}, "member ab has raised the alarm CORRUPT"},
		"another version": {
			func(_ *facts.Snapshot, h *facts.Host) {
				status(h, func(s *facts.Status) { s.Version = "3.6.15" })
			},
			"etcd-2 runs a release called 3.6.16, and says that it is 3.6.15",
		},
		"a member too few": {
			func(s *facts.Snapshot, _ *facts.Host) { s.Members = s.Members[1:] },
			"members: the cluster has 2, the inventory 3",
		},
	}
	for name, test := range tests {
		inBubble(t, name, func(t *testing.T) {
			o := newWorld(t, wanted(t, 3))
			r := o.run("first")
			result, err := r.Converge(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if found := r.check(result.Snapshot); len(found) != 0 {
				t.Fatalf("findings %q in a good cluster", found)
			}
			s := result.Snapshot
			s.Hosts = maps.Clone(s.Hosts)
			host := s.Hosts["etcd-2"]
			test.spoil(&s, &host)
			s.Hosts["etcd-2"] = host
			if found := r.check(s); len(found) != 1 || !strings.Contains(found[0], test.says) {
				t.Errorf("findings %q, want one that says %q", found, test.says)
			}
		})
	}
}

// While a host is dark the list may differ from the inventory: the run says what waits, and that is no finding.
func TestVerifyListBesideDark(t *testing.T) {
	inBubble(t, "", func(t *testing.T) {
		o := newWorld(t, wanted(t, 3))
		r := o.run("first")
		result, err := r.Converge(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s := result.Snapshot
		s.Hosts, s.Members = maps.Clone(s.Hosts), s.Members[1:]
		s.Hosts["etcd-3"] = facts.Host{Machine: facts.Machine{Name: "etcd-3", Unreachable: "no route"}}
		if found := r.check(s); len(found) > 0 {
			t.Errorf("findings %q", found)
		}
	})
}

func TestVerifyCanary(t *testing.T) {
	inBubble(t, "", func(t *testing.T) {
		o := newWorld(t, wanted(t, 3))
		o.bad = "https://10.0.0.12:2379"
		_, err := o.run("first").Converge(t.Context())
		var verify *VerifyError
		if !errors.As(err, &verify) || len(verify.Findings) != 1 ||
			verify.Findings[0] != "write, read and delete through etcd-2: database space exceeded" {
			t.Errorf("error %v", err)
		}
	})
}

// An alarm is a finding of a run that had nothing to do, too.
func TestVerifyIdle(t *testing.T) {
	inBubble(t, "", func(t *testing.T) {
		o := newWorld(t, wanted(t, 3))
		settled(t, o, "first")
		o.alarms = []facts.Alarm{{Member: 1, Type: "NOSPACE"}}
		var verify *VerifyError
		if _, err := o.run("second").Converge(t.Context()); !errors.As(err, &verify) {
			t.Errorf("error %v", err)
		}
	})
}

// Events come in an order that a view can rely on, and hold no key.
func TestEvents(t *testing.T) {
	inBubble(t, "", func(t *testing.T) {
		o := newWorld(t, wanted(t, 3))
		r := o.run("first")
		var mu sync.Mutex
		var events []Event
		r.Emit = func(e Event) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, e)
		}
		result, err := r.Converge(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		stage, begun, done := "", map[string]bool{}, 0
		for i, e := range events {
			if !e.Time.Equal(noon) {
				t.Errorf("event %d has no time", i)
			}
			switch e.Type {
			case StageStarted:
				stage, begun = e.Stage, map[string]bool{}
				if stage == "" || e.Text == "" || e.Steps == 0 {
					t.Errorf("%+v", e)
				}
			case StepStarted:
				if e.Stage != stage || e.Step == "" || e.Kind == "" || e.Text == "" {
					t.Errorf("in %q: %+v", stage, e)
				}
				begun[e.Step] = true
			case StepProgress:
				if !begun[e.Step] || e.Done != 7 || e.Total != 7 {
					t.Errorf("%+v", e)
				}
			case StepDone:
				if !begun[e.Step] || e.Stage != stage {
					t.Errorf("in %q: %+v", stage, e)
				}
				delete(begun, e.Step)
				done++
			case StageDone:
				if e.Stage != stage || len(begun) != 0 {
					t.Errorf("%q ends with %v under way", stage, begun)
				}
				stage = ""
			case Verifying, Verified:
				if stage != "" || i < len(events)-2 {
					t.Errorf("%s at %d of %d", e.Type, i, len(events))
				}
			default:
				t.Errorf("%+v", e)
			}
		}
		if done != result.Steps || events[len(events)-1].Type != Verified ||
			!strings.Contains(events[len(events)-1].Text, "3 of 3 members serve, leader etcd-") {
			t.Errorf("%d of %d steps done, last %+v", done, result.Steps, events[len(events)-1])
		}
		keyless(t, events)
	})
}

// Nor does what is said about a failure.
func TestFailureHoldsNoKey(t *testing.T) {
	for _, point := range []string{
		"before issue-leaf/peer/etcd-1#write-1", "after issue-leaf/peer/etcd-1#write-1",
		"amid issue-leaf/peer/etcd-1",
	} {
		inBubble(t, point, func(t *testing.T) {
			o := newWorld(t, wanted(t, 1))
			r := o.run("first")
			var mu sync.Mutex
			var events []Event
			r.Emit = func(e Event) {
				mu.Lock()
				defer mu.Unlock()
				events = append(events, e)
			}
			r.Seam = o.seam(func(p string) error {
				if p == point {
					return errFault
				}
				return nil
			})
			_, err := r.Converge(t.Context())
			last := events[len(events)-1]
			if last.Type != StepFailed || last.Error == "" || !errors.Is(err, errFault) {
				t.Errorf("last event %+v, error %v", last, err)
			}
			keyless(t, events)
			if text := fmt.Sprintf("%+v %#v", err, err); strings.Contains(text, "PRIVATE") {
				t.Errorf("a key in the error %s", text)
			}
		})
	}
}

func keyless(t *testing.T, events []Event) {
	t.Helper()
	raw, err := json.Marshal(events)
	if err != nil || strings.Contains(string(raw), "PRIVATE") || strings.Contains(string(raw), "of a leaf") {
		t.Errorf("a key in the events, or %v: %s", err, raw)
	}
}
