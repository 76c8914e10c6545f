package etcd

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/trust"
)

func ofCAs(t *testing.T, w Want) []dead {
	t.Helper()
	base := settled(t, w)
	given := func(s facts.Snapshot) facts.Snapshot {
		s.Operator.CAs = slices.Clone(s.Operator.CAs)
		for i := range s.Operator.CAs {
			s.Operator.CAs[i].Given = true
		}
		return s
	}
	unfit := base
	unfit.Operator.Unfit = map[string]string{"client": "the key is not there"}
	unfit.Operator.Replaced = map[string]string{"client": "another one is given"}
	under := until(t, theirs(w), replaced(w, base))
	useless := under[len(under)-1]
	useless.Operator.Unfit = map[string]string{"peer": "it lacks clientAuth"}
	takenOut := func(_ Want, s facts.Snapshot) (Want, facts.Snapshot) {
		s.Operator.Unfit = nil
		s.Operator.Replaced, s.Operator.Reverts = map[string]string{"peer": "it is not given"}, map[string]int{"peer": 1}
		return w, s
	}
	next := RotateCA(w, base, []string{"peer"}, "")
	dropping, within := base, base
	for range 40 {
		stage, err := Next(next, dropping)
		if err != nil || stage == nil {
			t.Fatal(stage, err)
		}
		dropping = Simulate(next, dropping, *stage)
		if within.Taken.IsZero() || len(within.Operator.CAs) == len(base.Operator.CAs) {
			within = dropping
		}
		if stage.Steps[0].Kind == plan.RetireCA {
			break
		}
	}
	goOn := func(w Want, s facts.Snapshot) (Want, facts.Snapshot) { // clusterup rotate ca
		w.Abort = nil
		return RotateCA(w, s, []string{"peer"}, ""), s
	}
	ended := ending(within, "peer", 1, -1)
	stranger := with(base, facts.CA{
		Role: "client", Generation: 2, SHA256: "second", PEM: []byte("second\n"),
		Signing: true, NotAfter: noon.AddDate(20, 0, 0),
	})
	for i := range stranger.Operator.CAs {
		ca := &stranger.Operator.CAs[i]
		ca.Signing = ca.Signing && (ca.Role == "peer" || ca.Generation == 2)
	}
	return []dead{
		{
			name: "no cluster to rotate", want: RotateCA(w, bare(w), trust.Roles, ""), seen: bare(w),
			follow: func(_ Want, s facts.Snapshot) (Want, facts.Snapshot) {
				return w, s // clusterup apply
			},
		},
		{
			name: "another's CA rotates", want: RotateCA(w, given(base), trust.Roles, ""), seen: given(base),
			follow: func(_ Want, _ facts.Snapshot) (Want, facts.Snapshot) {
				return w, given(base)
			},
		},
		{name: "another's CA has ended", want: w, seen: ending(given(base), "peer", 1, -1), follow: mended(given(base))},
		{name: "another's CA that cannot be used", want: w, seen: unfit, follow: mended(base)},
		{name: "another's CA that is of no use, half-way", want: theirs(w), seen: useless, follow: takenOut},
		{name: "the CA has ended", want: w, seen: ending(base, "peer", 1, -1)},
		{name: "the client CA has ended", want: w, seen: ending(base, "client", 1, -1)},
		{name: "back after the old CA is retired", want: AbortRotation(w, []string{"peer"}), seen: dropping, follow: goOn},
		{
			name: "back to a CA that has ended", want: AbortRotation(w, []string{"peer"}), seen: ended,
			follow: func(w Want, s facts.Snapshot) (Want, facts.Snapshot) {
				w, s = goOn(w, s)
				w.Accept = plan.Risks() // which is asked for next
				return w, s
			},
		},
		{name: "nobody trusts the CA that can sign", want: w, seen: stranger, follow: mended(base)},
	}
}

