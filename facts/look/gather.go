package look

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/pool"
)

// Shell runs a POSIX shell script on one host, as root, in one session, and returns what it wrote to stdout. It is safe
// for concurrent use; the error names the host and the cause.
type Shell interface {
	Script(ctx context.Context, script string) ([]byte, error)
}

// Etcd asks the member behind one endpoint, and no other. Every call has a deadline of its own.
type Etcd interface {
	Status(ctx context.Context, endpoint string) (facts.Status, error)
	// Members is the list as that member holds it, answered locally.
	Members(ctx context.Context, endpoint string) ([]facts.Listed, error)
	// ReadLinearizable fails when that member cannot reach a leader with a quorum.
	ReadLinearizable(ctx context.Context, endpoint string) error
	Alarms(ctx context.Context, endpoint string) ([]facts.Alarm, error)
	// AuthState is whether permissions are on. It needs a quorum, and leaves no trace where they are neither on nor
	// expected to be.
	AuthState(ctx context.Context, endpoint string, expected bool) (facts.AuthState, error)
	// Auth are all users and roles, through that member. It needs a quorum.
	Auth(ctx context.Context, endpoint string) ([]facts.User, []facts.Role, error)
	// Pool is what the keys of a balancer say, by a linearizable read through that member.
	Pool(ctx context.Context, endpoint, balancer string) (pool.Wanted, error)
}

// Source is where facts come from.
type Source struct {
	Asks     map[string]facts.Ask // by member name
	Shells   map[string]Shell     // by member name
	Etcd     Etcd                 // nil: the etcd API is not asked
	Operator func() (facts.Operator, error)
	// Route is told which member is behind an endpoint before Etcd is asked there. A member is asked where it serves
	// now, and that is not where it is wanted to serve while that changes. Nil: nobody needs to know.
	Route func(member, endpoint string)
	// Handshake makes a handshake and returns the chain that was shown, also beside an error that came after it. An
	// error is ErrNoCertificate where the port answered, and had none to show, and ErrRefused where it did not accept
	// the other side's. It has a deadline of its own. Nil: no port is looked at.
	Handshake func(ctx context.Context, k Knock) (chain []*x509.Certificate, err error)
	// Keep are hosts on which nothing was done since they were looked at. Where such a member serves as it did, only
	// the member is asked again, and its host is taken as it was.
	Keep map[string]facts.Host
	// Auth has users and roles asked for, and permissions expected to be on.
	Auth bool
	// Last is a look of a moment ago: where nothing of users and roles has changed since then, they are not asked for
	// again. Nil: there is none.
	Last *facts.Snapshot
	// Logins says of the users that are to have a password whether they can log in with it, asked of voters that serve;
	// one of which nobody knows is left out. Nil: nobody tries.
	Logins func(ctx context.Context, endpoints []string, auth facts.Auth) (map[string]facts.Login, error)
	// Balancers are those whose keys are read.
	Balancers []string
	Now       func() time.Time

	NodeAsks   map[string]facts.NodeAsk // by name of the node, as the next two are; nil: no node is looked at
	NodeShells map[string]Shell
	// KeepNodes are nodes on which nothing was done since they were looked at. They are taken as they were, but for those
	// that could not be looked at.
	KeepNodes map[string]facts.Node
}

// Gather looks at everything at once and blocks until all have answered or failed. A host that fails is in the Snapshot
// with the reason; the only error is an operator directory that cannot be read.
func Gather(ctx context.Context, src Source) (facts.Snapshot, error) {
	operator, err := src.Operator()
	if err != nil {
		return facts.Snapshot{}, err
	}
	s := facts.Snapshot{Taken: src.Now(), Operator: operator, Hosts: map[string]facts.Host{}}
	var nodes sync.WaitGroup
	var seen map[string]facts.Node
	nodes.Go(func() { seen = lookAtNodes(ctx, src, operator.CAs) })
	lookAt(ctx, &s, src, slices.Collect(maps.Keys(src.Asks)))
	agree(&s)
	if names := torn(&s); len(names) > 0 {
		lookAt(ctx, &s, src, names)
		agree(&s)
	}
	askAgain(ctx, &s, src)
	permit(ctx, &s, src)
	logIn(ctx, &s, src)
	readPools(ctx, &s, src)
	nodes.Wait()
	s.Nodes = seen
	return s, nil
}

