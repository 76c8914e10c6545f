package etcd

import (
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// Stages that Next must never give: the checks that hold the laws have to notice each of them.
func TestLawsNotice(t *testing.T) {
	w := wanted(t, 3)
	whole := settled(t, w)
	fresh := bare(w)
	ready := after(t, w, "prepare hosts")
	one := func(kind plan.Kind, host string) plan.Stage {
		return plan.Stage{Name: "bad", Gate: "none", Width: 1, Steps: []plan.Step{{Kind: kind, Host: host, Why: "no reason"}}}
	}
	two := func(kind plan.Kind) plan.Stage {
		return plan.Stage{Name: "bad", Gate: "none", Width: 2, Steps: []plan.Step{
			{Kind: kind, Host: "etcd-1", Why: "no reason"}, {Kind: kind, Host: "etcd-2", Why: "no reason"},
		}}
	}
	outvoted := whole
	outvoted.Members = append(slices.Clone(whole.Members), facts.Listed{ID: 8, Name: "etcd-8"},
		facts.Listed{ID: 9, Name: "etcd-9"})
	down := change(whole, "etcd-3", stop)
	lost := change(whole, "etcd-3", func(h *facts.Host) { stop(h); h.Data = facts.Data{} })
	foreign := change(ready, "etcd-3", func(h *facts.Host) { h.Data = facts.Data{WAL: true, ClusterID: 7, MemberID: 8} })
	begun := Simulate(w, ready, one(plan.StartMember, "etcd-1"))
	stateNew := change(whole, "etcd-3",
		func(h *facts.Host) { stop(h); *h = withUnit(w, *h, "state=existing", "state=new") })
	second := whole
	second.Operator.CAs = append(slices.Clone(whole.Operator.CAs), facts.CA{
		Role: "peer", Generation: 2, SHA256: "second", PEM: []byte("second"), Signing: true, NotAfter: noon.AddDate(9, 0, 0),
	})
	dropped := change(whole, "etcd-2", func(h *facts.Host) {
		for name, file := range h.Files {
			if strings.Contains(name, "trust-peer") {
				file.Content = []byte("another CA")
				h.Files[name] = file
			}
		}
	})
	plain := change(whole, "etcd-3", func(h *facts.Host) {
		running(func(p *facts.Process) {
			p.Args = slices.DeleteFunc(p.Args, func(arg string) bool { return strings.HasPrefix(arg, "--peer-trusted-ca-file") })
		})(w, h)
	})
	otherToken := change(begun, "etcd-2", func(h *facts.Host) { *h = withUnit(w, *h, w.Token, "another") })
	tests := map[string]struct {
		seen  facts.Snapshot
		stage plan.Stage
		law   string
	}{
		"two restarts at once":     {whole, two(plan.RestartMember), "law 1"},
		"restart without a quorum": {down, one(plan.RestartMember, "etcd-1"), "law 1"},
		"restart with voters besides": {
			outvoted, one(plan.RestartMember, "etcd-1"),
			"law 1: restart-member/etcd-1 leaves 2 of 5",
		},
		"restart that asks nobody again":  {whole, one(plan.RestartMember, "etcd-1"), "law 1: restart-member/etcd-1 needs"},
		"unpacking side by side":          {whole, two(plan.InstallRelease), "disks"},
		"start of what runs":              {down, one(plan.StartMember, "etcd-1"), "law 1"},
		"stop":                            {whole, one(plan.StopMember, "etcd-1"), "law 3"},
		"purge":                           {whole, one(plan.PurgeData, "etcd-1"), "law 3"},
		"move aside":                      {whole, one(plan.MoveAside, "etcd-1"), "law 3"},
		"removal":                         {whole, one(plan.RemoveFiles, "etcd-1"), "law 3"},
		"start of a member that lost all": {lost, one(plan.StartMember, "etcd-3"), "law 4"},
		"start of an older copy":          {change(whole, "etcd-3", staled), one(plan.StartMember, "etcd-3"), "law 10"},
		"start as new although born":      {stateNew, one(plan.StartMember, "etcd-3"), "law 4"},
		"bootstrap beside foreign data":   {foreign, two(plan.StartMember), "law 4"},
		"bootstrap with two tokens": {
			change(ready, "etcd-2", func(h *facts.Host) { *h = withUnit(w, *h, w.Token, "another") }), two(plan.StartMember),
			"law 4",
		},
		"restart of what may serve": {
			change(down, "etcd-1", func(h *facts.Host) { h.Etcd, h.Reads = nil, false }), one(plan.RestartMember, "etcd-1"),
			"law 1",
		},
		"a unit for a new member beside data": {change(begun, "etcd-2",
			func(h *facts.Host) { h.Files = map[string]facts.File{} }), unitStage(w, ready), "law 4"},
		"a marker of another member": {ready, birthStage("7", "8"), "law 4"},
		"a restart before the markers": {
			change(whole, "etcd-3", func(h *facts.Host) { marker("")(w, h) }), one(plan.RestartMember, "etcd-1"), "law 4",
		},
		"a unit that nobody has tried": {
			change(whole, "etcd-2", func(h *facts.Host) { h.Process = &facts.Process{Args: []string{"etcd", "--other=1"}} }),
			unitStage(w, whole), "would start with",
		},
		"start into another cluster": {otherToken, one(plan.StartMember, "etcd-2"), "law 4"},
		"start without a unit":       {fresh, one(plan.StartMember, "etcd-2"), "law 4"},
		"a host of nobody":           {fresh, one(plan.CreateUser, "stranger"), "no such host"},
		"no reason": {
			fresh,
			plan.Stage{Name: "bad", Gate: "none", Width: 1, Steps: []plan.Step{{Kind: plan.CreateUser, Host: "etcd-1"}}},
			"no reason",
		},
		"no gate": {
			fresh,
			plan.Stage{Name: "bad", Width: 1, Steps: one(plan.CreateUser, "etcd-1").Steps},
			"gate",
		},
		"no steps": {fresh, plan.Stage{Name: "bad", Gate: "none", Width: 1}, "steps"},
		"wrong width": {
			fresh,
			plan.Stage{Name: "bad", Gate: "none", Width: 2, Steps: one(plan.CreateUser, "etcd-1").Steps},
			"hosts at once",
		},
		"a certificate of a CA that nobody trusts": {second, leafStage(2), "law 5"},
		"a certificate of a CA that there is not":  {whole, leafStage(7), "law 5"},
		"an old CA retired while it is in use":     {second, retireStage(1), "law 5"},
		"a bundle without a CA that is in use":     {dropped, one(plan.RestartMember, "etcd-2"), "law 5"},
		"https before others can dial it":          {plain, updateStage(plain, "https"), "tls"},
		"https and no restart":                     {whole, updateStage(whole, "https"), "tls"},
		"a restart into another command": {
			change(whole, "etcd-2", onHost(w, dropIn(func(s *facts.Start) { s.Command += " --name=x" }))),
			one(plan.RestartMember, "etcd-2"), "law 12",
		},
		"a restart with a variable": {
			change(whole, "etcd-2", onHost(w,
				dropIn(func(s *facts.Start) { s.Variables = []facts.Variable{{Name: "ETCD_NAME"}} }))),
			one(plan.RestartMember, "etcd-2"), "law 12",
		},
		"a restart without the guard": {
			change(whole, "etcd-2", onHost(w, dropIn(func(s *facts.Start) { s.Guarded = false }))),
			one(plan.RestartMember, "etcd-2"), "law 12",
		},
		"a start with all variables": {
			change(down, "etcd-3", onHost(w, dropIn(func(s *facts.Start) { s.Unset = nil }))), one(plan.StartMember, "etcd-3"),
			"law 12",
		},
		"a restart right after an unread drop-in": {
			change(whole, "etcd-2", func(h *facts.Host) { h.Unit.NeedsReload = true }), restartWith(whole), "law 12",
		},
		"a key in what would be shown": {
			fresh, withChange(one(plan.WriteTrust, "etcd-1"), "-----BEGIN PRIVATE KEY-----"),
			"law 7",
		},
	}
	w.Releases["3.7.3/amd64"] = releaseOf("3.7.3")
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if err := lawful(w, test.seen, test.stage); err == nil || !strings.Contains(err.Error(), test.law) {
				t.Errorf("error %v, want one that says %q", err, test.law)
			}
		})
	}
}

