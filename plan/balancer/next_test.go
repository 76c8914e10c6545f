package balancer

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
	files "github.com/clusterup/clusterup/units/balancer"
)

// steps are those of a stage, as "kind host".
func steps(stage *plan.Stage) []string {
	var out []string
	if stage != nil {
		for _, step := range stage.Steps {
			out = append(out, string(step.Kind)+" "+step.Host)
		}
	}
	return out
}

const (
	config = files.HAProxyConfig
	follow = "clusterup-follow-front"
)

// TestNext has what each rule does about one node, or two, that differ from what is wanted.
func TestNext(t *testing.T) {
	for name, test := range map[string]struct {
		tls    bool
		nodes  int
		change []string // of the inventory, after all was as it had been wanted
		seen   func(n *facts.Node)
		bare   bool
		want   []string
		gate   string
	}{
		"all is as it is wanted": {nodes: 2},
		"a bare node": {nodes: 1, tls: true, bare: true, want: []string{
			"install-packages front-1", "prepare-service front-1", "place-program front-1", "issue-client front-1",
			"write-service front-1", "write-service front-1",
		}},
		"a bare node without TLS": {nodes: 1, bare: true, want: []string{
			"install-packages front-1", "prepare-service front-1", "place-program front-1", "write-service front-1",
			"write-service front-1",
		}},
		"a package that is not held": {nodes: 2, seen: func(n *facts.Node) {
			n.Software["haproxy"] = facts.Package{Version: "3.0.11"}
		}, want: []string{"install-packages front-1"}},
		"a directory that all can read": {nodes: 2, seen: func(n *facts.Node) {
			dir := n.Files["/etc/"+follow]
			dir.Mode = 0o755
			n.Files["/etc/"+follow] = dir
		}, want: []string{"prepare-service front-1"}},
		"another program": {nodes: 2, seen: func(n *facts.Node) {
			n.Binaries[program("a").Path] = "other"
		}, want: []string{"place-program front-1"}},
		"a broken pair": {nodes: 2, tls: true, seen: func(n *facts.Node) {
			leaf := n.Pairs["/etc/"+follow+"/tls/client"]
			leaf.Intact = false
			n.Pairs["/etc/"+follow+"/tls/client"] = leaf
		}, want: []string{"issue-client front-1"}},
		"a bundle that was changed": {nodes: 2, tls: true, seen: func(n *facts.Node) {
			delete(n.Files, "/etc/"+follow+"/ca.pem")
		}, want: []string{"write-service front-1"}},
		"HAProxy does not run": {nodes: 2, seen: func(n *facts.Node) {
			unit := n.Units["haproxy"]
			unit.Process, unit.Active = nil, "inactive"
			n.Units["haproxy"] = unit
		}, want: []string{"start-service front-1"}, gate: "nothing is stopped"},
		"HAProxy does not run, and has another configuration": {nodes: 2, seen: func(n *facts.Node) {
			unit := n.Units["haproxy"]
			unit.Process, unit.Active = nil, "inactive"
			n.Units["haproxy"] = unit
			file := n.Files[config]
			file.Content = append([]byte("# Written by clusterup\n"), "global\n"...)
			n.Files[config] = file
		}, want: []string{"write-service front-1"}},
		"the follower is not started at boot": {nodes: 2, seen: func(n *facts.Node) {
			unit := n.Units[follow]
			unit.Enabled = "disabled"
			n.Units[follow] = unit
		}, want: []string{"start-service front-1"}},
		"HAProxy has read another configuration": {nodes: 2, seen: func(n *facts.Node) {
			n.Files["/etc/"+follow+"/haproxy-loaded"] = facts.File{Content: []byte("0123\n")}
		}, want: []string{"reload-service front-1"}, gate: "front-2 goes on as it is"},
		"the only node": {nodes: 1, seen: func(n *facts.Node) {
			n.Files["/etc/"+follow+"/haproxy-loaded"] = facts.File{Content: []byte("0123\n")}
		}, want: []string{"reload-service front-1"}, gate: "it is the only node"},
		"another port": {
			nodes: 3, change: []string{"port = 5000", "port = 6000"},
			want: []string{"write-service front-1", "reload-service front-1"},
			gate: "front-2 and front-3 go on as they are",
		},
		"the follower runs with something else": {nodes: 2, seen: func(n *facts.Node) {
			n.Units[follow].Process.Args[2] = "/etc/" + follow + "/config-01234567.json"
		}, want: []string{"restart-service front-1"}, gate: "HAProxy goes on with the servers that it has"},
		"a unit that systemd has not read": {nodes: 2, seen: func(n *facts.Node) {
			unit := n.Units[follow]
			unit.NeedsReload = true
			n.Units[follow] = unit
		}, want: []string{"write-service front-1"}},
		"an old configuration": {nodes: 2, seen: func(n *facts.Node) {
			n.Files["/etc/"+follow+"/config-01234567.json"] = facts.File{Kind: facts.Regular}
		}, want: []string{"start-service front-1"}},
		"a file of somebody else": {nodes: 2, seen: func(n *facts.Node) {
			n.Files["/etc/"+follow+"/config-old.json"] = facts.File{Kind: facts.Regular}
		}},
		"a node to go": {
			nodes: 2, change: []string{`"10.0.1.1"`, "\"10.0.1.1\"\nstate = \"absent\""},
			want: []string{"remove-service front-1", "remove-service front-1"}, gate: "its clients lose their connections",
		},
		"a node to go, whose HAProxy is somebody else's": {
			nodes: 2, change: []string{`"10.0.1.1"`, "\"10.0.1.1\"\nstate = \"absent\""}, seen: func(n *facts.Node) {
				n.Files[config] = facts.File{Kind: facts.Regular, Content: []byte("global\n")}
			}, want: []string{"remove-service front-1"},
		},
		"a node to go, whose units are somebody else's": {
			nodes: 2, change: []string{`"10.0.1.1"`, "\"10.0.1.1\"\nstate = \"absent\""}, seen: func(n *facts.Node) {
				n.Files[config] = facts.File{Kind: facts.Regular, Content: []byte("global\n")}
				n.Files[unitPath(follow)] = facts.File{Kind: facts.Regular, Content: []byte("[Unit]\n")}
			},
		},
	} {
		was := wanted(t, test.tls, map[string]int{"front": test.nodes})
		w := wanted(t, test.tls, map[string]int{"front": test.nodes}, test.change...)
		s := settled(t, was)
		if test.bare {
			s = bare(t, was)
		}
		if test.change != nil && !strings.Contains(name, "to go") { // what comes before a change is beside the point
			for stage, _ := Next(w, s); stage != nil && strings.HasPrefix(stage.Name, "prepare"); stage, _ = Next(w, s) {
				s = Simulate(w, s, *stage)
			}
		}
		if test.seen != nil {
			s = with(s, "front-1", func(n *facts.Node) {
				for unit, seen := range n.Units { // what is shared is copied
					process := *seen.Process
					process.Args = slices.Clone(process.Args)
					seen.Process = &process
					n.Units[unit] = seen
				}
				test.seen(n)
			})
		}
		stage, err := Next(w, s)
		if got := steps(stage); err != nil || !slices.Equal(got, test.want) ||
			stage != nil && !strings.Contains(stage.Gate, test.gate) {
			t.Errorf("%s: %v, %v\n%+v", name, got, err, stage)
		}
	}
}

