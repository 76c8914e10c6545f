package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
)

// told is a cluster of which a test says what each member answers, since the test began.
type told struct {
	Etcd
	names  map[string]string // by endpoint
	status func(name string, since time.Duration) (facts.Status, error)
	reads  func(name string) error
	began  time.Time

	mu    sync.Mutex
	asked map[string]int // by name
	wrote []string       // through whom
}

func (e *told) Canary(_ context.Context, endpoint, _, _ string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.wrote = append(e.wrote, e.names[endpoint])
	return nil
}

func (e *told) Status(_ context.Context, endpoint string) (facts.Status, error) {
	name := e.names[endpoint]
	e.mu.Lock()
	e.asked[name]++
	e.mu.Unlock()
	return e.status(name, time.Since(e.began))
}

func (e *told) ReadLinearizable(_ context.Context, endpoint string) error {
	return e.reads(e.names[endpoint])
}

// learning is a run among three voters and etcd-4, a learner of the ID a4.
func learning(t *testing.T, e *told, dark ...string) *Run {
	t.Helper()
	w := wanted(t, 4)
	e.names, e.began, e.asked = map[string]string{}, time.Now(), map[string]int{}
	if e.reads == nil {
		e.reads = func(name string) error {
			if name == "etcd-4" {
				return fmt.Errorf("read: %w", facts.ErrLearner)
			}
			return nil
		}
	}
	seen := facts.Snapshot{Hosts: map[string]facts.Host{}}
	for i, m := range w.Cluster.Members {
		e.names[etcd.ClientURL(w.Cluster, m)] = m.Name
		host := facts.Host{Machine: facts.Machine{Name: m.Name}}
		if slices.Contains(dark, m.Name) {
			host.Unreachable = "no route"
		}
		host.Process, host.Etcd = &facts.Process{}, &facts.Status{Leader: 0xa1, DBSize: 100 * slowest}
		seen.Hosts[m.Name] = host
		seen.Members = append(seen.Members, facts.Listed{
			ID: facts.ID(0xa1 + i), Learner: i == 3, PeerURLs: []string{"https://" + m.PeerAddress + ":2380"},
		})
	}
	r := &Run{Want: w, Etcd: e, Now: time.Now, Hosts: map[string]Host{}}
	r.serving.saw(seen)
	return r
}