// Consent counts for the only member, and for nobody else.
func TestLawsConsent(t *testing.T) {
	restart := plan.Stage{Name: "bad", Gate: "none", Width: 1, Steps: []plan.Step{
		{Kind: plan.RestartMember, Host: "etcd-1", Why: "no reason", Version: "3.6.16"},
	}}
	for n, ok := range map[int]bool{1: true, 3: false} {
		w := wanted(t, n)
		s := settled(t, w)
		for _, m := range w.Cluster.Members[1:] {
			s = change(s, m.Name, stop)
		}
		w.Accept = []plan.Risk{plan.Downtime}
		if err := lawful(w, s, restart); (err == nil) != ok {
			t.Errorf("%d members, downtime accepted: %v", n, err)
		}
		w.Accept = nil
		if lawful(w, s, restart) == nil {
			t.Errorf("%d members: a restart without consent is not noticed", n)
		}
	}
}

func TestLawOneNotices(t *testing.T) {
	w := wanted(t, 3)
	before := settled(t, w)
	second := change(before, "etcd-2", func(h *facts.Host) { h.Data.ClusterID = 7 })
	if lawOne(w, before, second) == nil {
		t.Error("a second cluster is not noticed")
	}
	if err := lawOne(w, second, second); err != nil {
		t.Errorf("what was there before: %v", err)
	}
	if err := lawOne(w, bare(w), before); err != nil {
		t.Errorf("the first cluster: %v", err)
	}
}

