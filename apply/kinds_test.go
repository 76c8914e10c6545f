package apply

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/pool"
	"github.com/clusterup/clusterup/units"
)

// Each kind of step has a doer, which asks those who are where the step happens: the operator directory, a host, or
// etcd.
func TestKindsAreDone(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel() // nothing is waited for
	for _, kind := range append(plan.Kinds(), "no-such-kind") {
		asked, mu := map[plan.Where]bool{}, sync.Mutex{} // members are asked side by side
		no := refusing(func(where plan.Where) error {
			mu.Lock()
			defer mu.Unlock()
			asked[where] = true
			return errors.New("no")
		})
		r := &Run{
			Want: wanted(t, 3), Operator: refusingOperator{ask: no}, Etcd: refusingEtcd{ask: no}, Now: time.Now,
			Hosts: map[string]Host{"etcd-1": refusingHost{no}},
		}
		step := plan.Step{
			Kind: kind, Host: "etcd-1", To: "etcd-2", Through: "etcd-2",
			Release: &plan.Release{}, Leaf: &plan.Leaf{}, Birth: &units.Born{}, Restoring: &units.Restoring{},
			Restore: &plan.Restore{}, Salvage: &plan.Salvage{}, Paths: []plan.Path{{Path: "/etc/etcd/prod/file"}},
			Revoke: &facts.Recorded{}, Role: &plan.RoleChange{Name: "app"}, User: &plan.UserChange{Name: "app"},
			Pool: &pool.Change{}, Program: &plan.Program{}, Unit: "unit",
		}
		do := func() error { return r.do(over, step) }
		if writes(kind) {
			do = func() error { _, err := r.piece(over, plan.Stage{}, []plan.Step{step}); return err }
		}
		err := do()
		if errors.Is(err, errNoDoer) != (kind == "no-such-kind") {
			t.Errorf("%s: %v", kind, err)
		}
		where := kind.Traits().Where
		if where == plan.Node { // a host as any other
			where = plan.Machine
		}
		if where != "" && (!asked[where] || len(asked) != 1) {
			t.Errorf("%s happens at %q, and asks %v", kind, where, asked)
		}
	}
}

// refusing says no, and notes where that was.
type refusing func(plan.Where) error

// refusingHost refuses all that steps ask of a host.
type refusingHost struct{ ask refusing }

func (h refusingHost) Script(context.Context, string) ([]byte, error) {
	return nil, h.ask(plan.Machine)
}

func (h refusingHost) Write(context.Context, ...Part) (done, failed int, err error) {
	return 0, 0, h.ask(plan.Machine)
}

func (h refusingHost) Feed(context.Context, string, Input, func(done, total int64)) error {
	return h.ask(plan.Machine)
}

// refusingOperator refuses all that steps ask of the operator directory.
type refusingOperator struct {
	Operator
	ask refusing
}

func (o refusingOperator) CreateCA(context.Context, string) error { return o.ask(plan.Directory) }

func (o refusingOperator) CreateTokenKey(context.Context) error { return o.ask(plan.Directory) }

// TokenKey is what is then to be written.
func (o refusingOperator) TokenKey(context.Context, int) ([]byte, error) {
	return nil, o.ask(plan.Machine)
}

// IssueClient and Program are what is then to be written.
func (o refusingOperator) IssueClient(context.Context, string, plan.Leaf) (cert, key []byte, serial string, err error) {
	return nil, nil, "", o.ask(plan.Machine)
}

func (o refusingOperator) Program(context.Context, plan.Program) (Input, error) {
	return Input{}, o.ask(plan.Machine)
}

func (o refusingOperator) RetireCA(context.Context, string, int) error { return o.ask(plan.Directory) }

func (o refusingOperator) HoldRotation(context.Context, string, string) error {
	return o.ask(plan.Directory)
}

func (o refusingOperator) RevokeClient(context.Context, string) error { return o.ask(plan.Directory) }

func (o refusingOperator) RevokeLeaf(context.Context, facts.Recorded) error {
	return o.ask(plan.Directory)
}

func (o refusingOperator) ListRevoked(context.Context, string) error { return o.ask(plan.Directory) }

func (o refusingOperator) PinRelease(context.Context, plan.Release) error {
	return o.ask(plan.Directory)
}

// SaveSnapshot asks a member for its data.
func (o refusingOperator) SaveSnapshot(context.Context, string, string) error {
	return o.ask(plan.Cluster)
}

// Issue makes a certificate, which is then to be written.
func (o refusingOperator) Issue(context.Context, string, plan.Leaf) (cert, key []byte, serial string, err error) {
	return nil, nil, "1", nil
}

// Salvage asks nobody else than the host that was asked before.
func (o refusingOperator) Salvage(context.Context, string, string, string) error { return nil }

// Snapshot has one, which is then to be sent.
func (o refusingOperator) Snapshot(context.Context, string) (Input, error) { return Input{}, nil }

// Archive has one, which is then to be sent.
func (o refusingOperator) Archive(context.Context, plan.Release) (Archive, error) {
	return Archive{}, nil
}

// refusingEtcd refuses all that steps ask of members.
type refusingEtcd struct {
	Etcd
	ask refusing
}

func (e refusingEtcd) ReadLinearizable(context.Context, string) error { return e.ask(plan.Cluster) }
func (e refusingEtcd) Canary(context.Context, string, string, string) error {
	return e.ask(plan.Cluster)
}

func (e refusingEtcd) Downgrade(context.Context, string, string) error { return e.ask(plan.Cluster) }

func (e refusingEtcd) MoveLeader(context.Context, string, facts.ID) error { return e.ask(plan.Cluster) }

func (e refusingEtcd) UpdateMember(context.Context, string, facts.ID, []string) error {
	return e.ask(plan.Cluster)
}

func (e refusingEtcd) AddLearner(context.Context, string, []string) error { return e.ask(plan.Cluster) }

func (e refusingEtcd) PromoteMember(context.Context, string, facts.ID) error {
	return e.ask(plan.Cluster)
}

func (e refusingEtcd) RemoveMember(context.Context, string, facts.ID) error {
	return e.ask(plan.Cluster)
}

func (e refusingEtcd) Status(context.Context, string) (facts.Status, error) {
	return facts.Status{}, e.ask(plan.Cluster)
}

func (e refusingEtcd) ClusterVersion(context.Context, string) (string, error) {
	return "", e.ask(plan.Cluster)
}

func (e refusingEtcd) Revision(context.Context, string) (int64, error) {
	return 0, e.ask(plan.Cluster)
}

func (e refusingEtcd) Disarm(context.Context, string, facts.Alarm) error { return e.ask(plan.Cluster) }

func (e refusingEtcd) RolesOf(context.Context, string, string) ([]string, error) {
	return nil, e.ask(plan.Cluster)
}

func (e refusingEtcd) ChangePool(context.Context, string, pool.Change) (bool, error) {
	return false, e.ask(plan.Cluster)
}

func (e refusingEtcd) PutRole(context.Context, string, facts.Role, []facts.Permission) error {
	return e.ask(plan.Cluster)
}

func (e refusingEtcd) PutUser(context.Context, string, facts.User, []string, bool) error {
	return e.ask(plan.Cluster)
}

func (e refusingEtcd) SetPassword(context.Context, string, facts.User) error {
	return e.ask(plan.Cluster)
}

func (e refusingEtcd) DropRole(context.Context, string, string) error { return e.ask(plan.Cluster) }
func (e refusingEtcd) DropUser(context.Context, string, string) error { return e.ask(plan.Cluster) }
func (e refusingEtcd) DisableAuth(context.Context, string) error      { return e.ask(plan.Cluster) }
