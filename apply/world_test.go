package apply

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/shellword"
)

// secretKey is the private key that the world's operator makes; it may be nowhere but in a file that is secret.
const secretKey = "-----BEGIN PRIVATE KEY----- of a leaf"

// archiveText is every release's archive.
const archiveText = "archive"

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// wanted is a cluster of n members.
func wanted(t *testing.T, n int) etcd.Want {
	t.Helper()
	var members []string
	for i := 1; i <= n; i++ {
		members = append(members, fmt.Sprintf(
			`{"Name":"etcd-%d","Address":"10.0.0.1%d","PeerAddress":"10.0.0.1%d","ClientAddress":"10.0.0.1%d","DataDir":"/var/lib/etcd-prod"}`,
			i, i, i, i))
	}
	text := fmt.Sprintf(`{"Cluster":{"Name":"prod","User":"etcd-prod","Version":"3.6.16","UnitName":"etcd-prod","PeerPort":2380,"ClientPort":2379,
		"TLS":{"Peers":true,"Clients":true},"PKI":{"CALifetime":%d,"Lifetime":%d,"RenewBefore":%d,"Algorithm":"ecdsa-p256"},
		"Etcd":{"QuotaBackendBytes":8},"Members":[%s]}}`,
		3650*24*time.Hour, 365*24*time.Hour, 120*24*time.Hour, strings.Join(members, ","))
	var w etcd.Want
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		t.Fatal(err)
	}
	w.Releases = map[string]plan.Release{}
	for _, version := range []string{"3.5.35", "3.6.16", "3.7.3"} {
		r := plan.Release{Version: version, Arch: "amd64", SHA256: digest([]byte(archiveText)), Binaries: map[string]string{}}
		for _, name := range []string{"etcd", "etcdctl", "etcdutl"} {
			r.Binaries[name] = name + " " + version
		}
		w.Releases[r.Pin()] = r
	}
	return w
}

// world is hosts, a cluster and an operator directory that exist as facts alone: every action on a host has the effect
// that package plan says its step has, and nothing else. What was not to be expected of a run fails the test.
type world struct {
	t    *testing.T
	want etcd.Want

	mu      sync.Mutex
	seen    facts.Snapshot
	wanted  map[string][]plan.Step // by ID, of the stage to come
	current map[string]plan.Step   // by host
	begun   map[string][]plan.Step // by host: those that have no end yet
	hostsOf map[string]string      // by client URL
	actions int                    // that change something on a host
	canary  map[string]int         // by endpoint
	alarms  []facts.Alarm
	// how many calls of a kind fail yet, as without a leader
	electing map[plan.Kind]int
	fault    func(point string) error                        // what a test adds to a run's seam
	looks    int                                             // at the hosts
	deaf     bool                                            // actions succeed, and have no effect
	broken   func(step plan.Step) error                      // fails a start
	block    func(ctx context.Context, step plan.Step) error // holds a start up
	began    map[string]time.Time                            // when a host was told to start or restart its unit
	stops    time.Duration                                   // how long the process takes to end that a restart ends
	bad      string                                          // the endpoint through which nothing can be written
	hash     map[string]uint32                               // of all keys, by endpoint
	// what the operator directory or the cluster says to a step; nil: it does it
	refuses  map[plan.Kind]func() error
	agrees   time.Time          // when the members agree on their version
	journal  string             // what every unit has said
	full     string             // fails the unpacking of a release
	tried    []string           // roles of CAs that were asked to sign
	unfit    string             // what they say to that
	noServer error              // why they cannot be asked
	dark     map[string]bool    // hosts that cannot be looked at
	grounds  map[string]*Ground // by host
	pairs    map[string]string  // what has made directories for pairs, by host
	issued   int                // pairs
}

