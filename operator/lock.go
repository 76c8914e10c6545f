package operator

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net"
	"os"
	"os/user"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/remote"
)

// holding is the cluster's lock as a run has it. A host on which it is not held stays dark for the rest of the run,
// even if it answers again: somebody else may have changed it meanwhile. Nil: nothing is locked.
type holding struct {
	lock *apply.Lock
	why  map[string]error // by host: why it was not locked
	lost sync.Map         // names of hosts whose connection was seen to be lost, maybe before the lock notices
}

// errUnlocked keeps a run without a lock from changing a host. If it is ever seen, clusterup has a defect.
var errUnlocked = errors.New("the cluster's lock is not held")

// unheld says why a host must not be changed; nil: the lock is held on it.
func (h *holding) unheld(host string) error {
	switch {
	case h == nil:
		return errUnlocked
	case h.why[host] != nil:
		return h.why[host]
	}
	if _, lost := h.lost.Load(host); !lost && h.lock.Holds(host) {
		return nil
	}
	return &remote.Error{
		Host: host, Op: "hold the cluster's lock", Kind: remote.ErrLost,
		Err:    errors.New("the connection was lost while this run was under way"),
		Remedy: "run the same command again when the host answers: it looks, and goes on from there",
	}
}

// noticed returns the error of something that was done on a host. If the connection failed, the lock counts as lost
// there at once: the run must go on in the same way, whichever of the two is noticed first.
func (h *holding) noticed(host string, err error) error {
	if errors.Is(err, remote.ErrLost) || errors.Is(err, remote.ErrUnreachable) {
		h.lost.Store(host, true)
	}
	return err
}

// darkened is a look in which every host without the lock is dark.
func (h *holding) darkened(seen facts.Snapshot) facts.Snapshot {
	hosts := map[string]facts.Host{}
	for name, host := range seen.Hosts {
		if err := h.unheld(name); err != nil && host.Unreachable == "" {
			host = facts.Host{Machine: facts.Machine{Name: name, Unreachable: err.Error(), Err: err}}
		}
		hosts[name] = host
	}
	seen.Hosts = hosts
	if seen.Nodes != nil {
		seen.Nodes = maps.Clone(seen.Nodes)
	}
	for name, node := range seen.Nodes {
		if err := h.unheld(name); err != nil && node.Unreachable == "" {
			seen.Nodes[name] = facts.Node{Machine: facts.Machine{Name: name, Unreachable: err.Error(), Err: err}}
		}
	}
	return seen
}

// guarded is a host that is changed only while the cluster's lock is held on it.
type guarded struct {
	apply.Host
	name    string
	holding *atomic.Pointer[holding]
}

// during does something on the host under the lock.
func (g guarded) during(ctx context.Context, do func(context.Context) error) error {
	held := g.holding.Load()
	check := func() error { return held.unheld(g.name) }
	if err := check(); err != nil {
		return err
	}
	return held.noticed(g.name, do(remote.Checked(ctx, check)))
}

func (g guarded) Script(ctx context.Context, script string) (out []byte, err error) {
	err = g.during(ctx, func(ctx context.Context) error {
		out, err = g.Host.Script(ctx, script)
		return err
	})
	return out, err
}

func (g guarded) Write(ctx context.Context, parts ...apply.Part) (done, failed int, err error) {
	err = g.during(ctx, func(ctx context.Context) error {
		done, failed, err = g.Host.Write(ctx, parts...)
		return err
	})
	return done, failed, err
}

func (g guarded) Feed(ctx context.Context, script string, input apply.Input, progress func(done, total int64)) error {
	return g.during(ctx, func(ctx context.Context) error { return g.Host.Feed(ctx, script, input, progress) })
}

// dark is a host that is not looked at, since the run does not hold the lock there.
type dark struct{ why error }

func (d dark) Script(context.Context, string) ([]byte, error) { return nil, d.why }