// A start of HAProxy notes what it has read only where it reads it.
func TestNotesWhatIsRead(t *testing.T) {
	w := wanted(t, false, map[string]int{"front": 1})
	s := with(settled(t, w), "front-1", func(n *facts.Node) {
		unit := n.Units["haproxy"]
		unit.Enabled = "disabled"
		n.Units["haproxy"] = unit
		n.Files["/etc/"+follow+"/haproxy-loaded"] = facts.File{Content: []byte("0123\n")}
	})
	stage, err := Next(w, s)
	if err != nil || stage == nil || stage.Steps[0].Loaded != "" {
		t.Fatalf("%+v, %v", stage, err)
	}
	if stage, err = Next(w, Simulate(w, s, *stage)); !slices.Equal(steps(stage), []string{"reload-service front-1"}) {
		t.Errorf("then %v, %v", steps(stage), err)
	}
}

// What a follower does not run with any more goes once it runs with something else: its configuration, and its program.
func TestSpent(t *testing.T) {
	nodes := map[string]int{"front": 1}
	was := settled(t, wanted(t, false, nodes))
	w := wanted(t, false, nodes, `listen "write"`, `listen "other"`)
	w.Programs = map[string]plan.Program{"amd64": program("b")}
	old := files.Follow(named(wanted(t, false, nodes), was, "front", "front-1").runs).Path
	for s, removed := was, false; ; {
		stage, err := Next(w, s)
		if stage == nil {
			if err != nil || !removed {
				t.Errorf("nothing was removed, %v", err)
			}
			return
		}
		for _, step := range stage.Steps {
			if step.Kind != plan.RestartService {
				continue
			}
			var paths []string
			for _, p := range step.Paths {
				paths = append(paths, p.Path)
			}
			removed = slices.Equal(paths, []string{old, files.Programs + "/" + strings.Repeat("a", 16)})
		}
		s = Simulate(w, s, *stage)
	}
}