func TestAwaitLearner(t *testing.T) {
	refused := errors.New("connection refused")
	const size = 100 * slowest // bytes of the database, which are 100 s on their way
	for name, test := range map[string]struct {
		learner func(since time.Duration) (facts.Status, error)
		voter   func(name string, since time.Duration) (facts.Status, error) // nil: at 10000
		reads   func(string) error
		dark    []string
		took    time.Duration // at least, and a second more at most
		says    string        // of the error; empty: there is none
	}{
		"there already": {
			learner: func(time.Duration) (facts.Status, error) {
				return facts.Status{Learner: true, Leader: 0xa1, Applied: 10000 - maxLag}, nil
			},
		},
		"an entry too few": {
			learner: func(time.Duration) (facts.Status, error) {
				return facts.Status{Learner: true, Leader: 0xa1, Applied: 10000 - maxLag - 1}, nil
			},
			took: 190 * time.Second,
			says: "etcd-4 has not caught up: nothing new has reached it for 3m10s: it lacks 101 raft entries that the others " +
				"have applied, and may lack 100; ",
		},
		"slowly": {
			learner: func(since time.Duration) (facts.Status, error) {
				return facts.Status{Learner: true, Leader: 0xa1, Applied: 10 * uint64(since/time.Second)}, nil
			},
			took: 990 * time.Second,
		},
		"in one piece": {
			learner: func(since time.Duration) (facts.Status, error) {
				s := facts.Status{Learner: true, Leader: 0xa1}
				if since >= 180*time.Second {
					s.Applied = 10000
				}
				return s, nil
			},
			took: 180 * time.Second,
		},
		"the database first": {
			learner: func(since time.Duration) (facts.Status, error) {
				s := facts.Status{Learner: true, Leader: 0xa1, DBSize: int64(since / time.Minute)}
				if since >= 500*time.Second {
					s.Applied = 10000
				}
				return s, nil
			},
			took: 500 * time.Second,
		},
		"more is written than it applies": {
			learner: func(since time.Duration) (facts.Status, error) {
				return facts.Status{Learner: true, Leader: 0xa1, Applied: uint64(since / time.Second)}, nil
			},
			voter: func(_ string, since time.Duration) (facts.Status, error) {
				return facts.Status{Leader: 0xa1, Applied: 10000 + 2*uint64(since/time.Second), DBSize: size}, nil
			},
			took: 1900 * time.Second,
			says: "etcd-4 has not caught up: more is written than reaches it, for 31m40s: it lacks 11900",
		},
		"a crash over and over": { // what it has had before is no progress
			learner: func(since time.Duration) (facts.Status, error) {
				return facts.Status{Learner: true, Leader: 0xa1, Applied: uint64(since/time.Second) % 10}, nil
			},
			took: 199 * time.Second, says: "nothing new has reached it for 3m10s",
		},
		"it does not run": {
			learner: func(time.Duration) (facts.Status, error) { return facts.Status{}, refused },
			took:    190 * time.Second, says: "nothing new has reached it for 3m10s: connection refused; ",
		},
		"it knows no leader": {
			learner: func(time.Duration) (facts.Status, error) {
				return facts.Status{Learner: true, Applied: 10000}, nil
			},
			took: 190 * time.Second, says: "it knows no leader",
		},
		"it votes": {
			learner: func(time.Duration) (facts.Status, error) { return facts.Status{Leader: 0xa1}, nil },
			reads:   func(string) error { return nil },
		},
		"it does not know yet that it has no vote": {
			learner: func(since time.Duration) (facts.Status, error) {
				if since < 10*time.Second {
					return facts.Status{}, nil
				}
				return facts.Status{Learner: true, Leader: 0xa1, Applied: 10000}, nil
			},
			reads: func(string) error { return errors.New("no leader") },
			took:  10 * time.Second,
		},
		"nobody asks its users": {
			learner: func(time.Duration) (facts.Status, error) {
				return facts.Status{}, fmt.Errorf("ask: %w", facts.ErrPermission)
			},
			says: "permission denied",
		},
		"no voter answers": {
			learner: func(time.Duration) (facts.Status, error) {
				return facts.Status{Learner: true, Leader: 0xa1, Applied: 10000}, nil
			},
			voter: func(string, time.Duration) (facts.Status, error) { return facts.Status{}, refused },
			took:  90 * time.Second, says: "nothing new has reached it for 1m30s: no member that votes",
		},
		"most voters are dark": {
			learner: func(time.Duration) (facts.Status, error) {
				return facts.Status{Learner: true, Leader: 0xa1, Applied: 9950}, nil
			},
			dark: []string{"etcd-1", "etcd-3"},
		},
		"one says that it has more than there is": {
			learner: func(time.Duration) (facts.Status, error) {
				return facts.Status{Learner: true, Leader: 0xa1, Applied: 9950}, nil
			},
			voter: func(name string, _ time.Duration) (facts.Status, error) {
				return facts.Status{Leader: 0xa1, Applied: map[string]uint64{"etcd-2": 1 << 63}[name] + 10000}, nil
			},
		},
		"another learner, and one that is cut off, are ahead": {
			learner: func(time.Duration) (facts.Status, error) {
				return facts.Status{Learner: true, Leader: 0xa1, Applied: 10000}, nil
			},
			voter: func(name string, _ time.Duration) (facts.Status, error) {
				return map[string]facts.Status{
					"etcd-1": {Leader: 0xa1, Applied: 10000},
					"etcd-2": {Leader: 0xa1, Learner: true, Applied: 20000},
					"etcd-3": {Applied: 30000},
				}[name], nil
			},
		},
	} {
		inBubble(t, name, func(t *testing.T) {
			e := &told{reads: test.reads}
			e.status = func(name string, since time.Duration) (facts.Status, error) {
				switch {
				case name == "etcd-4":
					return test.learner(since)
				case test.voter != nil:
					return test.voter(name, since)
				}
				return facts.Status{Leader: 0xa1, Applied: 10000, DBSize: size}, nil
			}
			r := learning(t, e, test.dark...)
			err := r.do(t.Context(), plan.Step{Kind: plan.AwaitLearner, Host: "etcd-4"})
			if took := time.Since(e.began); took < test.took || took > test.took+time.Second {
				t.Errorf("after %s, want %s", took, test.took)
			}
			switch {
			case (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says):
				t.Errorf("error %v, want %q", err, test.says)
			case err != nil && test.took > 0 && !strings.HasSuffix(err.Error(), "clusterup member remove etcd-4"):
				t.Errorf("%v does not say what to do", err)
			}
			for _, dark := range test.dark {
				if e.asked[dark] > 0 {
					t.Errorf("%s is dark, and was asked", dark)
				}
			}
		})
	}
	inBubble(t, "cut off", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r := learning(t, &told{status: func(string, time.Duration) (facts.Status, error) { return facts.Status{}, refused }})
		err := r.do(ctx, plan.Step{Kind: plan.AwaitLearner, Host: "etcd-4"})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// A learner is there when it knows a leader, since it serves no reads. A member with a vote takes itself for a learner
// until it has read its log.
func TestAwaitMemberThatLearns(t *testing.T) {
	for name, test := range map[string]struct {
		status facts.Status
		took   time.Duration
		says   string
	}{
		"a learner": {status: facts.Status{MemberID: 0xa4, Learner: true, Leader: 0xa1}},
		"one without a leader": {
			facts.Status{MemberID: 0xa4, Learner: true},
			190 * time.Second,
			"etcd-4 has not caught up: no linearizable read within 3m10s: it has joined as a learner, and knows no leader; ",
		},
		"one that has a vote": {
			facts.Status{MemberID: 0xa2, Learner: true, Leader: 0xa1}, settles, facts.ErrLearner.Error(),
		},
	} {
		inBubble(t, name, func(t *testing.T) {
			e := &told{status: func(string, time.Duration) (facts.Status, error) { return test.status, nil }}
			r := learning(t, e)
			r.Hosts["etcd-4"] = spoken(func(context.Context, string) (string, error) { return "", nil })
			err := r.do(t.Context(), plan.Step{Kind: plan.AwaitMember, Host: "etcd-4"})
			if took := time.Since(e.began); took != test.took || (err == nil) != (test.says == "") ||
				err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("after %s: %v", took, err)
			}
		})
	}
	for name, disk := range map[string]func(since time.Duration) string{
		"on its way": func(since time.Duration) string { return fmt.Sprintf("%d\t/var/lib/etcd-prod\n", since/time.Second) },
		"stuck":      func(time.Duration) string { return "64\t/var/lib/etcd-prod\n" },
	} {
		inBubble(t, name, func(t *testing.T) {
			e := &told{}
			e.reads = func(string) error {
				if time.Since(e.began) < 10*time.Minute {
					return errors.New("connection refused")
				}
				return fmt.Errorf("read: %w", facts.ErrLearner)
			}
			e.status = func(_ string, since time.Duration) (facts.Status, error) {
				if since < 10*time.Minute {
					return facts.Status{}, errors.New("connection refused")
				}
				return facts.Status{MemberID: 0xa4, Learner: true, Leader: 0xa1}, nil
			}
			r := learning(t, e)
			r.Hosts["etcd-4"] = spoken(func(context.Context, string) (string, error) { return disk(time.Since(e.began)), nil })
			err := r.do(t.Context(), plan.Step{Kind: plan.AwaitMember, Host: "etcd-4"})
			switch took := time.Since(e.began); {
			case name == "on its way" && (err != nil || took != 10*time.Minute),
				name == "stuck" && (took != 280*time.Second || !strings.Contains(err.Error(), "clusterup member remove etcd-4")):
				t.Errorf("after %s: %v", took, err)
			}
		})
	}
	inBubble(t, "one that reads is not asked", func(t *testing.T) {
		e := &told{reads: func(string) error { return nil }}
		err := learning(t, e).do(t.Context(), plan.Step{Kind: plan.AwaitMember, Host: "etcd-4"})
		if err != nil || e.asked["etcd-4"] > 0 {
			t.Errorf("asked %d times: %v", e.asked["etcd-4"], err)
		}
	})
}

// A learner calls itself ready only when it has caught up, so it has time while something reaches its disk.
func TestStartOfLearner(t *testing.T) {
	for name, test := range map[string]struct {
		host  string
		ready time.Duration // 0: never
		disk  func(since time.Duration) string
		took  time.Duration
		says  string
	}{
		"its database is on its way": {
			host: "etcd-4", ready: 10 * time.Minute, took: 10 * time.Minute,
			disk: func(since time.Duration) string { return fmt.Sprintf("%d\t/var/lib/etcd-prod\n", since/time.Second) },
		},
		"nothing comes": {
			host: "etcd-4", took: 190 * time.Second, disk: func(time.Duration) string { return "" },
			says: "etcd-4 has not caught up: the unit did not become ready within 3m10s; ",
		},
		"nothing comes any more": {
			host: "etcd-4", took: 280 * time.Second, disk: func(time.Duration) string { return "64\t/var/lib/etcd-prod\n" },
			says: "etcd-4 has not caught up: the unit did not become ready within 4m40s; ",
		},
		"a voter": {host: "etcd-3", took: 90 * time.Second, says: "the unit did not become ready within 1m30s"},
	} {
		inBubble(t, name, func(t *testing.T) {
			e := &told{status: func(string, time.Duration) (facts.Status, error) {
				return facts.Status{MemberID: 0xa4, Learner: true, Leader: 0xa1}, nil
			}}
			r := learning(t, e)
			r.Hosts[test.host] = spoken(func(ctx context.Context, script string) (string, error) {
				switch {
				case script == diskUse("/var/lib/etcd-prod"):
					return test.disk(time.Since(e.began)), nil
				case test.ready == 0:
					<-ctx.Done()
					return "", ctx.Err()
				}
				select {
				case <-ctx.Done():
					return "", ctx.Err()
				case <-time.After(test.ready):
					return "", nil
				}
			})
			err := r.do(t.Context(), plan.Step{Kind: plan.StartMember, Host: test.host, Unit: "etcd-prod"})
			if took := time.Since(e.began); took != test.took || (err == nil) != (test.says == "") ||
				err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("after %s: %v; want %s: %q", took, err, test.took, test.says)
			}
		})
	}
}