func ofMembers(t *testing.T, w Want) []dead {
	t.Helper()
	base := settled(t, w)
	listed := func(do func(*[]facts.Listed)) facts.Snapshot {
		s := base
		s.Members = slices.Clone(base.Members)
		do(&s.Members)
		return s
	}
	moved := listed(func(m *[]facts.Listed) { (*m)[1].PeerURLs = []string{"https://10.9.9.9:2380"} })
	also := func(more facts.Listed) facts.Snapshot {
		return listed(func(m *[]facts.Listed) { *m = append(*m, more) })
	}
	clients, peers := []string{"https://10.0.0.19:2379"}, []string{"https://10.0.0.19:2380"}
	few := change(change(base, "etcd-1", wipe), "etcd-2", wipe)
	one, last := absent(wanted(t, 1), "etcd-1"), settled(t, wanted(t, 1))
	more, grows := grown(t, 1, 2)
	four, silent := grown(t, 3, 4)
	told := silent
	forged := change(base, "etcd-3", func(h *facts.Host) {
		stop(h)
		was := h.Data.MemberID.String()
		h.Data.MemberID = base.Hosts["etcd-2"].Data.MemberID
		born := h.Files[ConfigDir(w.Cluster)+"/born.json"]
		born.Content = bytes.ReplaceAll(born.Content, []byte(was), []byte(h.Data.MemberID.String()))
		h.Files[ConfigDir(w.Cluster)+"/born.json"] = born
	})
	for _, name := range []string{"etcd-1", "etcd-2"} {
		silent = change(silent, name, func(h *facts.Host) { *h = bare(w).Hosts[name] })
	}
	silent = change(silent, "etcd-3", func(h *facts.Host) { h.Etcd, h.Reads = nil, false })
	silent.Members = nil
	return []dead{
		{
			name: "a member too many", want: w,
			seen: also(facts.Listed{ID: 9, Name: "etcd-9", PeerURLs: peers, ClientURLs: clients}),
		},
		{name: "a member too many, which has not started", want: w, seen: also(facts.Listed{ID: 9, PeerURLs: peers})},
		{name: "a learner too many", want: w, seen: also(facts.Listed{ID: 9, PeerURLs: peers, Learner: true})},
		{
			name: "a member of before by the name of one that is there", want: w,
			seen: also(facts.Listed{ID: 9, Name: "etcd-2", PeerURLs: peers, ClientURLs: clients}),
		},
		{
			name: "a member too many, which is in the inventory then", want: w,
			seen:   also(facts.Listed{ID: 9, Name: "etcd-9", PeerURLs: peers, ClientURLs: clients}),
			follow: mended(base),
		},
		{
			name: "another machine", want: w,
			seen: change(moved, "etcd-2", func(h *facts.Host) { *h = bare(w).Hosts["etcd-2"] }),
		},
		{name: "one is stale", want: w, seen: change(base, "etcd-2", staled)},
		{
			name: "two are stale", want: w,
			seen:   change(change(base, "etcd-1", staled), "etcd-2", staled),
			follow: mended(base),
		},
		{name: "one is wiped", want: w, seen: change(base, "etcd-2", wipe)},
		{name: "one is wiped, and its marker is gone", want: w, seen: change(base, "etcd-2", func(h *facts.Host) {
			wipe(h)
			delete(h.Files, ConfigDir(w.Cluster)+"/born.json")
		})},
		{
			name: "two are wiped, and to be replaced", want: agreed(w, plan.Replace("etcd-1"), plan.Replace("etcd-2")),
			seen: few, follow: mended(base),
		},
		{name: "two are wiped", want: w, seen: few, follow: mended(base)},
		{
			name: "two are wiped, and nobody tells the list", want: w,
			seen: func() facts.Snapshot { s := few; s.Members = nil; return s }(), follow: mended(base),
		},
		{name: "one was removed, and its data is there", want: w, seen: change(listed(func(m *[]facts.Listed) {
			*m = slices.Delete(*m, 1, 2)
		}), "etcd-2", stop)},
		{
			name: "the last voter is to leave", want: one, seen: last,
			follow: func(Want, facts.Snapshot) (Want, facts.Snapshot) { return absent(more, "etcd-1"), grows },
		},
		{
			name: "one has left, and its block names another's host", want: absent(four, "etcd-4"),
			seen:   change(told, "etcd-4", func(h *facts.Host) { *h = copyHost(told.Hosts["etcd-2"]); h.Name = "etcd-4" }),
			follow: mended(told),
		},
		{
			name: "one has left, and its host is another cluster's", want: absent(four, "etcd-4"),
			seen: change(told, "etcd-4", func(h *facts.Host) {
				h.Data = facts.Data{Exists: true, WAL: true, ClusterID: 7, MemberID: 8}
			}),
			follow: mended(told),
		},
		{
			name: "the data and the marker of another, which is listed", want: w, seen: forged, follow: mended(base),
		},
		{
			name: "nobody tells whether one is to join", want: four, seen: silent, follow: mended(told),
		},
	}
}

