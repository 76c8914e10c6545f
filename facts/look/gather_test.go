package look

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/pool"
)

// fakeHost answers the one script that it was told of.
type fakeHost struct {
	t      *testing.T
	script string
	answer []byte
	err    error
}

func (h fakeHost) Script(_ context.Context, script string) ([]byte, error) {
	if script != h.script {
		h.t.Errorf("script %q was not to be expected", script)
		return nil, errors.New("no such script")
	}
	return h.answer, h.err
}

// fakeEtcd answers for the endpoints that it was told of, and counts who was asked.
type fakeEtcd struct {
	t       *testing.T
	mu      sync.Mutex
	members map[string]fakeMember
	asked   map[string]int
	routes  map[string]string // where a member serves → the endpoint that these tests call it by
}

// route is told where a member serves before it is asked there.
func (e *fakeEtcd) route(member, endpoint string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.routes[endpoint] = "https://" + member
}

type fakeMember struct {
	status    facts.Status
	statusErr error
	members   []facts.Listed
	listErr   error
	readErr   error
	alarms    []facts.Alarm
	auth      facts.AuthState
	authErr   error
	users     []facts.User
	listing   error // of users and roles, and of keys
	pools     map[string]pool.Wanted
}

func (e *fakeEtcd) ask(endpoint string) (fakeMember, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	endpoint = e.routes[endpoint]
	m, ok := e.members[endpoint]
	if !ok {
		e.t.Errorf("%s was asked, and was not to be", endpoint)
		return m, errors.New("no such endpoint")
	}
	e.asked[endpoint]++
	return m, nil
}

func (e *fakeEtcd) Status(_ context.Context, endpoint string) (facts.Status, error) {
	m, err := e.ask(endpoint)
	return m.status, errors.Join(err, m.statusErr)
}

func (e *fakeEtcd) Members(_ context.Context, endpoint string) ([]facts.Listed, error) {
	m, err := e.ask(endpoint)
	return m.members, errors.Join(err, m.listErr)
}

func (e *fakeEtcd) ReadLinearizable(_ context.Context, endpoint string) error {
	m, err := e.ask(endpoint)
	return errors.Join(err, m.readErr)
}

func (e *fakeEtcd) Alarms(_ context.Context, endpoint string) ([]facts.Alarm, error) {
	m, err := e.ask(endpoint)
	return m.alarms, err
}

func (e *fakeEtcd) AuthState(_ context.Context, endpoint string, _ bool) (facts.AuthState, error) {
	m, err := e.ask(endpoint)
	return m.auth, errors.Join(err, m.authErr)
}

func (e *fakeEtcd) Auth(_ context.Context, endpoint string) ([]facts.User, []facts.Role, error) {
	m, err := e.ask(endpoint)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked["auth "+e.routes[endpoint]]++
	return m.users, nil, errors.Join(err, m.listing)
}

func (e *fakeEtcd) Pool(_ context.Context, endpoint, balancer string) (pool.Wanted, error) {
	m, err := e.ask(endpoint)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked["pool "+e.routes[endpoint]]++
	return m.pools[balancer], errors.Join(err, m.listing)
}

// site is a Source of hosts that answer what lies in testdata.
type site struct {
	asks   map[string]facts.Ask
	shells map[string]Shell
	etcd   *fakeEtcd
	now    time.Time
}

func newSite(t *testing.T, hosts map[string]string) *site {
	t.Helper()
	s := &site{
		map[string]facts.Ask{},
		map[string]Shell{},
		&fakeEtcd{t: t, members: map[string]fakeMember{}, asked: map[string]int{}, routes: map[string]string{}},
		time.Unix(1795234534, 0),
	}
	for host, name := range hosts {
		ask := demo(name)
		ask.Endpoint = "https://" + host
		s.asks[host], s.shells[host] = ask, fakeHost{t, Script(ask), answer(t, name), nil}
	}
	return s
}

func (s *site) source() Source {
	return Source{
		Asks: s.asks, Shells: s.shells, Etcd: s.etcd, Route: s.etcd.route, Now: func() time.Time { return s.now },
		Operator: func() (facts.Operator, error) {
			return facts.Operator{Pinned: map[string]string{"3.6.16/amd64": "edde"}}, nil
		},
	}
}

