package etcd

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// lawDestroy: destroying stops first, touches only data of the cluster that it is asked to destroy, and deletes it only
// when told to.
func lawDestroy(s facts.Snapshot, stage plan.Stage, own facts.ID, purge bool) error {
	for _, step := range stage.Steps {
		host := s.Hosts[step.Host]
		switch step.Kind {
		case plan.StopMember, plan.RemoveFiles:
		case plan.MoveAside, plan.PurgeData:
			if (step.Kind == plan.PurgeData) != purge {
				return fmt.Errorf("law 3: %s, and purge is %v", step.ID(), purge)
			}
			if host.Data.WAL && host.Data.ClusterID != own {
				return fmt.Errorf("law 3: %s takes data of cluster %s", step.ID(), host.Data.ClusterID)
			}
		default:
			return fmt.Errorf("%s is no step of destroying", step.ID())
		}
		if step.Kind == plan.StopMember {
			continue
		}
		for name, other := range s.Hosts {
			if other.Process != nil {
				return fmt.Errorf("%s while %s runs", step.ID(), name)
			}
		}
	}
	return nil
}

func TestLawDestroyNotices(t *testing.T) {
	w := wanted(t, 3)
	running := settled(t, w)
	stopped := running
	for _, name := range running.Names() {
		stopped = change(stopped, name, stop)
	}
	own := running.Hosts["etcd-1"].Data.ClusterID
	for name, test := range map[string]struct {
		seen  facts.Snapshot
		kind  plan.Kind
		own   facts.ID
		purge bool
	}{
		"purge that nobody asked for": {stopped, plan.PurgeData, own, false},
		"data of others":              {stopped, plan.MoveAside, 7, false},
		"data of what runs":           {running, plan.MoveAside, own, false},
		"files of what runs":          {running, plan.RemoveFiles, own, false},
		"a start":                     {stopped, plan.StartMember, own, true},
	} {
		if lawDestroy(test.seen, plan.Stage{Steps: []plan.Step{{Kind: test.kind, Host: "etcd-1"}}}, test.own,
			test.purge) == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
}

// From every condition that hosts may be in, destroying ends: with nothing left, or in a refusal that touches nothing.
func TestDestroyScenes(t *testing.T) {
	t.Parallel()
	w := wanted(t, 3)
	sc := newScenes(t, w)
	own := sc.stages[whole].Hosts["etcd-1"].Data.ClusterID
	all := slices.Concat(common, rare)
	random := rand.New(rand.NewPCG(7, 7))
	gone, refused := 0, 0
	for i := range 10 * len(all) {
		conditions := []condition{all[i%len(all)], common[random.IntN(len(common))], common[6]}
		random.Shuffle(3, func(i, j int) { conditions[i], conditions[j] = conditions[j], conditions[i] })
		if destroyed(t, w, sc.scene(conditions), own, i%2 == 0, names(conditions)) {
			gone++
		} else {
			refused++
		}
	}
	t.Logf("%d scenes: %d destroyed, %d refused", gone+refused, gone, refused)
	if gone == 0 || refused == 0 {
		t.Error("some of both were to be expected")
	}
}

func destroyed(t *testing.T, w Want, s facts.Snapshot, own facts.ID, purge bool, way string) bool {
	t.Helper()
	next := NextDestroy(purge)
	for i := range 6 {
		stage, err := next(w, s)
		var refusal *plan.Refused
		switch {
		case errors.As(err, &refusal):
			if err := lawRemedy(refusal); err != nil || i > 0 {
				t.Fatalf("refused at stage %d: %v, %v\nfrom: %s", i, refusal, err, way)
			}
			return false
		case err != nil:
			t.Fatalf("%v\nfrom: %s", err, way)
		case stage == nil:
			left(t, w, s, way)
			return true
		}
		if err := lawDestroy(s, *stage, own, purge); err != nil {
			t.Fatalf("%v\nfrom: %s", err, way)
		}
		s = Simulate(w, s, *stage)
	}
	t.Fatalf("no end\nfrom: %s", way)
	return false
}

// left checks that nothing of the cluster is left.
func left(t *testing.T, w Want, s facts.Snapshot, way string) {
	t.Helper()
	for name, host := range s.Hosts {
		if host.Process != nil || host.Data.WAL || host.Unit.Enabled == "enabled" {
			t.Fatalf("%s: process %v, data %+v, unit %+v are left\nfrom: %s", name, host.Process, host.Data, host.Unit, way)
		}
		for file := range host.Files {
			if file == UnitPath(w.Cluster) || strings.HasPrefix(file, ConfigDir(w.Cluster)) {
				t.Fatalf("%s: %s is left\nfrom: %s", name, file, way)
			}
		}
	}
}

// A host that was prepared with another token than that of the others' data is the odd one. Nobody is told to move the
// data of the others away.
func TestOddToken(t *testing.T) {
	w := wanted(t, 3)
	sc := newScenes(t, w)
	got := refusals(t, w, sc.scene([]condition{common[2], common[3], common[4]}))
	if len(got) != 1 || got[0].Kind != plan.MixedData || got[0].Host != "etcd-1" {
		t.Errorf("refusals %+v, want one of kind %s on etcd-1", got, plan.MixedData)
	}
}