// With is s with the operator directory as it is now. ok is false where CAs have come or gone and members run: what
// they are asked about their certificates depends on the CAs.
func With(s facts.Snapshot, operator facts.Operator) (seen facts.Snapshot, ok bool) {
	runs := func(host facts.Host) bool { return host.Process != nil }
	if !reflect.DeepEqual(s.Operator.CAs, operator.CAs) &&
		slices.ContainsFunc(slices.Collect(maps.Values(s.Hosts)), runs) {
		return s, false
	}
	s.Operator, s.Hosts = operator, maps.Clone(s.Hosts)
	for name, host := range s.Hosts {
		host.Leaves = maps.Clone(host.Leaves)
		issuers(host.Leaves, operator.CAs)
		s.Hosts[name] = host
	}
	s.Nodes = maps.Clone(s.Nodes)
	for name, node := range s.Nodes {
		s.Nodes[name] = issued(node, operator.CAs)
	}
	return s, true
}

// lookAt gathers some hosts side by side.
func lookAt(ctx context.Context, s *facts.Snapshot, src Source, names []string) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	l := looker{src, s.Operator.CAs, map[string]*reply{}}
	for _, name := range names {
		l.answers[name] = &reply{given: make(chan struct{})}
	}
	for _, name := range names {
		wg.Go(func() {
			host := l.look(ctx, name, src.Asks[name])
			issuers(host.Leaves, s.Operator.CAs)
			mu.Lock()
			defer mu.Unlock()
			s.Hosts[name] = host
		})
	}
	wg.Wait()
}

// torn are hosts that had no write-ahead log when they were looked at, although the cluster knew a moment later that
// their member has served: its first start was under way. They are looked at again, or their data would be taken for
// lost.
func torn(s *facts.Snapshot) []string {
	var names []string
	for _, m := range s.Members {
		if host, ok := s.Hosts[m.Name]; ok && host.Unreachable == "" && !host.Data.WAL && len(m.ClientURLs) > 0 {
			names = append(names, m.Name)
		}
	}
	return names
}

// looker looks at one host, knowing the CAs of the operator directory.
type looker struct {
	src     Source
	cas     []facts.CA
	answers map[string]*reply // by host, of those that are looked at now
}

// reply is what became of a host's script.
type reply struct {
	once  sync.Once
	given chan struct{} // closed when it has ended
	err   error         // set before that
}

// answered waits until a host has been looked at, and says why it could not be. A host that is not looked at now was
// looked at before.
func (l looker) answered(name string) error {
	a := l.answers[name]
	if a == nil {
		return nil
	}
	<-a.given
	return a.err
}

// look gathers one host: its script, then its member if it runs.
func (l looker) look(ctx context.Context, name string, ask facts.Ask) facts.Host {
	src := l.src
	if host, ok := l.kept(ctx, name, ask); ok {
		return host
	}
	sent := src.Now()
	text, err := src.Shells[name].Script(ctx, Script(ask))
	received := src.Now()
	l.tell(name, err)
	if err != nil {
		return facts.Host{Machine: facts.Machine{Name: name, Unreachable: err.Error(), Err: err}}
	}
	host, clock, err := parse(ask, text)
	if err != nil {
		return facts.Host{Machine: facts.Machine{Name: name, Unreachable: err.Error(), Err: err}}
	}
	host.Name = name
	host.ClockOffset = offset(clock, sent, received)
	l.ask(ctx, ask, &host)
	return host
}