func gather(t *testing.T, src Source) facts.Snapshot {
	t.Helper()
	s, err := Gather(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestGather(t *testing.T) {
	site := newSite(t, map[string]string{
		"a": "running-debian11", "b": "waldir-debian13", "c": "bare-debian12",
		"d": "bare-debian13",
	})
	lost := errors.New("d: connect: refused")
	site.shells["d"] = fakeHost{t, Script(site.asks["d"]), nil, lost}
	list := []facts.Listed{{ID: 9, Name: "b"}, {ID: 3, Name: "a"}}
	site.etcd.members["https://a"] = fakeMember{
		status: facts.Status{MemberID: 3, Leader: 9, Applied: 7}, members: []facts.Listed{{ID: 3, Name: "old"}},
		readErr: errors.New("no leader"),
		alarms:  []facts.Alarm{{Member: 3, Type: "OLD"}},
	}
	site.etcd.members["https://b"] = fakeMember{
		status: facts.Status{MemberID: 9, Leader: 9, Applied: 8}, members: list,
		alarms: []facts.Alarm{{Member: 9, Type: "NOSPACE"}, {Member: 3, Type: "NOSPACE"}, {Member: 3, Type: "CORRUPT"}},
	}
	src, mu, knocked := site.source(), sync.Mutex{}, map[string]bool{}
	src.Handshake = func(_ context.Context, k Knock) ([]*x509.Certificate, error) {
		mu.Lock()
		defer mu.Unlock()
		knocked[k.From] = true
		return nil, facts.ErrNoCertificate
	}
	s := gather(t, src)

	if !knocked["c"] || knocked["d"] { // that one would be waited for a second time
		t.Errorf("ports were knocked at from %v", knocked)
	}
	if got := s.Names(); !cmp.Equal(got, []string{"a", "b", "c", "d"}) || s.Hosts["a"].Name != "a" {
		t.Errorf("hosts %q", got)
	}
	if d := s.Hosts["d"]; d.Unreachable != lost.Error() || !errors.Is(d.Err, lost) || d.Files != nil {
		t.Errorf("unreachable host: %+v", d)
	}
	if a := s.Hosts["a"]; a.Etcd == nil || a.Reads || a.ReadError != "no leader" || a.Healthy() {
		t.Errorf("a member that does not read: %+v", a)
	}
	if b := s.Hosts["b"]; !b.Reads || !b.Healthy() {
		t.Errorf("a healthy member: %+v", b)
	}
	if c := s.Hosts["c"]; c.Etcd != nil || site.etcd.asked["https://c"] != 0 {
		t.Error("a host without a member was asked for one")
	}
	// Members that serve reads are believed.
	if want := []facts.Listed{{ID: 3, Name: "a"}, {ID: 9, Name: "b"}}; !cmp.Equal(s.Members, want) {
		t.Errorf("members %v, want %v", s.Members, want)
	}
	if want := []facts.Alarm{
		{Member: 3, Type: "CORRUPT"},
		{Member: 3, Type: "NOSPACE"},
		{Member: 9, Type: "NOSPACE"},
	}; !cmp.Equal(s.Alarms, want) {
		t.Errorf("alarms %v, want %v", s.Alarms, want)
	}
	if !s.Taken.Equal(site.now) || s.Operator.Pinned["3.6.16/amd64"] != "edde" {
		t.Errorf("taken %s, operator %+v", s.Taken, s.Operator)
	}
}

// countingHost counts how often it is looked at.
type countingHost struct {
	fakeHost
	looks *int
}

func (h countingHost) Script(ctx context.Context, script string) ([]byte, error) {
	*h.looks++
	return h.fakeHost.Script(ctx, script)
}

// A host that was seen is not looked at again while its member serves as it did; how that does is asked each time.
func TestGatherKeeps(t *testing.T) {
	well := fakeMember{status: facts.Status{MemberID: 3, Leader: 3, Version: "3.6.16", Applied: 7}}
	for name, test := range map[string]struct {
		now   func(*fakeMember)
		was   func(*facts.Host)
		looks int
	}{
		"serves":                {func(m *fakeMember) { m.status.Applied = 9 }, nil, 0},
		"does not answer":       {func(m *fakeMember) { m.statusErr = errors.New("refused") }, nil, 1},
		"does not read":         {func(m *fakeMember) { m.readErr = errors.New("no leader") }, nil, 1},
		"is another":            {func(m *fakeMember) { m.status.MemberID = 4 }, nil, 1},
		"is of another version": {func(m *fakeMember) { m.status.Version = "3.7.3" }, nil, 1},
		"did not serve":         {func(*fakeMember) {}, func(h *facts.Host) { h.Reads = false }, 1},
		"did not run":           {func(*fakeMember) {}, func(h *facts.Host) { h.Process = nil }, 1},
		"was dark":              {func(*fakeMember) {}, func(h *facts.Host) { h.Unreachable = "no route" }, 1},
	} {
		site := newSite(t, map[string]string{"a": "running-debian11"})
		looks := 0
		site.shells["a"] = countingHost{site.shells["a"].(fakeHost), &looks}
		site.etcd.members["https://a"] = well
		before := gather(t, site.source())
		was := before.Hosts["a"]
		was.Systemd = 999 // nothing that the host would say
		if test.was != nil {
			test.was(&was)
		}
		member := well
		test.now(&member)
		site.etcd.members["https://a"] = member
		src := site.source()
		src.Keep = map[string]facts.Host{"a": was}
		looks = 0
		seen := gather(t, src).Hosts["a"]
		if looks != test.looks || (seen.Systemd == 999) != (test.looks == 0) {
			t.Errorf("%s: %d looks, systemd %d", name, looks, seen.Systemd)
		}
		if looks == 0 && (!seen.Reads || seen.Etcd.Applied != 9) {
			t.Errorf("%s: the member was not asked again: %+v", name, seen.Etcd)
		}
	}
}

// startingHost has no member when it is looked at first, and one from then on.
type startingHost struct {
	before, after fakeHost
	looked        *int
}

func (h startingHost) Script(ctx context.Context, script string) ([]byte, error) {
	*h.looked++
	if *h.looked == 1 {
		return h.before.Script(ctx, script)
	}
	return h.after.Script(ctx, script)
}

// A member that starts for the first time while others are asked already is looked at again, and only then.
func TestGatherStartingMember(t *testing.T) {
	site := newSite(t, map[string]string{"a": "running-debian11", "b": "running-debian11"})
	script, looked := Script(site.asks["b"]), 0
	site.shells["b"] = startingHost{
		fakeHost{t, script, answer(t, "bare-debian12"), nil},
		fakeHost{t, script, answer(t, "running-debian11"), nil},
		&looked,
	}
	list := []facts.Listed{{ID: 3, Name: "a", ClientURLs: []string{"https://a"}}, {ID: 9, Name: "b"}}
	for _, endpoint := range []string{"https://a", "https://b"} {
		site.etcd.members[endpoint] = fakeMember{
			status: facts.Status{Applied: 7}, members: list,
			alarms: []facts.Alarm{{Member: 9, Type: "NOSPACE"}},
		}
	}
	if s := gather(t, site.source()); looked != 1 || s.Hosts["b"].Data.WAL {
		t.Errorf("before it has ever served it was looked at %d times: %+v", looked, s.Hosts["b"].Data)
	}
	looked, list[1].ClientURLs = 0, []string{"https://b"}
	if s := gather(t, site.source()); looked != 2 || !s.Hosts["b"].Data.WAL || s.Hosts["b"].Etcd == nil ||
		len(s.Alarms) != 1 {
		t.Errorf("once it serves it was looked at %d times: %+v", looked, s.Hosts["b"].Data)
	}
	// One that has lost its data has lost it when it is looked at again, too.
	site.shells["b"] = fakeHost{t, script, answer(t, "bare-debian12"), nil}
	if s := gather(t, site.source()); s.Hosts["b"].Data.WAL {
		t.Error("data out of nowhere")
	}
}

func TestGatherTwiceIsEqual(t *testing.T) {
	site := newSite(t, map[string]string{"a": "running-debian11", "b": "waldir-debian13", "c": "odd-debian11"})
	for _, endpoint := range []string{"https://a", "https://b"} {
		site.etcd.members[endpoint] = fakeMember{status: facts.Status{Applied: 7}, members: []facts.Listed{{ID: 3}}}
	}
	first := gather(t, site.source())
	for range 20 {
		if diff := cmp.Diff(first, gather(t, site.source()), ignoreCertificates); diff != "" {
			t.Fatalf("two looks at the same hosts differ:\n%s", diff)
		}
	}
}

var ignoreCertificates = cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Certificate" },
	cmp.Ignore())

// A member that does not answer is a host without Etcd, with the reason; a half answer still counts for what it says.
func TestGatherSilentMember(t *testing.T) {
	site := newSite(t, map[string]string{"a": "running-debian11"})
	site.etcd.members["https://a"] = fakeMember{
		statusErr: errors.New("handshake: bad certificate"), listErr: errors.New("no"), readErr: errors.New("deadline"),
	}
	s := gather(t, site.source())
	if a := s.Hosts["a"]; a.Etcd != nil || a.EtcdError != "handshake: bad certificate" || a.Reads ||
		a.ReadError != "deadline" || s.Members != nil {
		t.Errorf("host %+v, members %v", a, s.Members)
	}
	// Behind an sshd that forwards nothing nobody was asked.
	cause := fmt.Errorf("dial: %w", facts.ErrNoForwarding)
	site.etcd.members["https://a"] = fakeMember{statusErr: cause, listErr: cause, readErr: cause}
	if a := gather(t, site.source()).Hosts["a"]; a.Unasked == "" || a.Unreachable != "" ||
		!errors.Is(a.Err, facts.ErrNoForwarding) {
		t.Errorf("host %+v", a)
	}
	// A member that cannot tell its list is not taken for one with an empty list.
	site.etcd.members["https://a"] = fakeMember{listErr: errors.New("no")}
	if s := gather(t, site.source()); s.Hosts["a"].Etcd == nil || s.Members != nil {
		t.Errorf("members %v", s.Members)
	}
	// Nor is anything asked when there is nobody to ask.
	src := site.source()
	src.Etcd = nil
	if s := gather(t, src); s.Hosts["a"].Etcd != nil {
		t.Error("a status from nowhere")
	}
}

func TestGatherBadAnswer(t *testing.T) {
	site := newSite(t, map[string]string{"a": "bare-debian12"})
	site.shells["a"] = fakeHost{t, Script(site.asks["a"]), []byte("This account is not available.\n"), nil}
	if a := gather(t, site.source()).Hosts["a"]; !strings.Contains(a.Unreachable, "This account is not available") ||
		a.Err == nil || a.Name != "a" {
		t.Errorf("host %+v", a)
	}
}

func TestGatherOperatorError(t *testing.T) {
	site := newSite(t, map[string]string{"a": "bare-debian12"})
	src, broken := site.source(), errors.New("open ca: permission denied")
	src.Operator = func() (facts.Operator, error) { return facts.Operator{}, broken }
	if _, err := Gather(t.Context(), src); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

// A clock is off by what the journey of the answer cannot explain, and not by more.
func TestClockOffset(t *testing.T) {
	sent := time.Unix(1000, 0)
	received := sent.Add(3 * time.Second)
	for clock, want := range map[time.Duration]time.Duration{
		-time.Second: -time.Second, 0: 0, time.Second: 0, 3 * time.Second: 0, 5 * time.Second: 2 * time.Second,
		-time.Hour: -time.Hour,
	} {
		if got := offset(sent.Add(clock), sent, received); got != want {
			t.Errorf("clock %s after it was asked: %s, want %s", clock, got, want)
		}
	}
	site := newSite(t, map[string]string{"a": "bare-debian12"})
	site.now = site.now.Add(-time.Hour)
	if off := gather(t, site.source()).Hosts["a"].ClockOffset; off < 59*time.Minute || off > 61*time.Minute {
		t.Errorf("offset %s of a clock that is an hour ahead", off)
	}
}

// The voters of one cluster that serve reads are believed where most say the same: not one of another cluster, not one
// that claims to have applied most, nor one that is behind.
func TestAgree(t *testing.T) {
	good, lie := []facts.Listed{{ID: 3, Name: "a"}, {ID: 9, Name: "b"}}, []facts.Listed{{ID: 4, Name: "evil"}}
	member := func(cluster facts.ID, applied uint64, members []facts.Listed, reads bool) facts.Host {
		return facts.Host{Member: facts.Member{
			Etcd:   &facts.Status{ClusterID: cluster, Leader: 9, Applied: applied},
			Listed: members, Reads: reads, Alarms: []facts.Alarm{{Member: members[0].ID, Type: "NOSPACE"}},
		}}
	}
	for name, hosts := range map[string][3]facts.Host{
		"one lies to be ahead":        {member(1, 1<<60, lie, true), member(1, 7, good, true), member(1, 8, good, true)},
		"one of another cluster":      {member(2, 1<<60, lie, true), member(1, 7, good, true), member(1, 8, good, true)},
		"those that serve no reads":   {member(1, 1<<60, lie, false), member(1, 7, good, true), member(1, 8, lie, false)},
		"nobody serves reads":         {member(2, 9, lie, false), member(1, 7, good, false), member(1, 8, good, false)},
		"equal numbers, one is ahead": {member(1, 7, lie, true), member(1, 8, good, true), member(2, 1<<60, lie, false)},
	} {
		s := facts.Snapshot{Hosts: map[string]facts.Host{"a": hosts[0], "b": hosts[1], "c": hosts[2]}}
		agree(&s)
		if s.Cluster != 1 || !cmp.Equal(s.Members, good) || len(s.Alarms) != 1 || s.Alarms[0].Member != 3 {
			t.Errorf("%s: members %v, alarms %v of cluster %s", name, s.Members, s.Alarms, s.Cluster)
		}
	}
}

// Members are asked until the election is over, and not for long where it has no end.
func TestGatherUntilElected(t *testing.T) {
	errLeader := errors.New("no leader")
	for name, test := range map[string]struct {
		lit      bool // no host is dark
		third    bool // c is a member, and serves
		voters   int  // listed
		until    int  // asked so often, a serves reads
		hopeless bool
		reads    bool
		asked    int // a, for a read; 0: more often than that
		waits    time.Duration
	}{
		"over after a while":          {voters: 3, until: 4, reads: true, asked: 4, waits: 200 * time.Millisecond},
		"without an end":              {voters: 3, until: 1000, waits: 4 * time.Second},
		"no quorum answers":           {voters: 4, until: 2, asked: 1},
		"all hosts are seen":          {lit: true, voters: 3, until: 4, reads: true, asked: 4, waits: 200 * time.Millisecond},
		"a quorum serves":             {lit: true, third: true, voters: 3, until: 2, asked: 1},
		"one that waiting helps none": {voters: 3, until: 1000, hopeless: true, asked: 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				site := newSite(t, map[string]string{"a": "running-debian11", "b": "waldir-debian13"})
				list := []facts.Listed{{ID: 3, Name: "a"}, {ID: 9, Name: "b"}, {ID: 5, Learner: true}}
				for i := 2; i < test.voters; i++ {
					list = append(list, facts.Listed{ID: facts.ID(10 + i)})
				}
				site.etcd.members["https://a"] = fakeMember{status: facts.Status{MemberID: 3, Leader: 9}, members: list}
				site.etcd.members["https://b"] = fakeMember{status: facts.Status{MemberID: 9, Leader: 9}, members: list}
				if test.third {
					site = newSite(t, map[string]string{"a": "running-debian11", "b": "waldir-debian13", "c": "replaced-debian12"})
					list[len(list)-1] = facts.Listed{ID: 12, Name: "c"}
					for name, id := range map[string]facts.ID{"a": 3, "b": 9, "c": 12} {
						site.etcd.members["https://"+name] = fakeMember{status: facts.Status{MemberID: id, Leader: 9}, members: list}
					}
				}
				if !test.lit {
					site.asks["c"] = facts.Ask{}
					site.shells["c"] = fakeHost{t, Script(facts.Ask{}), nil, errors.New("no route")}
				}
				src, asked, began := site.source(), 0, time.Now()
				err := errLeader
				if test.hopeless {
					err = facts.ErrCorrupt
				}
				src.Etcd = leaderless{site.etcd, "https://a", test.until, &asked, err}
				s := gather(t, src)
				a := s.Hosts["a"]
				if a.Reads != test.reads || (a.ReadError == "") != test.reads || !s.Hosts["b"].Reads || a.Etcd.Leader != 9 {
					t.Errorf("a serves reads: %t %q", a.Reads, a.ReadError)
				}
				if waited := time.Since(began); waited != test.waits || test.asked != 0 && asked != test.asked {
					t.Errorf("asked %d times, for %s", asked, waited)
				}
			})
		})
	}
}

