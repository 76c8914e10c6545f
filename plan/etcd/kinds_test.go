package etcd

import (
	"reflect"
	"slices"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/trust"
	"github.com/clusterup/clusterup/pool"
	"github.com/clusterup/clusterup/units"
)

// stepOf is a step of a kind that holds whatever any kind holds.
func stepOf(w Want, s facts.Snapshot, kind plan.Kind) plan.Step {
	file := UnitPath(w.Cluster)
	step := plan.Step{
		Kind: kind, Host: "etcd-1", Why: "no reason", Unit: w.Cluster.UnitName, Version: "3.6.16",
		Paths:   []plan.Path{{Path: file, Owner: "nobody", Group: "nobody", Mode: 0o600}},
		Changes: []plan.Change{{File: units.File{Path: file, Data: []byte("another text")}}},
	}
	switch kind.Traits().Where {
	case plan.Directory:
		step.Host, step.CA, step.Generation, step.Phase, step.Serial = "", "client", 1, trust.HoldTrust, "abc"
	case plan.Cluster:
		step.Version, step.To = "3.5", "etcd-2"
		step.Through, step.Member = "etcd-2", s.Hosts["etcd-1"].Data.MemberID
		step.PeerURLs, step.Alarm = []string{"https://10.0.0.99:2380"}, "NOSPACE"
	}
	switch kind {
	case plan.PinRelease, plan.InstallRelease:
		step.Release = &plan.Release{Version: "3.6.99", Arch: "amd64", SHA256: "abc"}
	case plan.PromoteMember:
		step.Member = s.Members[0].ID
	case plan.IssueLeaf:
		step.Leaf = &plan.Leaf{Role: "peer", CA: "peer", Generation: 1, CN: "etcd-1"}
	case plan.RevokeLeaf:
		step.Revoke = &facts.Recorded{Member: "etcd-4", Role: "server", Serial: "abc"}
	case plan.MarkRestore:
		step.Restoring = &units.Restoring{SHA256: "abc"}
	case plan.SalvageMember:
		step.Salvage = &plan.Salvage{Token: "abc"}
	case plan.RestoreData:
		step.Restore = &plan.Restore{Token: "abc"}
	case plan.RecordBirth:
		step.Birth = &units.Born{ClusterID: "7", MemberID: "8"}
	case plan.PutRole, plan.DropRole:
		step.Role = &plan.RoleChange{Name: "old", Grant: []facts.Permission{{Key: "/", Read: true}}}
	case plan.CreateTokenKey, plan.WriteTokenKey:
		step.Generation, step.Paths = 1, []plan.Path{{Path: "/etc/etcd/prod/token-0123456789abcdef.pem", Mode: 0o640}}
	case plan.SetPassword:
		step.User = &plan.UserChange{Name: "old", Password: true}
	case plan.PutServers:
		step.Pool = &pool.Change{Balancer: "front", Put: map[string]pool.Server{"pg-1": {Port: 1, State: pool.Ready}}}
	case plan.PutUser, plan.DropUser:
		step.User = &plan.UserChange{Name: "old", Grant: []string{"root"}}
	}
	return step
}

// ofClusters are the kinds of steps but those on nodes of balancers, which have rules of their own.
func ofClusters() []plan.Kind {
	return slices.DeleteFunc(plan.Kinds(), func(kind plan.Kind) bool { return kind.Traits().Where == plan.Node })
}

// Each kind has an effect that the facts can see, but for those that only wait for members that run.
func TestKindsAreSimulated(t *testing.T) {
	wait := []plan.Kind{plan.AwaitMember, plan.AwaitLeader, plan.AwaitLearner}
	w := wanted(t, 3)
	s := change(settled(t, w), "etcd-1", func(h *facts.Host) {
		h.EtcdUser, h.Unit.NeedsReload, h.Unit.Enabled, h.V2Store = false, true, "disabled", nil
		h.Etcd.Downgrade, h.Etcd.DBSize, h.Etcd.DBInUse = "3.4.0", 2, 1
	})
	s.Alarms = []facts.Alarm{{Member: s.Hosts["etcd-1"].Data.MemberID, Type: "NOSPACE"}}
	s.Operator.Clients = []facts.Client{{Name: "app", Serial: "abc"}}
	s.Operator.Revoked = nil
	s.Auth = &facts.Auth{
		AuthState: facts.AuthState{Enabled: true}, Users: []facts.User{{Name: "old"}}, Roles: []facts.Role{{Name: "old"}},
	}
	s = SimulateStep(w, s, stepOf(w, s, plan.AwaitLeader)) // members have found each other
	for _, kind := range ofClusters() {
		s := s
		if kind == plan.PromoteMember {
			s.Members = slices.Clone(s.Members)
			s.Members[0].Learner = true
		}
		if kind == plan.EnableAuth {
			s.Auth = &facts.Auth{}
		}
		changed := !reflect.DeepEqual(SimulateStep(w, s, stepOf(w, s, kind)), s)
		if changed == slices.Contains(wait, kind) {
			t.Errorf("%s: has an effect: %t", kind, changed)
		}
	}
}

// Each kind is either one that converging may want, or only for a cluster that is to be destroyed, or for a verb; and
// none that disturbs members may be wanted on two hosts at once.
func TestKindsHaveLaws(t *testing.T) {
	// Of a member that is listed; the others are those of a verb.
	others := []plan.Kind{
		plan.StopMember, plan.MoveAside, plan.PurgeData, plan.RemoveFiles, plan.Defragment, plan.Compact, plan.DisarmAlarm,
		plan.MarkRestore, plan.SalvageMember, plan.RestoreData, plan.UnmarkRestore,
	}
	w := wanted(t, 3)
	s := settled(t, w)
	for _, kind := range ofClusters() {
		step := stepOf(w, s, kind)
		stage := plan.Stage{Name: "bad", Gate: "none", Width: 1, Steps: []plan.Step{step}}
		if err := lawKinds(w, s, stage); (err != nil) != slices.Contains(others, kind) {
			t.Errorf("%s: law 3 says %v", kind, err)
		}
		if kind.Traits().Where == plan.Directory {
			continue
		}
		other := step
		other.Host = "etcd-2"
		stage.Width, stage.Steps = 2, append(stage.Steps, other)
		if err := lawAlone(stage); (err != nil) != kind.Traits().Disturbs {
			t.Errorf("%s on two hosts: %v", kind, err)
		}
	}
}