// TestRefusals has each reason for which a node is left as it is. It holds up no other node, and is named in the end.
func TestRefusals(t *testing.T) {
	content := func(text string) facts.File {
		return facts.File{Kind: facts.Regular, Owner: "root", Group: "root", Mode: 0o644, Content: []byte(text)}
	}
	newer := strings.Replace(string(files.HAProxy(files.Node{Writer: "v9"}).Data),
		fmt.Sprintf("clusterup-form: %d", files.Form), fmt.Sprintf("clusterup-form: %d", files.Form+1), 1)
	if units.WriterOf([]byte(newer)).Form != files.Form+1 {
		t.Fatalf("no newer form:\n%s", newer)
	}
	for name, test := range map[string]struct {
		do     func(s *facts.Snapshot, n *facts.Node)
		kind   plan.RefusalKind
		reason string
		remedy string
	}{
		"dark": {func(_ *facts.Snapshot, n *facts.Node) {
			*n = facts.Node{Machine: facts.Machine{Name: n.Name, Unreachable: n.Name + ": no route"}}
		}, plan.Unreachable, "no route", ""},
		"never looked at": {func(_ *facts.Snapshot, n *facts.Node) {
			*n = facts.Node{}
		}, plan.Unreachable, "nobody has looked", ""},
		"no systemd": {func(_ *facts.Snapshot, n *facts.Node) { n.Systemd = 0 }, plan.Unsuitable, "systemd", "use a host"},
		"no program": {func(_ *facts.Snapshot, n *facts.Node) {
			n.Arch = "riscv64"
		}, plan.Unsuitable, "riscv64", "clusterup-node-linux-riscv64"},
		"no package": {func(_ *facts.Snapshot, n *facts.Node) { n.Software = nil }, plan.Unsuitable, "haproxy", "apt-get update"},
		"no candidate": {func(_ *facts.Snapshot, n *facts.Node) {
			n.Software["haproxy"] = facts.Package{}
		}, plan.Unsuitable, "apt has none", "apt-get update"},
		"an old HAProxy": {func(_ *facts.Snapshot, n *facts.Node) {
			n.Software["haproxy"] = facts.Package{Version: "2.5.14-1~bpo11+1"}
		}, plan.Unsuitable, "2.6 is the first", "Debian 12"},
		"an old HAProxy to install": {func(_ *facts.Snapshot, n *facts.Node) {
			n.Software["haproxy"] = facts.Package{Candidate: "1:1.8.4"}
		}, plan.Unsuitable, "2.6 is the first", "Debian 12"},
		"a configuration of somebody's": {func(_ *facts.Snapshot, n *facts.Node) {
			n.Files[config] = content("global\n")
		}, plan.ForeignConfig, "neither clusterup's nor the package's own", "mv " + config},
		"a unit of somebody's": {func(_ *facts.Snapshot, n *facts.Node) {
			n.Files[unitPath(follow)] = content("[Unit]\n")
		}, plan.ForeignUnit, follow + ".service is not clusterup's", "systemctl disable --now"},
		"a clock that is off": {func(_ *facts.Snapshot, n *facts.Node) {
			n.ClockOffset = -10 * time.Minute
		}, plan.ClockOff, "10m0s", "time server"},
		"a revoked pair": {func(s *facts.Snapshot, n *facts.Node) {
			n.Pairs["/etc/"+follow+"/tls/client"] = facts.Leaf{Intact: true, Serial: "abc"}
			s.Operator.Clients = append(s.Operator.Clients, facts.Client{Name: "front-1@front", Serial: "abc", Revoked: true})
		}, plan.NoUser, "was revoked", "rm /etc/" + follow + "/tls/client"},
		"no CA that can sign": {func(s *facts.Snapshot, n *facts.Node) {
			delete(n.Pairs, "/etc/"+follow+"/tls/client")
			s.Operator.CAs = slices.Clone(s.Operator.CAs)
			for i := range s.Operator.CAs {
				s.Operator.CAs[i].Signing = s.Operator.CAs[i].Signing && s.Operator.CAs[i].Role != "client"
			}
		}, plan.CAKeyMissing, "no client CA can sign", "apply again"},
		"a newer clusterup": {func(_ *facts.Snapshot, n *facts.Node) {
			n.Files[config] = content(newer)
		}, plan.OlderClusterup, "newer clusterup", "use that version"},
		"a port that is taken": {func(_ *facts.Snapshot, n *facts.Node) {
			n.Sockets = []facts.Socket{{Port: 5000, Process: "nginx"}}
		}, plan.PortTaken, "taken by nginx", "another port"},
		"HAProxy's own port": {func(_ *facts.Snapshot, n *facts.Node) {
			n.Sockets = []facts.Socket{{Port: 5000, Process: "haproxy"}}
		}, "", "", ""},
		"the package's own configuration": {func(_ *facts.Snapshot, n *facts.Node) {
			n.Files[config] = content("global\n")
			n.Software["haproxy"] = facts.Package{Version: "2.6.12-1", Held: true, Shipped: []string{config}}
		}, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := wanted(t, true, map[string]int{"front": 2, "back": 1})
			s := settled(t, w)
			s = with(s, "front-2", func(n *facts.Node) { // and the others have something to do
				unit := n.Units[follow]
				unit.Enabled = "disabled"
				n.Units[follow] = unit
			})
			s = with(s, "back-1", func(n *facts.Node) {
				unit := n.Units["clusterup-follow-back"]
				unit.Enabled = "disabled"
				n.Units["clusterup-follow-back"] = unit
			})
			given := facts.Snapshot{Operator: s.Operator}
			s = with(s, "front-1", func(n *facts.Node) { test.do(&given, n) })
			s.Operator = given.Operator
			done := map[string]bool{}
			var err error
			for range 20 {
				var stage *plan.Stage
				if stage, err = Next(w, s); stage == nil {
					break
				}
				for _, step := range stage.Steps {
					done[step.Host] = true
				}
				s = Simulate(w, s, *stage)
			}
			if !done["front-2"] || !done["back-1"] {
				t.Errorf("done on %v", done)
			}
			if test.kind == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var refused *plan.Refused
			if !errors.As(err, &refused) || done["front-1"] {
				t.Fatalf("%v, and done on %v", err, done)
			}
			if len(refused.Refusals) != 1 || refused.Refusals[0].Kind != test.kind || refused.Refusals[0].Host != "front-1" ||
				!strings.Contains(refused.Refusals[0].Reason, test.reason) ||
				!strings.Contains(refused.Refusals[0].Remedy, test.remedy) {
				t.Errorf("%+v", refused.Refusals)
			}
			if found := Unready(w, s); len(found) > 0 {
				t.Errorf("what is refused is told as not ready, too: %q", found)
			}
		})
	}
}