// leaderless has one member serve no read before it was asked so often.
type leaderless struct {
	*fakeEtcd
	member string
	until  int
	asked  *int
	err    error
}

func (e leaderless) ReadLinearizable(ctx context.Context, endpoint string) error {
	if err := e.fakeEtcd.ReadLinearizable(ctx, endpoint); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.routes[endpoint] != e.member {
		return nil
	}
	if *e.asked++; *e.asked < e.until {
		return e.err
	}
	return nil
}

// Members that name different leaders are asked once more; others are not.
func TestGatherElection(t *testing.T) {
	for name, test := range map[string]struct {
		leader facts.ID
		asks   int
	}{"one names another leader": {3, 2}, "all name the same": {9, 1}} {
		site := newSite(t, map[string]string{"a": "running-debian11", "b": "waldir-debian13"})
		list, asked := []facts.Listed{{ID: 3, Name: "a"}, {ID: 9, Name: "b"}}, 0
		site.etcd.members["https://a"] = fakeMember{status: facts.Status{MemberID: 3, Leader: test.leader}, members: list}
		site.etcd.members["https://b"] = fakeMember{status: facts.Status{MemberID: 9, Leader: 9}, members: list}
		src := site.source()
		src.Etcd = electing{site.etcd, &asked}
		s := gather(t, src)
		if asked != 2*test.asks || test.asks == 2 && s.Hosts["a"].Etcd.Leader != 9 {
			t.Errorf("%s: asked %d times, and then %+v", name, asked, s.Hosts["a"].Etcd)
		}
	}
}

