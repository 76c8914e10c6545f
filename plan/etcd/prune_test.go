package etcd

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

func TestPrune(t *testing.T) {
	w := wanted(t, 3)
	dir := func(name string) string { return facts.ReleaseDir + "/" + name }
	s := change(settled(t, w), "etcd-2", func(h *facts.Host) {
		for _, name := range []string{"3.6.11-aa", "3.5.35-bb", "3.5.30-cc", "3.10.1-dd", "3.9.9-ee"} {
			h.Files[dir(name)] = facts.File{Kind: facts.Dir, Mode: 0o755, Owner: "root", Group: "root"}
			h.Files[dir(name)+"/etcd"], h.Binaries[dir(name)+"/etcd"] = facts.File{Kind: facts.Regular}, "e9"
		}
		h.InUse = []string{BinDir(testRelease), dir("3.5.30-cc")} // another cluster's
	})
	stage, err := Next(w, s)
	if err != nil || stage == nil {
		t.Fatalf("%v, %v", stage, err)
	}
	if err := lawful(w, s, *stage); err != nil {
		t.Error(err)
	}
	var got []string
	for _, step := range stage.Steps {
		for _, p := range step.Paths {
			got = append(got, step.Host+" "+p.Path)
		}
	}
	want := []string{"etcd-2 " + dir("3.6.11-aa"), "etcd-2 " + dir("3.5.35-bb")}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	after := Simulate(w, s, *stage)
	if stage, err := Next(w, after); stage != nil || err != nil {
		t.Errorf("still to do: %v, %v", stage, err)
	}
	if _, there := after.Hosts["etcd-2"].Binaries[dir("3.5.35-bb")+"/etcd"]; there {
		t.Error("a binary of it is still there")
	}
	// Nobody knows what other clusters use: nothing goes.
	unknown := change(s, "etcd-2", func(h *facts.Host) { h.InUse = nil })
	if stage, err := Next(w, unknown); stage != nil || err != nil {
		t.Errorf("%v, %v", stage, err)
	}
}

// A plan shows that a third release will be one too many, and keeps those of which other clusters' units were seen.
func TestSimulateUse(t *testing.T) {
	w := wanted(t, 3)
	dir := func(name string) string { return facts.ReleaseDir + "/" + name }
	third := plan.Release{
		Version: "3.6.11", Arch: "amd64", SHA256: "bb" + testRelease.SHA256[2:],
		Binaries: testRelease.Binaries,
	}
	for name, test := range map[string]struct {
		there, told, want []string
	}{
		"two, nobody tells": {nil, nil, nil},
		"the third":         {[]string{dir("3.5.35-aa")}, nil, []string{BinDir(testRelease)}},
		"the third, and another": {
			[]string{dir("3.5.35-aa"), dir("3.5.30-cc")},
			[]string{dir("3.5.30-cc"), BinDir(testRelease)},
			[]string{dir("3.5.30-cc"), BinDir(testRelease)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := change(settled(t, w), "etcd-2", func(h *facts.Host) {
				for _, path := range test.there {
					h.Files[path] = facts.File{Kind: facts.Dir}
				}
				h.InUse = test.told
			})
			after := SimulateStep(w, s, plan.Step{Kind: plan.InstallRelease, Host: "etcd-2", Release: &third})
			if d := cmp.Diff(test.want, after.Hosts["etcd-2"].InUse); d != "" {
				t.Error(d)
			}
		})
	}
}