func agreed(w Want, risks ...plan.Risk) Want {
	w.Accept = slices.Concat(w.Accept, risks)
	return w
}

// ofMinors are changes of who is a member on the way from one minor version to another: first one, then the other.
func ofMinors(t *testing.T) []dead {
	t.Helper()
	w, s := grown(t, 3, 4)
	s = settledAs(t, wanted(t, 3), "3.6.16", s)
	three := *w.Cluster
	three.Members = three.Members[:3]
	fewer := w
	fewer.Cluster = &three
	one := func(want Want) func(Want, facts.Snapshot) (Want, facts.Snapshot) {
		return func(_ Want, s facts.Snapshot) (Want, facts.Snapshot) {
			return want, reached(t, at(fewer, "3.7.3"), s)
		}
	}
	wiped := func(s facts.Snapshot) facts.Snapshot { return change(s, "etcd-2", wipe) }
	half := advance(t, at(fewer, "3.7.3"), s, "etcd 3.6.16 → 3.7.3: restart")
	return []dead{
		{name: "one joins, and all go to another minor version", want: at(w, "3.7.3"), seen: s, follow: one(at(w, "3.7.3"))},
		{
			name: "one leaves, and all go to another minor version", want: at(absent(fewer, "etcd-1"), "3.7.3"), seen: s,
			follow: one(at(absent(fewer, "etcd-1"), "3.7.3")),
		},
		{
			name: "one is wiped, and another minor version is to begin", want: at(fewer, "3.7.3"), seen: wiped(s),
			follow: func(_ Want, s facts.Snapshot) (Want, facts.Snapshot) {
				return agreed(at(fewer, "3.6.16"), plan.Replace("etcd-2")), s
			},
		},
		{
			name: "one is to be replaced, and another minor version is to begin",
			want: agreed(at(fewer, "3.7.3"), plan.Replace("etcd-2")), seen: wiped(s),
			follow: func(w Want, s facts.Snapshot) (Want, facts.Snapshot) {
				return w, reached(t, agreed(at(fewer, "3.6.16"), plan.Replace("etcd-2")), s)
			},
		},
		{
			name: "one is wiped on the way to another minor version", want: at(fewer, "3.7.3"),
			seen: change(half, "etcd-3", wipe),
		},
		{
			name: "one whose host is new joins on the way", want: at(fewer, "3.7.3"),
			seen: func() facts.Snapshot {
				s := change(half, "etcd-3", func(h *facts.Host) { *h = bare(w).Hosts["etcd-3"] })
				s.Members = slices.DeleteFunc(slices.Clone(s.Members), func(l facts.Listed) bool { return l.Name == "etcd-3" })
				return s
			}(),
			follow: func(w Want, s facts.Snapshot) (Want, facts.Snapshot) { return agreed(w, plan.Replace("etcd-3")), s },
		},
		{
			name: "one is to leave on the way", want: absent(at(fewer, "3.7.3"), "etcd-1"), seen: half,
			follow: func(_ Want, s facts.Snapshot) (Want, facts.Snapshot) {
				return absent(at(fewer, "3.7.3"), "etcd-1"), reached(t, at(fewer, "3.7.3"), s)
			},
		},
	}
}