// through dials an address from a member's host. A host on which a run does not hold the lock is left alone, since each
// call would wait for it again.
func (s *Session) through(ctx context.Context, member, address string) (net.Conn, error) {
	if s.direct {
		return dialled(ctx, address)
	}
	if held := s.holding.Load(); held != nil {
		if err := held.unheld(member); err != nil {
			return nil, err
		}
	}
	return prober{shell{s.hosts[member]}}.DialContext(ctx, "tcp", address)
}

// Quorate says why the lock on these hosts is not enough to change any of them; nil: it is enough.
func (s *Session) Quorate(seen facts.Snapshot, held []string) error {
	return Remedied(etcd.Quorate(etcd.Want{Cluster: s.Cluster}, seen, held), seen)
}

// enough says why the lock on the held hosts does not suffice; nil: it does.
type enough func(seen facts.Snapshot, held []string) error

// Claim is how the lock is taken.
type Claim struct {
	Doing  string        // the command, as others are told
	Wait   time.Duration // for another run to end; zero: fail at once
	Enough enough        // its error ends the command before anything is done; never nil
}

// AnyHosts is a Claim's Enough for commands that need no majority, such as destroy.
func AnyHosts(facts.Snapshot, []string) error { return nil }

// Locked calls do while it holds the cluster's lock on every host that was seen. It may block for claim.Wait. The
// context of do ends with an *apply.LockLostError once the hosts that still hold the lock are not enough.
func (s *Session) Locked(ctx context.Context, seen facts.Snapshot, claim Claim, do func(context.Context) error) error {
	held, err := s.lock(ctx, seen, claim)
	if err != nil {
		return err
	}
	defer func() { _ = held.lock.Release() }() // it falls with the connection in any case
	if err := claim.Enough(held.darkened(seen), held.lock.Held()); err != nil {
		return err
	}
	s.last.Store(&seen)
	s.holding.Store(held)
	defer s.holding.Store(nil)
	return s.holds(ctx, claim.Enough, do)
}

// holds calls do under the lock. A host that loses the lock is dark from then on. When the other hosts are not enough,
// the context ends.
func (s *Session) holds(ctx context.Context, enough enough, do func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	held := s.holding.Load()
	go func() {
		for {
			select {
			case host := <-held.lock.Lost:
				if enough(held.darkened(*s.last.Load()), held.lock.Held()) != nil {
					cancel(&apply.LockLostError{Host: host})
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return do(ctx)
}

// Cut is the error with which a run ends after so many steps. If it ended because too few hosts held the lock, that is
// an apply.DarkError: the run did all that it could with a host dark. If a step on another host failed by itself, that
// is an apply.LockLostError with that step. Any other error stays as it is.
func (s *Session) Cut(ctx context.Context, steps int, err error) error {
	var lost *apply.LockLostError
	if err == nil || !errors.As(context.Cause(ctx), &lost) || errors.As(err, new(*apply.Stopped)) {
		return err
	}
	seen := s.holding.Load().darkened(*s.last.Load())
	end := &apply.DarkError{Refused: etcd.Dark(etcd.Want{Cluster: s.Cluster}, seen), Steps: steps}
	var stage *apply.StageError
	if !errors.As(err, &stage) {
		return Remedied(end, seen)
	}
	rest := *stage
	rest.Errs = slices.DeleteFunc(slices.Clone(stage.Errs), func(err error) bool {
		var step *apply.StepError
		ended := errors.Is(err, context.Canceled) || errors.As(err, new(*apply.LockLostError))
		if errors.As(err, &step) && step.Step.Kind.Traits().Where == plan.Node {
			return seen.Nodes[step.Step.Host].Dark()
		}
		return ended || errors.As(err, &step) && seen.Hosts[step.Step.Host].Dark()
	})
	if len(rest.Errs) > 0 {
		return &apply.LockLostError{Host: lost.Host, Stage: &rest}
	}
	end.Unfinished = stage.Stage.Name
	return Remedied(end, seen)
}

// lock takes the lock on every host that was seen.
func (s *Session) lock(ctx context.Context, seen facts.Snapshot, claim Claim) (*holding, error) {
	waiting, waited := s.options.Until(ctx) // Stop ends the waiting, and no lock that is held by then
	defer waited()
	holders, order := map[string]apply.Holder{}, []string{}
	why, isMember := map[string]error{}, map[string]bool{}
	for _, m := range s.Cluster.Members {
		isMember[m.Name] = true
	}
	for _, name := range lockOrder(s.Cluster) {
		machine := seen.Hosts[name].Machine
		if !isMember[name] {
			machine = seen.Nodes[name].Machine
		}
		if !isMember[name] && slices.Contains(machine.Missing, "flock") {
			why[name] = errors.New(name + " lacks flock, with which a run locks it")
			continue
		}
		if machine.Unreachable != "" {
			why[name] = cmp.Or(machine.Err, errors.New(machine.Unreachable))
			continue
		}
		holders[name], order = shell{s.hosts[name]}, append(order, name)
	}
	lock, err := apply.Acquire(waiting, s.Cluster.Name, order, holders, s.Owner(claim.Doing), claim.Wait)
	if err != nil {
		return nil, err
	}
	for _, name := range order {
		switch err := lock.Missing[name]; {
		case err == nil:
		case unreachable(err) || errors.Is(err, remote.ErrLost):
			why[name] = err
		case isMember[name]: // the host answers, and cannot be locked
			_ = lock.Release()
			return nil, err
		default: // a node holds up nobody
			why[name] = err
		}
	}
	return &holding{lock: lock, why: why}, nil
}

// lockOrder is one order of the hosts for all inventories of a cluster, however each sorts and names its members and
// nodes: two runs that begin at different ends would wait for each other. Members come first, since a run needs most of
// them.
func lockOrder(c *inventory.Cluster) []string {
	members := slices.SortedFunc(slices.Values(c.Members), func(a, b inventory.Member) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Name, b.Name))
	})
	nodes := slices.SortedFunc(slices.Values(c.Nodes()), func(a, b inventory.Node) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Name, b.Name))
	})
	var names []string
	for _, m := range members {
		names = append(names, m.Name)
	}
	for _, n := range nodes {
		if !slices.Contains(names, n.Name) {
			names = append(names, n.Name)
		}
	}
	return names
}