func newWorld(t *testing.T, w etcd.Want) *world {
	t.Helper()
	o := &world{
		t: t, want: w, seen: facts.Snapshot{Taken: noon, Hosts: map[string]facts.Host{}}, current: map[string]plan.Step{},
		hostsOf: map[string]string{}, canary: map[string]int{}, began: map[string]time.Time{}, grounds: map[string]*Ground{},
		pairs: map[string]string{},
	}
	for _, m := range w.Cluster.Members {
		host := fakeHost{o, m.Name}
		o.grounds[m.Name] = &Ground{Name: m.Name, IsDir: host.isDir, Runs: host.runs}
		o.hostsOf[etcd.ClientURL(w.Cluster, m)] = m.Name
		o.seen.Hosts[m.Name] = facts.Host{
			Machine: facts.Machine{
				Name:      m.Name,
				Arch:      "amd64",
				Systemd:   252,
				MachineID: m.Name,
				Rooms:     map[string]facts.Room{"data": {Dir: "/var/lib", Size: 1 << 40, Free: 1 << 40}},
				Files:     map[string]facts.File{},
			},
		}
	}
	return o
}

// run is a new run of somebody, with a token of its own.
func (o *world) run(token string) *Run {
	w := o.want
	w.Token = token
	looked := &looked{}
	r := &Run{
		Want: w, Hosts: map[string]Host{}, Operator: o, Etcd: o, Now: func() time.Time { return noon }, ID: token,
		Gather: func(ctx context.Context, last *Last) (facts.Snapshot, error) {
			return o.gather(ctx, w, looked, last)
		},
	}
	for name := range o.seen.Hosts {
		r.Hosts[name] = fakeHost{o, name}
	}
	r.Seam = o.seam(nil)
	return r
}

// looked is what a run has seen and decided last.
type looked struct {
	seen  facts.Snapshot
	stage *plan.Stage
}

// gather also notes what Next will say, since it is the last thing before a stage; or how to take back a restart that
// has failed.
func (o *world) gather(ctx context.Context, w etcd.Want, last *looked, before *Last) (facts.Snapshot, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return facts.Snapshot{}, err
	}
	o.seen.Alarms = o.alarms
	reads := o.list(w)
	o.wanted, o.begun = map[string][]plan.Step{}, map[string][]plan.Step{}
	seen := o.seen
	if !reads {
		seen.Members = nil
	}
	switch {
	case before == nil || len(before.Touched) > 0:
		o.looks++
	default:
		seen = before.Seen
		seen.Operator = o.seen.Operator
	}
	if len(o.dark) > 0 {
		seen.Hosts = maps.Clone(seen.Hosts)
	}
	for name := range o.dark {
		seen.Hosts[name] = facts.Host{Machine: facts.Machine{Name: name, Unreachable: "no route"}}
	}
	stage, err := etcd.Next(w, seen)
	if last.stage != nil {
		if back := etcd.Back(w, last.seen, seen, *last.stage); back != nil {
			stage, err = back, nil
		}
	}
	*last = looked{seen, stage}
	if err == nil && stage != nil {
		for _, step := range stage.Steps {
			o.wanted[step.Point()] = append(o.wanted[step.Point()], step)
		}
	}
	return seen, nil
}

// list keeps the cluster's member list, which begins with the members that it was bootstrapped with, and says whether a
// member tells it.
func (o *world) list(w etcd.Want) (reads bool) {
	data := false
	for _, host := range o.seen.Hosts {
		reads, data = reads || host.Reads, data || host.Data.WAL
	}
	if !data {
		o.seen.Members = nil
	}
	if !reads || o.seen.Members != nil {
		return reads
	}
	for _, m := range w.Cluster.Members {
		if m.Absent {
			continue
		}
		host := o.seen.Hosts[m.Name]
		listed := facts.Listed{Name: m.Name, PeerURLs: []string{"https://" + m.PeerAddress + ":2380"}}
		if listed.ID = host.Data.MemberID; listed.ID == 0 { // it has not started; its ID comes from its address and the token
			started := etcd.SimulateStep(w, o.seen, plan.Step{Kind: plan.StartMember, Host: m.Name})
			listed.ID = started.Hosts[m.Name].Data.MemberID
		}
		if host.Etcd != nil {
			listed.ClientURLs = []string{etcd.ClientURL(w.Cluster, m)}
		}
		o.seen.Members = append(o.seen.Members, listed)
	}
	slices.SortFunc(o.seen.Members, func(a, b facts.Listed) int { return cmp.Compare(a.ID, b.ID) })
	return reads
}