// A cluster that was born a moment ago does not wait for what etcd does by itself; one that may have come from an older
// version does.
func TestYoung(t *testing.T) {
	w := wanted(t, 3)
	for name, test := range map[string]struct {
		created string
		older   bool
		waits   bool
	}{
		"born now":                          {noon.Format(time.RFC3339), false, false},
		"born an hour ago":                  {noon.Add(-time.Hour).Format(time.RFC3339), false, true},
		"born now, with an older release":   {noon.Format(time.RFC3339), true, true},
		"born in an hour, as its clock had": {noon.Add(time.Hour).Format(time.RFC3339), false, true},
	} {
		s := settled(t, w)
		for _, host := range s.Names() {
			s = change(s, host, func(h *facts.Host) {
				file := h.Files[ConfigDir(w.Cluster)+"/born.json"]
				file.Content = bytes.Replace(file.Content, []byte("0001-01-01T00:00:00Z"), []byte(test.created), 1)
				h.Files[ConfigDir(w.Cluster)+"/born.json"] = file
				status := *h.Etcd
				status.StorageVersion = "3.5.0"
				h.Etcd = &status
				if test.older {
					h.Binaries[facts.ReleaseDir+"/3.5.35-aa/etcd"] = "e5"
				}
			})
		}
		stage, err := Next(w, s)
		if waits := stage != nil && stage.Steps[0].Kind == plan.AwaitVersion; err != nil || waits != test.waits ||
			stage != nil && !waits {
			t.Errorf("%s: %+v, %v; waits is to be %v", name, stage, err, test.waits)
		}
	}
}

// A run that was killed right after it had switched to a new pair has left the old key, which is removed.
func TestPruneUnlinked(t *testing.T) {
	w := wanted(t, 3)
	dir := func(name string) string { return ConfigDir(w.Cluster) + "/tls/" + name }
	s := change(settled(t, w), "etcd-2", func(h *facts.Host) {
		for _, name := range []string{
			"server-00112233445566778899", "peer-aabbccddeeff00112233", "peer-mine", "peer.aside.1",
		} {
			h.Files[dir(name)] = facts.File{Kind: facts.Dir}
			h.Files[dir(name)+"/key.pem"] = facts.File{Kind: facts.Regular}
		}
	})
	stage, err := Next(w, s)
	if err != nil || stage == nil || len(stage.Steps) != 1 || stage.Steps[0].Kind != plan.PruneTrust {
		t.Fatalf("%+v, %v", stage, err)
	}
	if got := namesOfPaths(stage.Steps[0].Paths); !slices.Equal(got, []string{
		dir("peer-aabbccddeeff00112233"), dir("server-00112233445566778899"),
	}) {
		t.Errorf("removes %q", got)
	}
	s = Simulate(w, s, *stage)
	if _, ok := s.Hosts["etcd-2"].Files[dir("peer-aabbccddeeff00112233")+"/key.pem"]; ok {
		t.Error("the key is there yet")
	}
	if stage, err := Next(w, s); stage != nil || err != nil {
		t.Errorf("afterwards: %+v, %v", stage, err)
	}
	s = change(s, "etcd-2", func(h *facts.Host) { // the link is not known to be good
		h.Files[dir("peer-aabbccddeeff00112233")] = facts.File{Kind: facts.Dir}
		leaf := h.Leaves["peer"]
		leaf.Intact = false
		h.Leaves["peer"] = leaf
	})
	if stage, _ := Next(w, s); stage == nil || stage.Steps[0].Kind == plan.PruneTrust {
		t.Errorf("where the pair is damaged: %+v", stage)
	}
}

func namesOfPaths(paths []plan.Path) (names []string) {
	for _, p := range paths {
		names = append(names, p.Path)
	}
	return names
}

// A bundle that nothing runs with goes, and what somebody else put there stays.
func TestPruneTrust(t *testing.T) {
	w := wanted(t, 3)
	ours := units.Trust(ConfigDir(w.Cluster), "client", []byte("of old"))
	s := change(settled(t, w), "etcd-2", func(h *facts.Host) {
		h.Files[ours.Path] = facts.File{Kind: facts.Regular, Content: ours.Data}
		for _, name := range []string{"trust-app.pem", "trust-client-00000000.pem"} {
			h.Files[ConfigDir(w.Cluster)+"/"+name] = facts.File{Kind: facts.Regular, Content: ours.Data}
		}
	})
	stage, err := Next(w, s)
	if err != nil || stage == nil {
		t.Fatalf("%v, %v", stage, err)
	}
	want := []plan.Step{{
		Kind: plan.PruneTrust, Host: "etcd-2", Unit: w.Cluster.UnitName,
		Paths: []plan.Path{{Path: ours.Path}}, Why: "no member runs with them any more",
	}}
	if d := cmp.Diff(want, stage.Steps); d != "" {
		t.Error(d)
	}
}