// No member can make a look wait for ever: not one that names another leader than a quorum does, not one of another
// cluster, and not one that says it takes a minute to elect.
func TestElects(t *testing.T) {
	member := func(id, leader facts.ID, reads bool, args ...string) facts.Host {
		return facts.Host{Machine: facts.Machine{Name: id.String()}, Member: facts.Member{
			Process: &facts.Process{Args: args}, Listed: []facts.Listed{},
			Etcd: &facts.Status{ClusterID: 7, MemberID: id, Leader: leader}, Reads: reads,
		}}
	}
	stranger := member(3, 3, true)
	stranger.Etcd.ClusterID = 8
	const slow = "--election-timeout=65535"
	for name, test := range map[string]struct {
		third            facts.Host
		first            facts.Host
		elects, disputed bool
		longest          time.Duration
	}{
		"all agree":               {member(3, 1, true), member(1, 1, true), false, false, 4 * time.Second},
		"one names another":       {member(3, 3, true, slow), member(1, 1, true), false, true, 4 * time.Second},
		"one serves none":         {member(3, 0, false), member(1, 1, true), false, false, 4 * time.Second},
		"two serve none":          {member(3, 0, false), member(1, 0, false), true, false, 4 * time.Second},
		"two name no leader":      {member(3, 0, true), member(1, 0, true), true, true, 4 * time.Second},
		"one of another cluster":  {stranger, member(1, 1, true), false, false, 4 * time.Second},
		"most take long to elect": {member(3, 1, false, slow), member(1, 1, false, slow), true, false, 15 * time.Second},
	} {
		s := &facts.Snapshot{
			Cluster: 7, Members: []facts.Listed{{ID: 1}, {ID: 2}, {ID: 3}, {ID: 4, Learner: true}},
			Hosts: map[string]facts.Host{"1": test.first, "2": member(2, 1, true), "3": test.third},
		}
		if elects(s) != test.elects || disputed(s) != test.disputed || election(s) != test.longest {
			t.Errorf("%s: elects %t, disputed %t, for %s", name, elects(s), disputed(s), election(s))
		}
	}
}

// electing has the election be over once both members were asked.
type electing struct {
	*fakeEtcd
	asked *int
}

func (e electing) Status(ctx context.Context, endpoint string) (facts.Status, error) {
	status, err := e.fakeEtcd.Status(ctx, endpoint)
	e.mu.Lock()
	defer e.mu.Unlock()
	if *e.asked++; *e.asked > 2 {
		status.Leader = 9
	}
	return status, err
}
