package plan

import "testing"

// Plans that do the same have equal digests, whoever leads and whatever they say; plans that do something else do not.
func TestDigest(t *testing.T) {
	restart := Step{
		Kind: RestartMember, Host: "etcd-2", Why: "runs with other flags",
		Needs: &Needs{2, []string{"etcd-1", "etcd-3"}},
	}
	lead := Step{Kind: MoveLeader, Host: "etcd-1", To: "etcd-2", Why: "it leads"}
	base := Plan{Cluster: "prod", Version: "3.6.16", Stages: []Stage{
		{Name: "restart etcd-2", Gate: "2 of 3 voters stay up", Width: 1, Steps: []Step{restart}},
		{Name: "move the leader", Gate: "it leads", Width: 1, Steps: []Step{lead}},
	}}
	await := Stage{
		Name: "await the leader", Gate: "none", Width: 1,
		Steps: []Step{{Kind: AwaitLeader, Host: "etcd-1", Why: "an election"}},
	}
	digest := func(change func(p *Plan, first, second *Step)) string {
		t.Helper()
		p := base
		p.Stages = nil
		for _, stage := range base.Stages {
			stage.Steps = []Step{stage.Steps[0]}
			p.Stages = append(p.Stages, stage)
		}
		change(&p, &p.Stages[0].Steps[0], &p.Stages[1].Steps[0])
		sum, err := p.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	same := digest(func(*Plan, *Step, *Step) {})
	for name, change := range map[string]func(p *Plan, first, second *Step){
		"an election at the beginning": func(p *Plan, _, _ *Step) { p.Stages = append([]Stage{await}, p.Stages...) },
		"an election between":          func(p *Plan, _, _ *Step) { p.Stages = []Stage{p.Stages[0], await, p.Stages[1]} },
		"another member comes to lead": func(_ *Plan, _, second *Step) { second.To = "etcd-3" },
		"another reason":               func(_ *Plan, first, _ *Step) { first.Why = "to end its open connections" },
		"others that serve":            func(_ *Plan, first, _ *Step) { first.Needs = nil },
		"another gate":                 func(p *Plan, _, _ *Step) { p.Stages[0].Gate = "downtime was accepted" },
		"a note":                       func(p *Plan, _, _ *Step) { p.Notes = []string{"an alarm"} },
		"what waits":                   func(p *Plan, _, _ *Step) { p.Waits = []Wait{{What: "the upgrade"}} },
	} {
		if digest(change) != same {
			t.Errorf("%s: the digest is another", name)
		}
	}
	for name, change := range map[string]func(p *Plan, first, second *Step){
		"a stage less":      func(p *Plan, _, _ *Step) { p.Stages = p.Stages[:1] },
		"another order":     func(p *Plan, _, _ *Step) { p.Stages[0], p.Stages[1] = p.Stages[1], p.Stages[0] },
		"another host":      func(_ *Plan, first, _ *Step) { first.Host = "etcd-3" },
		"another kind":      func(_ *Plan, first, _ *Step) { first.Kind = StartMember },
		"another version":   func(_ *Plan, first, _ *Step) { first.Version = "3.7.3" },
		"more side by side": func(p *Plan, _, _ *Step) { p.Stages[0].Width = 3 },
		"a host less known": func(p *Plan, _, _ *Step) { p.Dark = []string{"etcd-3"} },
	} {
		if digest(change) == same {
			t.Errorf("%s: the digest is the same", name)
		}
	}
}