// settledAs has members of a version in place of those of a Snapshot, which has more hosts.
func settledAs(t *testing.T, w Want, version string, s facts.Snapshot) facts.Snapshot {
	t.Helper()
	old := settled(t, at(w, version))
	s.Hosts = maps.Clone(s.Hosts)
	maps.Copy(s.Hosts, old.Hosts)
	s.Members, s.Operator = old.Members, old.Operator
	return s
}

// ofRestarts are restarts that leave no quorum.
func ofRestarts(t *testing.T, w Want) []dead {
	t.Helper()
	flags := w
	cluster := *w.Cluster
	flags.Cluster = &cluster
	flagged(&flags)
	hang := settled(t, w)
	for _, name := range []string{"etcd-1", "etcd-2"} {
		hang = change(hang, name, func(h *facts.Host) { h.Reads = false })
	}
	alone := wanted(t, 1)
	aloneSeen := settled(t, alone)
	flagged(&alone)
	pair := wanted(t, 2)
	pairSeen := settled(t, pair)
	flagged(&pair)
	return []dead{
		{name: "two of three hang, and restart", want: flags, seen: hang},
		{name: "the only member restarts", want: alone, seen: aloneSeen},
		{name: "one of two members restarts", want: pair, seen: pairSeen},
	}
}

func ofVersions(t *testing.T, w Want) []dead {
	t.Helper()
	old, new := at(w, "3.6.16"), at(w, "3.7.3")
	oldest := at(w, "3.5.35")
	base := settled(t, old)
	from35 := settled(t, oldest)
	few := change(change(base, "etcd-1", stop), "etcd-2", stop)
	// that version, then the one that was asked for
	first := func(t *testing.T, version string) func(Want, facts.Snapshot) (Want, facts.Snapshot) {
		return func(w Want, s facts.Snapshot) (Want, facts.Snapshot) { return w, reached(t, at(w, version), s) }
	}
	gone := change(base, "etcd-2", func(h *facts.Host) {
		stop(h)
		h.Binaries = map[string]string{}
		maps.DeleteFunc(h.Files, func(name string, _ facts.File) bool { return strings.HasPrefix(name, BinDir(testRelease)) })
	})
	apart := change(base, "etcd-2", func(h *facts.Host) {
		status := *h.Etcd
		status.Version = "3.4.23"
		h.Etcd = &status
	})
	dirty := change(from35, "etcd-2", func(h *facts.Host) {
		h.V2Store = &facts.V2Store{Text: "detected custom v2 content"}
	})
	down := at(w, "3.5.21")
	down.Accept = []plan.Risk{plan.Downgrade}
	return []dead{
		{name: "versions apart", want: old, seen: apart, follow: mended(base)},
		{name: "by way of another version", want: at(w, "3.7.3"), seen: from35},
		{name: "by way of another version, in steps", want: at(w, "3.7.3"), seen: from35, follow: first(t, "3.6.16")},
		{name: "going back", want: oldest, seen: base},
		{
			name: "going back too far", want: down, seen: base,
			follow: func(w Want, s facts.Snapshot) (Want, facts.Snapshot) { return at(w, "3.5.35"), s },
		},
		{name: "what ran is gone", want: new, seen: gone, follow: first(t, "3.6.16")},
		{name: "too few run", want: new, seen: few, follow: first(t, "3.6.16")},
		{
			name: "v2 content", want: old, seen: dirty,
			follow: mended(change(dirty, "etcd-2", func(h *facts.Host) { h.V2Store = &facts.V2Store{Clean: true} })),
		},
	}
}

func ofTLS(t *testing.T) []dead {
	t.Helper()
	w := wanted(t, 3)
	plain := w
	plainly(&plain)
	directly := plain
	securely(&directly)
	directly.Cluster.TLS.Clients = true
	http := settled(t, plain)
	return []dead{
		{
			name: "TLS switched off", want: plain, seen: settled(t, w),
			follow: func(_ Want, s facts.Snapshot) (Want, facts.Snapshot) { return w, s },
		},
		{name: "clients lose their port", want: directly, seen: http},
		{
			name: "clients keep their port", want: directly, seen: http,
			follow: func(w Want, s facts.Snapshot) (Want, facts.Snapshot) {
				cluster := *w.Cluster
				cluster.TLS.HTTPClientPort, cluster.ClientPort = 2379, 12379
				w.Cluster = &cluster
				return w, s
			},
		},
	}
}