// spoken is a host on which scripts are all that happens.
type spoken func(ctx context.Context, script string) (string, error)

func (s spoken) Script(ctx context.Context, script string) ([]byte, error) {
	out, err := s(ctx, script)
	return []byte(out), err
}

func (spoken) Write(context.Context, ...Part) (done, failed int, err error) {
	return 0, 0, errors.New("not to be expected")
}

func (spoken) Feed(context.Context, string, Input, func(done, total int64)) error {
	return errors.New("not to be expected")
}

// A learner among the members neither counts nor fails when all are asked to name their leader.
func TestAwaitLeaderWithLearner(t *testing.T) {
	inBubble(t, "", func(t *testing.T) {
		e := &told{status: func(name string, _ time.Duration) (facts.Status, error) {
			return facts.Status{Leader: map[string]facts.ID{"etcd-4": 0xff}[name] + 0xa1}, nil
		}}
		r := learning(t, e)
		reads := e.reads
		e.reads = func(name string) error { // there is an election
			if name != "etcd-4" && time.Since(e.began) < 3*settles {
				return errors.New("no leader")
			}
			return reads(name)
		}
		if err := r.do(t.Context(), plan.Step{Kind: plan.AwaitLeader}); err != nil || time.Since(e.began) < 3*settles {
			t.Errorf("after %s: %v", time.Since(e.began), err)
		}
	})
}