func TestLawRemedyNotices(t *testing.T) {
	for name, refusals := range map[string][]plan.Refusal{
		"nothing": nil, "no remedy": {{Kind: plan.DataLost, Reason: "gone"}},
		"no reason": {{Kind: plan.DataLost, Remedy: "bring it back"}},
	} {
		if lawRemedy(&plan.Refused{Refusals: refusals}) == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
}

func withChange(stage plan.Stage, text string) plan.Stage {
	stage.Steps[0].Changes = []plan.Change{{File: units.File{Path: "/etc/etcd/prod/trust.pem", Data: []byte(text)}}}
	return stage
}

// unitStage writes the unit that a host has in a Snapshot to etcd-2.
func unitStage(w Want, s facts.Snapshot) plan.Stage {
	name := UnitPath(w.Cluster)
	return plan.Stage{Name: "bad", Gate: "none", Width: 1, Steps: []plan.Step{{
		Kind: plan.WriteUnit, Host: "etcd-2", Why: "no reason",
		Changes: []plan.Change{{File: units.File{Path: name, Data: s.Hosts["etcd-2"].Files[name].Content}}},
	}}}
}

// restartWith restarts etcd-2 right after its unit was written.
func restartWith(s facts.Snapshot) plan.Stage {
	stage := plan.Stage{
		Name: "bad", Gate: "none", Width: 1,
		Steps: []plan.Step{{Kind: plan.WriteUnit, Host: "etcd-2", Why: "no reason"}},
	}
	for name, file := range s.Hosts["etcd-2"].Files {
		if strings.HasSuffix(name, ".service") {
			stage.Steps[0].Changes = []plan.Change{{File: units.File{Path: name, Data: file.Content}}}
		}
	}
	stage.Steps = append(stage.Steps, plan.Step{
		Kind: plan.RestartMember, Host: "etcd-2", Why: "no reason",
		Version: "3.6.16",
	})
	return stage
}

func onHost(w Want, do func(Want, *facts.Host)) func(*facts.Host) {
	return func(h *facts.Host) { do(w, h) }
}

func leafStage(generation int) plan.Stage {
	return plan.Stage{Name: "bad", Gate: "none", Width: 1, Steps: []plan.Step{{
		Kind: plan.IssueLeaf, Host: "etcd-1", Why: "no reason",
		Leaf: &plan.Leaf{Role: "peer", CA: "peer", Generation: generation},
	}}}
}

func retireStage(generation int) plan.Stage {
	return plan.Stage{
		Name: "bad", Gate: "none", Width: 1,
		Steps: []plan.Step{{Kind: plan.RetireCA, CA: "peer", Generation: generation, Why: "no reason"}},
	}
}

func updateStage(s facts.Snapshot, scheme string) plan.Stage {
	return plan.Stage{Name: "bad", Gate: "none", Width: 1, Steps: []plan.Step{{
		Kind: plan.UpdateMember, Host: "etcd-1", Through: "etcd-2", Member: s.Hosts["etcd-1"].Data.MemberID,
		PeerURLs: []string{scheme + "://10.0.0.11:2380"}, Why: "no reason",
	}, {Kind: plan.RestartMember, Host: "etcd-2", Version: "3.6.16", Why: "no reason"}}}
}

func birthStage(cluster, member string) plan.Stage {
	return plan.Stage{Name: "bad", Gate: "none", Width: 1, Steps: []plan.Step{{
		Kind: plan.RecordBirth, Host: "etcd-1", Why: "no reason", Birth: &units.Born{ClusterID: cluster, MemberID: member},
	}}}
}