// shutOut is a cluster whose permissions are on, and whose members tell clusterup nothing.
func shutOut(t *testing.T, w Want) facts.Snapshot {
	t.Helper()
	s := settled(t, w)
	for _, name := range s.Names() {
		s = change(s, name, func(h *facts.Host) {
			h.Etcd, h.Denied, h.EtcdError = nil, true, "user name is empty"
			h.Auth = &facts.AuthState{Enabled: true, Denied: true}
		})
	}
	s.Members, s.Auth = nil, &facts.Auth{AuthState: facts.AuthState{Enabled: true, Denied: true}}
	return s
}

// beside has clients speak https, and http on the port of before, and keeps permissions as they are.
func beside(w Want) Want {
	cluster := *w.Cluster
	cluster.Auth = &inventory.Auth{Enabled: true}
	cluster.TLS.Clients, cluster.TLS.HTTPClientPort, cluster.ClientPort = true, 2379, 12379
	w.Cluster = &cluster
	return w
}

func ofPermissions(t *testing.T) []dead {
	t.Helper()
	w := at(wanted(t, 3), "3.6.16")
	w.Cluster.TLS.Clients = false
	seen := shutOut(t, w)
	return []dead{
		{
			name: "permissions without TLS", want: w, seen: seen,
			follow: func(w Want, s facts.Snapshot) (Want, facts.Snapshot) { return beside(w), s },
		},
		{
			name: "permissions without TLS, and another version", want: beside(at(w, "3.7.3")), seen: seen,
			follow: func(_ Want, s facts.Snapshot) (Want, facts.Snapshot) {
				return beside(at(w, "3.7.3")), reached(t, beside(w), s)
			},
		},
	}
}

// TestPermissions: members that only tell that they serve restart one after the other, and none is waited for that
// would not answer.
func TestPermissions(t *testing.T) {
	w := wanted(t, 3)
	w.Cluster.TLS.Clients = false
	s := shutOut(t, w)
	w = beside(w)
	p, err := Build(w, s)
	if err != nil {
		t.Fatal(err)
	}
	restarts := 0
	for _, stage := range p.Stages {
		for _, step := range stage.Steps {
			switch step.Kind {
			case plan.RestartMember:
				restarts++
				if stage.Width != 1 {
					t.Errorf("%s restarts %d at once", stage.Name, stage.Width)
				}
			case plan.AwaitMember, plan.MoveLeader:
				t.Errorf("%s: %s", stage.Name, step.ID())
			}
		}
	}
	if restarts != 3 || len(p.Notes) == 0 ||
		!strings.Contains(strings.Join(p.Notes, "\n"), "sees of etcd-1, etcd-2 and etcd-3 only that they serve") {
		t.Errorf("%d restarts, notes %q", restarts, p.Notes)
	}
	down := change(s, "etcd-3", func(h *facts.Host) { h.Reads = false })
	if _, err := Build(w, down); err != nil {
		t.Errorf("with one that serves no reads, which restarts first: %v", err)
	}
	two := change(down, "etcd-2", func(h *facts.Host) { h.Reads = false })
	var refused *plan.Refused
	if _, err := Build(w, two); !errors.As(err, &refused) || !refused.Only(plan.NeedsConsent) {
		t.Errorf("with two that serve no reads: %v", err)
	}
}

func ofAlarms(t *testing.T, w Want) []dead {
	t.Helper()
	base := settled(t, w)
	cluster := *w.Cluster
	w.Cluster = &cluster
	flagged(&w)
	raised := func(kind string) facts.Snapshot {
		s := base
		s.Alarms = []facts.Alarm{{Member: base.Hosts["etcd-2"].Etcd.MemberID, Type: kind}}
		return s
	}
	return []dead{
		{name: "a full database", want: w, seen: raised("NOSPACE"), follow: mended(base)},
		{name: "data that differ", want: w, seen: raised("CORRUPT"), follow: mended(base)},
	}
}