// Nothing is asked of learners that they do not serve, and nothing of members that have left.
func TestLearnersAndAbsentAreNotAsked(t *testing.T) {
	inBubble(t, "", func(t *testing.T) {
		o := newWorld(t, wanted(t, 4))
		if _, err := o.run("first").Converge(t.Context()); err != nil {
			t.Fatal(err)
		}
		r := o.run("second")
		seen := o.seen
		seen.Hosts = maps.Clone(seen.Hosts)
		for name, do := range map[string]func(h *facts.Host){
			"etcd-3": func(h *facts.Host) { h.Process, h.Etcd, h.Reads = nil, nil, false },
			"etcd-4": func(h *facts.Host) {
				status := *h.Etcd
				status.Learner, status.Leader = true, 0xff
				h.Etcd, h.Reads = &status, false
			},
		} {
			host := seen.Hosts[name]
			do(&host)
			seen.Hosts[name] = host
		}
		r.Want.Cluster.Members[2].Absent = true
		seen.Members = seen.Members[1:]
		r.serving.saw(seen)
		if got := fmt.Sprint(r.members(), r.voters()); got != "[etcd-1 etcd-2 etcd-4] [etcd-1 etcd-2]" {
			t.Errorf("members and voters: %s", got)
		}
		if findings := r.check(seen); len(findings) > 0 {
			t.Errorf("found %q", findings)
		}
		if text := summary(r.Want, seen); !strings.Contains(text, "3 of 3 members serve") {
			t.Error(text)
		}
		o.canary = map[string]int{}
		if findings := r.canaries(t.Context()); len(findings) > 0 || len(o.canary) != 2 {
			t.Errorf("%v, %q", o.canary, findings)
		}
		if findings, note := r.hashes(t.Context()); len(findings) > 0 || note != "" {
			t.Errorf("%q, %s", findings, note)
		}
		if host := seen.Hosts["etcd-3"]; host.Process == nil { // it still runs: it is asked who leads
			host.Process = &facts.Process{}
			seen.Hosts["etcd-3"] = host
			r.serving.saw(seen)
		}
		if got := fmt.Sprint(r.members(), r.voters()); got != "[etcd-1 etcd-2 etcd-3 etcd-4] [etcd-1 etcd-2]" {
			t.Errorf("members and voters: %s", got)
		}
	})
}

