package etcd

import (
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// Stages that would break law 6, or what belongs to it: the checks have to notice each of them.
func TestVersionLawsNotice(t *testing.T) {
	type scene struct {
		w    Want
		s    facts.Snapshot
		true truth
	}
	// of is a whole cluster of a version, with a snapshot of it, and all releases on all hosts.
	of := func(version string) scene {
		w := at(wanted(t, 3), version)
		s := settled(t, w)
		for _, m := range w.Cluster.Members {
			s = change(s, m.Name, func(h *facts.Host) {
				for _, r := range w.Releases {
					simulateRelease(h, r)
				}
			})
		}
		s.Operator.Snapshots = []facts.SavedSnapshot{{
			ClusterID: s.Hosts["etcd-1"].Data.ClusterID, Version: version,
			Taken: noon,
		}}
		return scene{w, s, truthOf(w, s)}
	}
	// to is a restart of a member with a version.
	to := func(c scene, name, version string) plan.Stage {
		unit := string(c.s.Hosts[name].Files[UnitPath(c.w.Cluster)].Content)
		was := releaseOf(versionIn(unit))
		unit = strings.ReplaceAll(unit, BinDir(was), BinDir(releaseOf(version)))
		write := withChange(plan.Stage{Steps: []plan.Step{{Kind: plan.WriteUnit, Host: name, Why: "no reason"}}},
			unit).Steps[0]
		write.Changes[0].Path = UnitPath(c.w.Cluster)
		others := slices.DeleteFunc([]string{"etcd-1", "etcd-2", "etcd-3"}, func(other string) bool { return other == name })
		return plan.Stage{Name: "bad", Gate: "none", Width: 1, Steps: []plan.Step{
			write, {
				Kind: plan.RestartMember, Host: name, Why: "no reason", Version: version,
				Needs: &plan.Needs{Least: 2, Serve: others},
			},
		}}
	}
	restart := func(version string, spoil func(c *scene)) func() (scene, plan.Stage) {
		return func() (scene, plan.Stage) {
			c := of("3.6.16")
			spoil(&c)
			return c, to(c, "etcd-2", version)
		}
	}
	single := func(step plan.Step, spoil func(c *scene)) func() (scene, plan.Stage) {
		return func() (scene, plan.Stage) {
			c := of("3.6.16")
			spoil(&c)
			step.Why = "no reason"
			return c, plan.Stage{Name: "bad", Gate: "none", Width: 1, Steps: []plan.Step{step}}
		}
	}
	others := func(c *scene, version string, names ...string) {
		for _, name := range names {
			c.true.last[name] = version
		}
	}
	leads := func(c *scene, name string) { c.s = lead(c.s, c.s.Hosts[name].Data.MemberID) }
	enable := plan.Step{Kind: plan.EnableDowngrade, Host: "etcd-1", Version: "3.5"}
	tests := map[string]struct {
		make func() (scene, plan.Stage)
		says string
	}{
		"good: a patch":            {restart("3.6.12", func(*scene) {}), ""},
		"good: the first of 3.7":   {restart("3.7.3", func(*scene) {}), ""},
		"two minor versions apart": {restart("3.7.3", func(c *scene) { others(c, "3.5.35", "etcd-1") }), "beside etcd-1"},
		"below its data":           {restart("3.5.35", func(c *scene) { c.true.cluster = 5 }), "on data of 3.6"},
		"below the cluster": {
			restart("3.5.35", func(c *scene) { c.true.data["etcd-2"] = 5 }),
			"in a cluster of 3.6",
		},
		"good: below, a downgrade": {
			restart("3.5.35", func(c *scene) { c.true.data["etcd-2"], c.true.downgrade = 5, 5 }),
			"",
		},
		"above the cluster":          {restart("3.7.3", func(c *scene) { c.true.cluster = 5 }), "in a cluster of 3.5"},
		"requests of 3.5 in the log": {restart("3.7.3", func(c *scene) { c.true.dirty["etcd-2"] = true }), "replay"},
		"below the floor": {
			restart("3.7.3", func(c *scene) { others(c, "3.6.4", "etcd-3") }),
			"with etcd-3 of 3.6.4",
		},
		"no snapshot": {
			restart("3.7.3", func(c *scene) { c.s.Operator.Snapshots = nil }),
			"without a snapshot",
		},
		"a snapshot of another minor": {
			restart("3.7.3", func(c *scene) { c.s.Operator.Snapshots[0].Version = "3.5.35" }),
			"without a snapshot",
		},
		"an old snapshot": {restart("3.7.3",
			func(c *scene) { c.s.Operator.Snapshots[0].Taken = noon.Add(-2 * 3600e9) }), "without a snapshot"},
		"the last one, held": {restart("3.7.3",
			func(c *scene) { c.w.HoldLast = true; others(c, "3.7.3", "etcd-1", "etcd-3") }), "hold-last"},
		"good: not the last one": {restart("3.7.3",
			func(c *scene) { c.w.HoldLast = true; others(c, "3.7.3", "etcd-1") }), ""},
		"a binary that is not there": {restart("3.7.3", func(c *scene) { c.s = change(c.s, "etcd-2", gone) }), "not there"},
		"v2 content": {func() (scene, plan.Stage) {
			c := of("3.5.35")
			c.s = change(c.s, "etcd-2", func(h *facts.Host) { h.V2Store = &facts.V2Store{} })
			return c, to(c, "etcd-2", "3.6.16")
		}, "v2 API"},
		"an alarm": {
			restart("3.6.12", func(c *scene) { c.s.Alarms = []facts.Alarm{{Member: 1, Type: "CORRUPT"}} }),
			"alarm",
		},
		"a full disk": {
			restart("3.6.12", func(c *scene) { c.s.Alarms = []facts.Alarm{{Member: 1, Type: "NOSPACE"}} }),
			"alarm",
		},
		"a learner": {
			restart("3.6.12", func(c *scene) { c.s.Members = []facts.Listed{{Name: "new", Learner: true}} }),
			"learner",
		},
		"the leader": {restart("3.6.12", func(c *scene) { leads(c, "etcd-2") }), "it leads"},
		"one of three far behind, another restarts": {restart("3.6.12", func(c *scene) {
			for _, name := range []string{"etcd-1", "etcd-2"} {
				c.s = change(c.s, name, func(h *facts.Host) { status := *h.Etcd; status.Applied = 90000; h.Etcd = &status })
			}
		}), "law 1"},
		"good: one lies to be far ahead": {restart("3.6.12", func(c *scene) {
			c.s = change(c.s, "etcd-3", func(h *facts.Host) { status := *h.Etcd; status.Applied = 1 << 60; h.Etcd = &status })
		}), ""},
		"leadership of one that does not lead": {single(plan.Step{Kind: plan.MoveLeader, Host: "etcd-2", To: "etcd-1"},
			func(c *scene) { leads(c, "etcd-3") }), "does not lead"},
		"leadership to one that hangs": {single(plan.Step{Kind: plan.MoveLeader, Host: "etcd-1", To: "etcd-2"},
			func(c *scene) { leads(c, "etcd-1"); c.s = change(c.s, "etcd-2", stop) }), "cannot lead"},
		"leadership to itself": {single(plan.Step{Kind: plan.MoveLeader, Host: "etcd-1", To: "etcd-1"},
			func(c *scene) { leads(c, "etcd-1") }), "cannot lead"},
		"a downgrade that nobody accepted": {single(enable, func(*scene) {}), "accepted"},
		"good: a downgrade":                {single(enable, func(c *scene) { c.w.Accept = plan.Risks() }), ""},
		"a downgrade of a mixed cluster": {single(enable,
			func(c *scene) { c.w.Accept = plan.Risks(); c.s = of("3.5.35").s }), "not ready"},
		"a downgrade before the data came along": {single(enable,
			func(c *scene) { c.w.Accept = plan.Risks(); c.true.data["etcd-3"] = 5 }), "etcd-3 is not ready"},
		"a downgrade without a snapshot": {single(enable,
			func(c *scene) { c.w.Accept = plan.Risks(); c.s.Operator.Snapshots = nil }), "no snapshot"},
		"pruning what runs": {single(plan.Step{
			Kind: plan.PruneReleases, Host: "etcd-1",
			Paths: []plan.Path{{Path: BinDir(testRelease)}},
		}, func(*scene) {}), "in use"},
		"pruning something else": {single(plan.Step{
			Kind: plan.PruneReleases, Host: "etcd-1",
			Paths: []plan.Path{{Path: "/opt"}},
		}, func(*scene) {}), "in use"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, stage := test.make()
			err := lawfulIn(c.w, c.s, c.true, stage)
			if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("error %v, want one that says %q", err, test.says)
			}
		})
	}
}