// seam learns from the run which step each host is at; fault is what a test adds.
func (o *world) seam(fault func(point string) error) func(string) error {
	o.fault, o.begun = fault, map[string][]plan.Step{}
	return func(point string) (err error) {
		if fault != nil {
			defer func() { err = fault(point) }()
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		when, id, _ := strings.Cut(point, " ")
		switch steps := o.wanted[id]; {
		case when == "before" && len(steps) > 0:
			step := steps[0]
			o.current[step.Host], o.wanted[id] = step, steps[1:]
			o.begun[step.Host] = append(o.begun[step.Host], step)
			if step.Kind == plan.AwaitVersion {
				o.agrees = time.Now().Add(3 * time.Second)
			}
		case when == "after":
			for host, steps := range o.begun {
				o.begun[host] = slices.DeleteFunc(steps, func(step plan.Step) bool { return step.Point() == id })
			}
		}
		return nil
	}
}

// took gives a step its effect, or the part of it that change says.
func (o *world) took(step plan.Step, change func(h *facts.Host)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if step.Host != "" {
		o.actions++
	}
	if o.deaf {
		return
	}
	o.laws(step)
	o.seen = etcd.SimulateStep(o.want, o.seen, step)
	if change != nil {
		host := o.seen.Hosts[step.Host]
		change(&host)
		o.seen.Hosts[step.Host] = host
	}
}

// laws are those that a run could break by itself, by not looking before it acts.
func (o *world) laws(step plan.Step) {
	host := o.seen.Hosts[step.Host]
	marked, serve := false, 0
	for name, other := range o.seen.Hosts {
		_, born := other.Files[etcd.ConfigDir(o.want.Cluster)+"/born.json"]
		marked = marked || born
		if name != step.Host && other.Reads {
			serve++
		}
	}
	if step.Kind == plan.StartMember && marked && !host.Data.WAL && !o.learner(step.Host) {
		o.t.Errorf("law 4: %s without data, and there is a marker", step.ID())
	}
	if start := host.Unit.Start; start != nil && (step.Kind == plan.StartMember || step.Kind == plan.RestartMember) &&
		(!start.Guarded || len(start.Variables) > 0) {
		o.t.Errorf("law 12: %s into %+v", step.ID(), *start)
	}
	if n := len(o.seen.Hosts); step.Kind == plan.RestartMember && host.Reads && n > 2 && serve < n/2+1 {
		o.t.Errorf("law 1: %s with %d others that serve", step.ID(), serve)
	}
}

// learner says that the member list has a learner at a member's address.
func (o *world) learner(name string) bool {
	peer := etcd.Asks(o.want.Cluster)[name].Peer
	return slices.ContainsFunc(o.seen.Members, func(l facts.Listed) bool {
		return l.Learner && slices.Equal(l.PeerURLs, []string{"https://" + peer})
	})
}

// fakeHost is a ground that does what belongs to the step that it is at, and refuses everything else.
type fakeHost struct {
	*world
	name string
}

func (h fakeHost) step() plan.Step {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.current[h.name]
}

// telling is a part of the last script of each kind of step: the one that has the effect.
var telling = map[plan.Kind]string{
	plan.CreateUser: "useradd", plan.MakeDirs: "mkdir", plan.FixModes: "chmod", plan.InstallRelease: "tar -xf",
	plan.IssueLeaf: "ln -sfn",
	plan.WriteUnit: "daemon-reload", plan.ReloadUnits: "daemon-reload", plan.EnableUnit: "systemctl enable",
	plan.StartMember: "systemctl start", plan.RestartMember: "systemctl restart", plan.PruneTrust: "rm -rf",
	plan.PruneReleases: "rm -rf", plan.StopMember: "systemctl stop", plan.MoveAside: "mv -T", plan.RemoveFiles: "rm -rf",
}

func (h fakeHost) isDir(dir string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seen.Hosts[h.name].Files[dir].Kind == facts.Dir || dir == "/etc/systemd/system" ||
		strings.Contains(h.pairs[h.name], shellword.Quote(dir))
}

func (h fakeHost) Script(ctx context.Context, script string) ([]byte, error) {
	return h.grounds[h.name].Script(ctx, script)
}

func (h fakeHost) runs(ctx context.Context, script string, input []byte) (string, error) {
	step := h.step()
	if strings.Contains(script, "PRIVATE KEY") {
		h.t.Errorf("law 7: a key in a script for %s", step.ID())
	}
	starts := step.Kind == plan.StartMember || step.Kind == plan.RestartMember
	switch {
	case strings.Contains(script, "journalctl"):
		return h.journal, nil
	case step.Kind == plan.RestartMember && script == processAge(step.Unit):
		h.mu.Lock()
		defer h.mu.Unlock()
		return fmt.Sprintln(max(0, time.Since(h.began[h.name])-h.stops).Milliseconds()), nil
	case step.Kind == plan.InstallRelease && h.full != "":
		return "", errors.New(h.full)
	case (step.Kind == plan.InstallRelease) != (string(input) == archiveText):
		h.t.Errorf("%s: a script with %q for input", step.ID(), input)
		return "", errors.New("no such input")
	case step.Kind == plan.IssueLeaf && strings.Contains(script, "mkdir"):
		h.mu.Lock()
		defer h.mu.Unlock()
		h.pairs[h.name] += script // to which nothing points yet
		return "", nil
	case telling[step.Kind] == "" || !strings.Contains(script, telling[step.Kind]):
		h.t.Errorf("%s: a script that is no part of it:\n%s", step.ID(), script)
		return "", errors.New("no such script")
	}
	if starts {
		h.mu.Lock()
		h.began[h.name] = time.Now()
		h.mu.Unlock()
	}
	if starts && h.broken != nil {
		if err := h.broken(step); err != nil {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.change(h.name, func(host *facts.Host) {
				host.Process, host.Etcd, host.Reads, host.Unit.Active = nil, nil, false, "activating"
			})
			return "", err
		}
	}
	if starts && h.block != nil {
		if err := h.block(ctx, step); err != nil {
			return "", err
		}
	}
	h.took(step, nil)
	return "", nil
}

// Write comes by a point of its own between the files and the script of each part, where a trip may be cut off.
func (h fakeHost) Write(ctx context.Context, parts ...Part) (done, failed int, err error) {
	h.mu.Lock()
	steps := slices.Clone(h.begun[h.name][:len(parts)])
	h.mu.Unlock()
	for i, part := range parts {
		if kind := steps[i].Kind; !writes(kind) || kind == plan.IssueLeaf != (part.Before != "") {
			h.t.Errorf("%s: writes %d files, after %q", steps[i].ID(), len(part.Files), part.Before)
		}
		for _, f := range part.Files {
			key := strings.Contains(string(f.Data), "PRIVATE KEY")
			if key != f.Secret || key && f.Mode != 0o600 {
				h.t.Errorf("law 7: %s, mode %04o, secret %v", f.Path, f.Mode, f.Secret)
			}
		}
	}
	run := func(i int, script string) error {
		if script == "" {
			return nil
		}
		h.mu.Lock()
		h.current[h.name] = steps[i]
		h.mu.Unlock()
		_, err := h.Script(ctx, script)
		return err
	}
	return h.grounds[h.name].write(ctx, parts, run, func(i int) error {
		switch step := steps[i]; step.Kind {
		case plan.WriteTrust, plan.RecordBirth:
			h.took(step, nil)
		case plan.WriteUnit: // systemd does not know yet
			h.took(step, func(host *facts.Host) { host.Unit.NeedsReload = true })
		case plan.IssueLeaf: // nothing points there yet
		}
		if h.fault == nil {
			return nil
		}
		return h.fault("amid " + steps[i].Point())
	})
}

func (h fakeHost) Feed(ctx context.Context, script string, input Input, progress func(done, total int64)) error {
	return h.grounds[h.name].Feed(ctx, script, input, progress)
}

func (o *world) TryCA(_ context.Context, role string) (unfit string, err error) {
	o.tried = append(o.tried, role)
	return o.unfit, o.noServer
}

func (o *world) CreateCA(_ context.Context, role string) error {
	o.took(plan.Step{Kind: plan.CreateCA, CA: role}, nil)
	return nil
}

// tokenKey is the key for tokens of a generation, as far as anybody here looks.
func tokenKey(generation int) []byte { return fmt.Appendf(nil, "key %d for tokens", generation) }

func (o *world) CreateTokenKey(context.Context) error {
	keys := o.seen.Operator.TokenKeys
	generation := 1
	if n := len(keys); n > 0 {
		generation = keys[n-1].Generation + 1
	}
	o.took(plan.Step{Kind: plan.CreateTokenKey, Generation: generation}, nil)
	sum := sha256.Sum256(tokenKey(generation))
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen.Operator.TokenKeys[len(keys)].SHA256 = hex.EncodeToString(sum[:])
	return nil
}

func (o *world) TokenKey(_ context.Context, generation int) ([]byte, error) {
	return tokenKey(generation), nil
}

func (o *world) RetireCA(_ context.Context, role string, generation int) error {
	o.took(plan.Step{Kind: plan.RetireCA, CA: role, Generation: generation}, nil)
	return nil
}

func (o *world) HoldRotation(_ context.Context, role, phase string) error {
	o.took(plan.Step{Kind: plan.HoldRotation, CA: role, Phase: phase}, nil)
	return nil
}

func (o *world) RevokeClient(_ context.Context, serial string) error {
	o.took(plan.Step{Kind: plan.RevokeClient, Serial: serial}, nil)
	return nil
}

func (o *world) RevokeLeaf(_ context.Context, leaf facts.Recorded) error {
	o.took(plan.Step{Kind: plan.RevokeLeaf, Revoke: &leaf}, nil)
	return nil
}

func (o *world) ListRevoked(_ context.Context, role string) error {
	o.took(plan.Step{Kind: plan.ListRevoked, CA: role}, nil)
	return nil
}

func (o *world) UpdateMember(ctx context.Context, _ string, id facts.ID, peerURLs []string) error {
	return o.answers(ctx, plan.Step{Kind: plan.UpdateMember, Member: id, PeerURLs: peerURLs})
}

// AddLearner finds the member by the address at which its peers find it.
func (o *world) AddLearner(ctx context.Context, _ string, peerURLs []string) error {
	step := plan.Step{Kind: plan.AddLearner, PeerURLs: peerURLs}
	for _, m := range o.want.Cluster.Members {
		if len(peerURLs) == 1 && strings.Contains(peerURLs[0], "//"+m.PeerAddress+":") {
			step.Host = m.Name
		}
	}
	return o.answers(ctx, step)
}

func (o *world) PromoteMember(ctx context.Context, _ string, id facts.ID) error {
	return o.answers(ctx, plan.Step{Kind: plan.PromoteMember, Host: o.withID(id), Member: id})
}

func (o *world) RemoveMember(ctx context.Context, _ string, id facts.ID) error {
	return o.answers(ctx, plan.Step{Kind: plan.RemoveMember, Host: o.withID(id), Member: id})
}

// withID is the member whose data are of that ID; empty: none.
func (o *world) withID(id facts.ID) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	for name, host := range o.seen.Hosts {
		if host.Data.MemberID == id {
			return name
		}
	}
	return ""
}