// An absent node that a newer clusterup wrote is left as it is, and so is one that cannot be seen.
func TestAbsentRefused(t *testing.T) {
	nodes := map[string]int{"front": 2}
	s := settled(t, wanted(t, false, nodes))
	w := wanted(t, false, nodes, `"10.0.1.1"`, "\"10.0.1.1\"\nstate = \"absent\"")
	if _, err := Next(w, dark(s, "front-1")); !plan.DarkOnly(err) {
		t.Errorf("%v, want one of a dark host", err)
	}
	newer := with(s, "front-1", func(n *facts.Node) {
		file := n.Files[config]
		file.Content = []byte(strings.Replace(string(file.Content), fmt.Sprintf("clusterup-form: %d", files.Form),
			fmt.Sprintf("clusterup-form: %d", files.Form+1), 1))
		n.Files[config] = file
	})
	stage, err := Next(w, newer)
	if r := plan.RefusalsOf(err); len(r) != 1 || r[0].Kind != plan.OlderClusterup {
		t.Errorf("%v, %v, want one of a newer clusterup", steps(stage), err)
	}
	off := with(s, "front-1", func(n *facts.Node) { n.ClockOffset = time.Hour })
	if stage, err := Next(w, off); stage == nil {
		t.Errorf("a node to go is kept for its clock: %v", err)
	}
}