// lawSettled notices where something is left to do.
func TestLawSettledNotices(t *testing.T) {
	w := at(wanted(t, 3), "3.6.16")
	s := settled(t, w)
	good := truthOf(w, s)
	if err := lawSettled(w, s, good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(s *facts.Snapshot, t *truth){
		"one hangs": func(s *facts.Snapshot, _ *truth) {
			*s = change(*s, "etcd-2", func(h *facts.Host) { h.Reads = false })
		},
		"another version": func(s *facts.Snapshot, _ *truth) { *s = settled(t, at(w, "3.6.12")) },
		"data not along":  func(_ *facts.Snapshot, t *truth) { t.data["etcd-2"] = 5 },
		"cluster not":     func(_ *facts.Snapshot, t *truth) { t.cluster = 5 },
		"downgrade":       func(_ *facts.Snapshot, t *truth) { t.downgrade = 5 },
		"snapshot-count 1": func(s *facts.Snapshot, _ *truth) {
			*s = change(*s, "etcd-2", func(h *facts.Host) {
				running(func(p *facts.Process) { p.Args = append(p.Args, "--snapshot-count=1") })(w, h)
			})
		},
	} {
		seen, is := s, good.clone()
		spoil(&seen, &is)
		if lawSettled(w, seen, is) == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
}
