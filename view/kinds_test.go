package view

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/pool"
	"github.com/clusterup/clusterup/units"
)

// shownStep is a step of a kind with what people are told of such steps.
func shownStep(kind plan.Kind) plan.Step {
	step := plan.Step{Kind: kind, Host: "etcd-1", Why: "why"}
	switch kind {
	case plan.CreateCA, plan.RetireCA, plan.HoldRotation, plan.ListRevoked:
		step.Host, step.CA = "", "client"
	case plan.RevokeClient:
		step.Host, step.Client, step.Serial = "", "app", "1f"
	case plan.RevokeLeaf:
		step.Host, step.CA, step.Revoke = "", "client", &facts.Recorded{Member: "etcd-4", Role: "server", Serial: "1f"}
	case plan.PinRelease:
		step.Host, step.Release = "", &plan.Release{Version: "3.7.3"}
	case plan.InstallRelease:
		step.Release = &plan.Release{Version: "3.7.3"}
	case plan.IssueLeaf:
		step.Leaf = &plan.Leaf{Role: "server"}
	case plan.DisarmAlarm:
		step.Member, step.Alarm = 0xa1, "NOSPACE"
	case plan.PutRole:
		step.Role = &plan.RoleChange{
			Name: "app", Grant: []facts.Permission{{Key: "/app/", End: "/app0", Read: true, Write: true}},
			Revoke: []facts.Permission{{Key: "\x00", End: "\x00", Read: true}},
		}
	case plan.CreateTokenKey:
		step.Host, step.Generation = "", 2
	case plan.WriteTokenKey:
		step.Generation = 2
		step.Paths = []plan.Path{{
			Path: "/etc/etcd/prod/token-0123456789abcdef.pem", Owner: "root", Group: "etcd", Mode: 0o640,
		}}
	case plan.SetPassword:
		step.User = &plan.UserChange{Name: "app", Password: true}
	case plan.PutUser:
		step.User = &plan.UserChange{Name: "app", Grant: []string{"app", "my role"}, Revoke: []string{"ops"}, Password: true}
	case plan.PutServers:
		server := pool.Server{Address: netip.MustParseAddr("10.0.0.21"), Port: 6432, Check: 8008, Weight: 100, State: pool.Drain}
		step.Pool = &pool.Change{
			Balancer: "front", Put: map[string]pool.Server{"pg-1": server}, Remove: []string{"pg-2", "\x1bodd"},
			Was: map[string]pool.Server{"pg-2": server},
		}
	case plan.InstallPackages:
		step.Packages = []string{"haproxy"}
	case plan.PrepareService:
		step.Account = "clusterup-follow"
		step.Paths = []plan.Path{{Path: "/etc/clusterup-follow-front", Owner: "root", Group: "clusterup-follow", Mode: 0o750}}
	case plan.PlaceProgram:
		step.Program = &plan.Program{Arch: "amd64", Path: "/opt/clusterup/node/0123456789abcdef/clusterup-node"}
	case plan.IssueClient:
		step.Client, step.Account, step.Leaf = "lb-1@front", "clusterup-follow", &plan.Leaf{Role: "client"}
	case plan.WriteService:
		step.Try = []string{"haproxy", "-c"}
		step.Changes = []plan.Change{{File: units.File{Path: "/etc/haproxy/haproxy.cfg"}}}
	case plan.StartService, plan.RestartService, plan.ReloadService:
		step.Unit = "haproxy"
	case plan.RemoveService:
		step.Unit, step.Paths = "clusterup-follow-front", []plan.Path{{Path: "/etc/clusterup-follow-front"}}
	case plan.DropRole:
		step.Role = &plan.RoleChange{Name: "old"}
	case plan.DropUser:
		step.User = &plan.UserChange{Name: "\x1bold"}
	case plan.MoveLeader:
		step.To = "etcd-2"
	case plan.PromoteMember, plan.RemoveMember:
		step.Through, step.Member = "etcd-2", 0xa1
	case plan.UpdateMember, plan.AddLearner:
		step.Through, step.PeerURLs = "etcd-2", []string{"https://10.0.0.11:2380"}
	case plan.RestartMember:
		step.From, step.Version = "3.6.16", "3.7.3"
	case plan.EnableDowngrade, plan.AwaitVersion, plan.SaveSnapshot:
		step.Version = "3.6"
	case plan.WriteTrust, plan.WriteUnit:
		step.Changes = []plan.Change{{File: units.File{Path: "/etc/file"}}}
	case plan.MakeDirs, plan.FixModes:
		step.Paths = []plan.Path{{Path: "/etc/dir", Owner: "root", Group: "root", Mode: 0o750}}
	case plan.PruneReleases, plan.PruneTrust, plan.MoveAside, plan.PurgeData, plan.RemoveFiles, plan.UnmarkRestore:
		step.Paths = []plan.Path{{Path: "/var/dir"}}
	}
	return step
}

// A plan shows each kind of step with its mark and its words.
func TestKindsAreShown(t *testing.T) {
	var out bytes.Buffer
	v := planView{out: &out, shown: map[string]string{}, now: map[string]string{}}
	for _, kind := range plan.Kinds() {
		v.line("%s", v.step(shownStep(kind)))
	}
	golden(t, "kinds.txt", out.Bytes())
}

// Steps that remove are marked so, by name, and in a colour of their own.
func TestMarks(t *testing.T) {
	goes := []string{"prune", "retire", "revoke", "remove", "purge", "stop", "compact", "unmark", "drop"}
	for _, kind := range plan.Kinds() {
		step := shownStep(kind)
		verb, _, _ := strings.Cut(string(kind), "-")
		mark, removes := painter{on: true}.mark(step), slices.Contains(goes, verb) || kind == plan.MoveAside
		if removes != (mark == painter{on: true}.red("-")) || mark == "" || mark == "\x00" {
			t.Errorf("%s: mark %q", kind, mark)
		}
		if waits := verb == "await"; waits != (mark == "…") {
			t.Errorf("%s: mark %q", kind, mark)
		}
	}
	changed := plan.Step{Kind: plan.WriteTrust, Changes: []plan.Change{{Existed: true}}}
	if mark := (painter{}).mark(changed); mark != "~" {
		t.Errorf("a changed file: mark %q", mark)
	}
	if mark := (painter{}).mark(plan.Step{Kind: plan.UpdateMember}); mark != "~" {
		t.Errorf("a member that is known otherwise: mark %q", mark)
	}
}