// A change of who is a member is asked of the member through which it goes, again while that may help.
func TestChangeMembers(t *testing.T) {
	for _, kind := range []plan.Kind{plan.AddLearner, plan.PromoteMember, plan.RemoveMember} {
		for name, test := range map[string]struct {
			err  error
			took time.Duration
		}{
			"too early":  {errors.New("etcdserver: unhealthy cluster"), 8 * time.Second},
			"no members": {facts.ErrNoMember, 0},
		} {
			inBubble(t, string(kind)+" "+name, func(t *testing.T) {
				o := running(t, 3, "3.6.16", "3.6.16")
				began := time.Now()
				o.refuses = map[plan.Kind]func() error{kind: func() error {
					if time.Since(began) < 8*time.Second {
						return test.err
					}
					return nil
				}}
				err := o.run("second").do(t.Context(), plan.Step{
					Kind: kind, Host: "etcd-3", Through: "etcd-1", Member: o.seen.Hosts["etcd-3"].Data.MemberID,
					PeerURLs: []string{"https://10.0.0.13:2380"},
				})
				if took := time.Since(began); took != test.took || facts.Hopeless(test.err) != (err != nil) {
					t.Errorf("after %s: %v", took, err)
				}
			})
		}
	}
}

// A vote is neither given nor taken while too few of those serve that have to.
func TestGateOfMembership(t *testing.T) {
	inBubble(t, "", func(t *testing.T) {
		o := running(t, 3, "3.6.16", "3.6.16")
		o.change("etcd-2", func(h *facts.Host) { h.Reads = false })
		o.refuses = map[plan.Kind]func() error{plan.RemoveMember: func() error {
			t.Error("a member was removed")
			return nil
		}}
		err := o.run("second").do(t.Context(), plan.Step{
			Kind: plan.RemoveMember, Host: "etcd-3", Through: "etcd-1",
			Needs: &plan.Needs{Least: 2, Serve: []string{"etcd-1", "etcd-2"}},
		})
		want := "remove-member/etcd-3 is not done: 1 of the other members serve now, and 2 have to: etcd-2: "
		if !errors.As(err, new(*GateError)) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	})
}