// Nodes that are not ready are told.
func TestUnready(t *testing.T) {
	w := wanted(t, false, map[string]int{"front": 1})
	s := with(settled(t, w), "front-1", func(n *facts.Node) {
		unit := n.Units["haproxy"]
		unit.Active = "reloading"
		n.Units["haproxy"] = unit
		n.Units[follow] = facts.Service{Unit: facts.Unit{Load: "not-found"}}
	})
	want := []string{"front-1: haproxy is reloading", "front-1: " + follow + " is not there"}
	if got := (Rules{w}).Unready(s); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Nodes trust a new client CA before anything is done for the cluster, and nothing else comes so early.
func TestFirst(t *testing.T) {
	w := wanted(t, true, map[string]int{"front": 2, "back": 1})
	if stage := First(w, bare(t, w)); stage != nil {
		t.Errorf("bare nodes: %v", steps(stage))
	}
	s := settled(t, w)
	if stage := First(w, s); stage != nil {
		t.Errorf("nothing is new: %v", steps(stage))
	}
	s.Operator.CAs = append(slices.Clone(s.Operator.CAs), facts.CA{
		Role: "client", Generation: 2, SHA256: "new", Signing: true,
		PEM: []byte("-----BEGIN CERTIFICATE-----\nbmV3\n-----END CERTIFICATE-----\n"),
	})
	s = dark(s, "front-2")
	for _, want := range [][]string{{"write-service front-1"}, {"write-service back-1"}, nil} {
		stage := First(w, s)
		if !slices.Equal(steps(stage), want) {
			t.Fatalf("%v, want %v", steps(stage), want)
		}
		if stage != nil {
			s = Simulate(w, s, *stage)
		}
	}
	if stage := First(wanted(t, false, map[string]int{"front": 1}), s); stage != nil {
		t.Errorf("without TLS: %v", steps(stage))
	}
}

// Each kind of step on a node has an effect that the facts can see, on the nodes of its balancer alone.
func TestKindsAreSimulated(t *testing.T) {
	w := wanted(t, true, map[string]int{"front": 1})
	s, whole := bare(t, w), settled(t, w)
	for _, kind := range plan.Kinds() {
		if kind.Traits().Where != plan.Node {
			continue
		}
		p := program("b")
		step := plan.Step{
			Kind: kind, Host: "front-1", Unit: follow, Packages: []string{"haproxy"}, Account: "other", Program: &p,
			Leaf: &plan.Leaf{Role: "client", CA: "client", CN: "other"}, Config: config, Loaded: "/loaded",
			Changes: []plan.Change{{File: units.File{Path: "/other", Data: []byte("other")}}},
		}
		from := s
		if kind == plan.RemoveService {
			from, step.Paths = whole, []plan.Path{{Path: "/etc/" + follow}}
		}
		stage := plan.Stage{Balancer: "front", Steps: []plan.Step{step}}
		if reflect.DeepEqual(Simulate(w, from, stage).Nodes, from.Nodes) {
			t.Errorf("%s has no effect that the facts can see", kind)
		}
		if !reflect.DeepEqual(SimulateStep(w, from, "other", step).Nodes, from.Nodes) {
			t.Errorf("%s changes nodes of another balancer", kind)
		}
	}
}