// Owner is who runs a command, from where, and since now.
func (s *Session) Owner(doing string) apply.Owner {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	from, err := os.Hostname()
	if err != nil {
		from = "unknown"
	}
	return apply.Owner{User: name, From: from, PID: os.Getpid(), Since: s.Now().UTC(), Doing: "clusterup " + doing}
}

// By is who runs a command, from where, for people.
func (s *Session) By() string {
	owner := s.Owner("")
	return owner.User + "@" + owner.From
}

// moments is how old a look may be and still count under the lock, without another one.
const moments = time.Minute

// Untouched says whether a look at every host still counts now that the lock is held: it is less than a minute old, and
// no other run has had the lock since. Another look could only find what somebody changed by hand within that minute,
// as may happen after any look.
func (s *Session) Untouched(seen facts.Snapshot) bool {
	held := s.holding.Load()
	untouched := func(name string, seen facts.Machine) bool {
		redialled := s.hosts[name] != nil && s.hosts[name].Stats().Dials > 1 // it may have booted since
		return !seen.Dark() && !redialled && held.unheld(name) == nil && held.lock.Since(name, seen.Run)
	}
	for _, m := range s.Cluster.Members {
		if !untouched(m.Name, seen.Hosts[m.Name].Machine) {
			return false
		}
	}
	for _, n := range s.Cluster.Nodes() {
		if !untouched(n.Name, seen.Nodes[n.Name].Machine) {
			return false
		}
	}
	return s.Now().Sub(seen.Taken) < moments
}

// SameDirectory says whether the operator directory, which has a lock of its own, is as it was seen.
func (s *Session) SameDirectory(seen facts.Snapshot) bool {
	operator, err := s.operator()
	return err == nil && reflect.DeepEqual(operator, seen.Operator)
}

// Held are the hosts on which the lock is held.
func (s *Session) Held() []string { return s.holding.Load().lock.Held() }