func (o *world) PinRelease(_ context.Context, r plan.Release) error {
	o.took(plan.Step{Kind: plan.PinRelease, Release: &r}, nil)
	return nil
}

func (o *world) Issue(context.Context, string, plan.Leaf) (cert, key []byte, serial string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.issued++
	return []byte("certificate"), []byte(secretKey), fmt.Sprint("new", o.issued), nil
}

func (o *world) IssueClient(context.Context, string, plan.Leaf) (cert, key []byte, serial string, err error) {
	return nil, nil, "", errNoDoer
}

func (o *world) Program(context.Context, plan.Program) (Input, error) { return Input{}, errNoDoer }

func (o *world) Archive(context.Context, plan.Release) (Archive, error) {
	open := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(archiveText)), nil }
	return Archive{Input: Input{Size: int64(len(archiveText)), Open: open}, Folder: "etcd"}, nil
}

// answers is what the operator directory or the cluster does with a step.
func (o *world) answers(ctx context.Context, step plan.Step) error {
	if refuses := o.refuses[step.Kind]; refuses != nil {
		if err := refuses(); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	o.took(step, nil)
	return nil
}

func (o *world) SaveSnapshot(ctx context.Context, endpoint, version string) error {
	return o.answers(ctx, plan.Step{Kind: plan.SaveSnapshot, Host: o.hostsOf[endpoint], Version: version})
}

func (o *world) Salvage(context.Context, string, string, string) error {
	return errors.New("no salvage here")
}

func (o *world) Snapshot(context.Context, string) (Input, error) {
	return Input{Size: int64(len(archiveText)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(archiveText)), nil
	}}, nil
}