// ask asks the member of a host, if it runs.
func (l looker) ask(ctx context.Context, ask facts.Ask, host *facts.Host) {
	if host.Process == nil || l.src.Etcd == nil || ask.Endpoint == "" {
		return
	}
	host.Endpoint = serving(host.Process.Args, ask.Endpoint)
	if l.src.Route != nil {
		l.src.Route(host.Name, host.Endpoint)
	}
	var wg sync.WaitGroup
	running := *host // talk fills in the rest meanwhile
	wg.Go(func() { host.Serves = l.shake(ctx, host.Name, running) })
	_ = talk(ctx, l.src, host.Endpoint, host) // host has it
	wg.Wait()
}

// kept is a host as it was seen before, with what its member says now. ok is false where the member does not serve as
// it did: then the host is to be looked at.
func (l looker) kept(ctx context.Context, name string, ask facts.Ask) (host facts.Host, ok bool) {
	was, keep := l.src.Keep[name]
	if !keep || was.Dark() || was.Process == nil || was.Etcd == nil || !was.Reads {
		return facts.Host{}, false
	}
	host = was
	host.Leaves = maps.Clone(was.Leaves)
	host.Etcd, host.EtcdError, host.Denied, host.Reads, host.ReadError = nil, "", false, false, ""
	host.Listed, host.Alarms, host.Serves, host.Auth = nil, nil, nil, nil
	l.tell(name, nil) // the host was seen, and the others may go by that
	l.ask(ctx, ask, &host)
	return host, host.Etcd != nil && host.Reads && host.Etcd.MemberID == was.Etcd.MemberID &&
		host.Etcd.ClusterID == was.Etcd.ClusterID && host.Etcd.Version == was.Etcd.Version
}

// tell lets those that wait for a host know that it has been looked at, or why it could not be.
func (l looker) tell(name string, err error) {
	told := l.answers[name]
	if told == nil {
		return
	}
	told.once.Do(func() {
		told.err = err
		close(told.given)
	})
}

// serving is the client URL that a process advertises, else the one that is wanted.
func serving(args []string, wanted string) string {
	first, _, _ := strings.Cut(argument(args, "--advertise-client-urls="), ",")
	return cmp.Or(first, wanted)
}

// offset is how far a clock read somewhere between sent and received is off; zero while that journey can explain it.
func offset(clock, sent, received time.Time) time.Duration {
	switch {
	case clock.Before(sent):
		return clock.Sub(sent)
	case clock.After(received):
		return clock.Sub(received)
	}
	return 0
}

// talk asks one member everything side by side. Its error says why the member did not answer.
func talk(ctx context.Context, src Source, endpoint string, host *facts.Host) (err error) {
	etcd := src.Etcd
	var wg sync.WaitGroup
	state := func() {
		if told, err := etcd.AuthState(ctx, endpoint, src.Auth); err == nil {
			host.Auth = &told
		}
	}
	if !src.Auth { // which is no more than another read then
		wg.Go(state)
	}
	wg.Go(func() {
		var status facts.Status
		status, err = etcd.Status(ctx, endpoint)
		if err != nil {
			host.EtcdError, host.Denied = err.Error(), errors.Is(err, facts.ErrPermission)
			if errors.Is(err, facts.ErrNoForwarding) {
				host.Unasked, host.Err = facts.ErrNoForwarding.Error()+", so that its member cannot be asked", err
			}
			return
		}
		host.Etcd = &status
	})
	wg.Go(func() { host.Listed, _ = etcd.Members(ctx, endpoint) }) // a member that cannot tell has no list
	wg.Go(func() { host.Alarms, _ = etcd.Alarms(ctx, endpoint) })
	wg.Go(func() {
		if err := etcd.ReadLinearizable(ctx, endpoint); err != nil {
			host.ReadError = err.Error()
			return
		}
		if host.Reads = true; src.Auth { // there is a quorum to ask
			state()
		}
	})
	wg.Wait()
	if !host.Reads {
		host.Auth = nil
	}
	return err
}