func (o *world) Downgrade(ctx context.Context, endpoint, minor string) error {
	kind := plan.EnableDowngrade
	if minor == "" {
		kind = plan.CancelDowngrade
	}
	return o.answers(ctx, plan.Step{Kind: kind, Host: o.hostsOf[endpoint], Version: minor})
}

func (o *world) MoveLeader(ctx context.Context, endpoint string, to facts.ID) error {
	step := plan.Step{Kind: plan.MoveLeader, Host: o.hostsOf[endpoint]}
	o.mu.Lock()
	for name, host := range o.seen.Hosts {
		if host.Data.MemberID == to {
			step.To = name
		}
	}
	from := o.seen.Hosts[step.Host].Etcd
	o.mu.Unlock()
	if step.To == "" || from == nil || from.Leader != from.MemberID {
		o.t.Errorf("leadership of %s to %s: it does not lead, or nobody has that ID", step.Host, step.To)
	}
	return o.answers(ctx, step)
}

// Status lets members agree on their version a while after somebody began to wait for it.
func (o *world) Status(ctx context.Context, endpoint string) (facts.Status, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, step := range o.current {
		if step.Kind == plan.AwaitVersion && !o.agrees.IsZero() && !time.Now().Before(o.agrees) {
			o.agrees = time.Time{}
			o.seen = etcd.SimulateStep(o.want, o.seen, step)
		}
	}
	if e := o.seen.Hosts[o.hostsOf[endpoint]].Etcd; e != nil && ctx.Err() == nil {
		return *e, nil
	}
	return facts.Status{}, errors.New("connect: connection refused")
}

// ClusterVersion is the lowest of what members run; it is agreed on when their data is.
func (o *world) ClusterVersion(context.Context, string) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	low := "9"
	for _, host := range o.seen.Hosts {
		if host.Etcd != nil {
			low = min(low, host.Etcd.Version[:3]+".0")
		}
	}
	return low, nil
}

func (o *world) Revision(context.Context, string) (int64, error) { return 7, nil }

func (o *world) Hash(_ context.Context, endpoint string, revision int64) (sum uint32, compacted int64, err error) {
	if revision != 7 {
		o.t.Errorf("hash at revision %d", revision)
	}
	return o.hash[endpoint], 3, nil
}

func (o *world) ReadLinearizable(ctx context.Context, endpoint string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	name, ok := o.hostsOf[endpoint]
	if !ok {
		o.t.Errorf("%s was asked, and is nobody's", endpoint)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	switch host := o.seen.Hosts[name]; {
	case host.Reads || o.deaf:
		return nil
	case host.Etcd != nil && host.Etcd.Learner:
		return fmt.Errorf("read: %w", facts.ErrLearner)
	}
	return errors.New("no leader")
}

func (o *world) Canary(_ context.Context, endpoint, key, value string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.canary[endpoint]++
	if !strings.HasPrefix(key, "clusterup/canary/"+value+"/"+o.hostsOf[endpoint]) {
		o.t.Errorf("canary %s=%s through %s", key, value, endpoint)
	}
	if endpoint == o.bad {
		return errors.New("database space exceeded")
	}
	return nil
}

// change changes one host of the world.
func (o *world) change(name string, do func(h *facts.Host)) {
	host := o.seen.Hosts[name]
	do(&host)
	o.seen.Hosts[name] = host
}

// lead makes a member the leader: which one comes first is not decided otherwise.
func (o *world) lead(name string) {
	id := o.seen.Hosts[name].Data.MemberID
	for other := range o.seen.Hosts {
		o.change(other, func(h *facts.Host) {
			status := *h.Etcd
			status.Leader = id
			h.Etcd = &status
		})
	}
}

func (o *world) Defragment(ctx context.Context, endpoint string) error {
	return o.answers(ctx, plan.Step{Kind: plan.Defragment, Host: o.hostsOf[endpoint]})
}

func (o *world) Compact(ctx context.Context, endpoint string, _ int64) error {
	return o.answers(ctx, plan.Step{Kind: plan.Compact, Host: o.hostsOf[endpoint]})
}

func (o *world) Disarm(ctx context.Context, endpoint string, alarm facts.Alarm) error {
	return o.answers(ctx, plan.Step{
		Kind: plan.DisarmAlarm, Host: o.hostsOf[endpoint], Member: alarm.Member, Alarm: alarm.Type,
	})
}
