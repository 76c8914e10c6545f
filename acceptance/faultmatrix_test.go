package acceptance

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/lab"
)

// operation is something that clusterup does, and that has to survive every fault.
type operation struct {
	name string // as the guarantees call it
	// of the run that is disturbed, and of the one that goes on; the inventory comes last
	args    []string
	prepare func(t *testing.T, s *stand)        // brings the hosts to where it starts
	ends    func(*testing.T, *stand, []picture) // what must hold in the end, besides being as without the fault
	deletes bool                                // it is meant to delete data
	// the points worth a try in every run of the tests; all are tried with FAULTS=full
	telling func(points []string) []string
	whole   func(verb string, points []string) []string // those to try with FAULTS=full; nil: all
	part    map[string]string                           // what whole leaves, by verb
	fresh   bool                                        // it starts from hosts that have nothing to lose
	watched bool                                        // all command lines are looked through for keys, which costs a lot
	// the command of the run that goes on, where it is another; nil: it is the same
	goesOn func(*testing.T, *stand) []string
	means  string // how the guarantees call that
	// which host is cut off meanwhile, from 1 on; when it is back, an apply follows; 0: none
	dark int
}

// disturb tries an operation with a fault at one point after the other: whatever is half done then breaks no law, and
// running it again ends as if nothing had happened. The stands work side by side.
func disturb(t *testing.T, op operation, stands ...*stand) {
	t.Helper()
	watch := watcherIf(t, op.watched)
	first := stands[0]
	op.prepare(t, first)
	op.darken(t, first)
	all := first.points(t, op.ending(), op.arguments(first)...)
	op.lighten(t, first)
	undisturbed := first.looks(t)
	op.ends(t, first, undisturbed)
	tidy(t, undisturbed)

	queue := make(chan string)
	go func() {
		defer close(queue)
		for _, fault := range op.faults(all) {
			select {
			case queue <- fault:
			case <-t.Context().Done():
				return
			}
		}
	}()
	done := make(chan int)
	for _, s := range stands {
		go func() {
			n := 0
			for fault := range queue {
				fault = renamed(fault, first.hosts(), s.hosts())
				t.Run(fault, func(t *testing.T) { survive(t, op, s, fault, undisturbed) })
				n++
			}
			done <- n
		}()
	}
	total := 0
	for range stands {
		total += <-done
	}
	lines := watch()
	for _, s := range stands {
		s.told(t, "a command line", lines)
	}
	t.Logf("%s: %d points, %d faults tried", op.name, len(all), total)
	if !t.Failed() {
		guaranteePoints(t, op, all)
	}
}

// arguments are those for a stand: they name the hosts of the first one.
func (op operation) arguments(s *stand) []string {
	var first, all []string
	for i := range s.hosts() {
		first = append(first, fmt.Sprintf("etcd-%d", i+1))
	}
	for _, arg := range op.args {
		all = append(all, renamed(arg, first, s.hosts()))
	}
	return append(all, s.file)
}

// ending is the exit code of a run that is not disturbed.
func (op operation) ending() int {
	if op.dark > 0 {
		return 12
	}
	return 0
}

// darken cuts the host off that is to be dark.
func (op operation) darken(t *testing.T, s *stand) {
	t.Helper()
	if op.dark > 0 {
		s.cut(t, s.hosts()[op.dark-1])
	}
}

// lighten brings it back, and has an apply do what waited.
func (op operation) lighten(t *testing.T, s *stand) {
	t.Helper()
	if op.dark > 0 {
		s.heal(t, s.hosts()[op.dark-1])
		s.ok(t, "apply", "--yes", s.file)
	}
}

// faults are the values of CLUSTERUP_FAULT to try.
func (op operation) faults(points []string) []string {
	var all []string
	for _, verb := range []string{"kill", "fail"} {
		for _, point := range op.chosen(verb, points) {
			all = append(all, verb+" "+point)
		}
	}
	return all
}

// chosen are the points to try with a verb.
func (op operation) chosen(verb string, points []string) []string {
	switch {
	case !whole() && verb == "kill":
		return op.telling(points)
	case !whole():
		return nil
	case op.whole != nil:
		return op.whole(verb, points)
	}
	return points
}

// renamed is a fault on the hosts of another stand.
func renamed(fault string, from, to []string) string {
	return hostName.ReplaceAllStringFunc(fault, func(host string) string { return to[slices.Index(from, host)] })
}

// survive is one fault.
func survive(t *testing.T, op operation, s *stand, fault string, undisturbed []picture) {
	s.forget()
	op.prepare(t, s)
	op.darken(t, s)
	before := make([]picture, len(s.hosts()))
	if !op.fresh && !op.deletes {
		before = s.looks(t)
	}
	r := s.disturbed(t, "CLUSTERUP_FAULT="+fault, op.arguments(s)...)
	const killed = -1
	if strings.HasPrefix(fault, "kill ") {
		r.exits(t, killed)
	} else if r.says(t, "injected fault"); r.code != 14 && r.code != 1 {
		t.Errorf("exit code %d", r.code)
	}
	s.quiet(t)
	half := s.looks(t)
	s.lawful(t, before, half)
	if op.deletes {
		half = before
	}
	if op.goesOn != nil {
		s.ok(t, append(op.goesOn(t, s), s.file)...)
	} else {
		s.run(t, op.arguments(s)...).exits(t, op.ending())
	}
	op.lighten(t, s)
	end := s.looks(t)
	s.lawful(t, half, end)
	op.ends(t, s, end)
	s.same(t, undisturbed, end)
}

// same checks that the hosts are as after an undisturbed run.
func (s *stand) same(t *testing.T, undisturbed, end []picture) {
	t.Helper()
	for i, p := range end {
		if d := cmp.Diff(undisturbed[i].files, p.files); d != "" {
			t.Errorf("%s is not as after an undisturbed run: %s", s.hosts()[i], d)
		}
	}
}

// tidy checks that an undisturbed run leaves nothing lying about.
func tidy(t *testing.T, end []picture) {
	t.Helper()
	for _, p := range end {
		for path := range p.files {
			for _, left := range []string{".part", ".tmp", ".new", ".tar.gz"} {
				if strings.HasSuffix(path, left) {
					t.Errorf("left behind: %s", path)
				}
			}
		}
	}
}

// watcherIf gives all command lines of this machine until it is asked for them, or none.
func watcherIf(t *testing.T, wanted bool) func() string {
	t.Helper()
	if !wanted {
		return func() string { return "" }
	}
	return watchCommands(t).lines
}

func hex(id uint64) string { return strconv.FormatUint(id, 16) }

// bootstrap makes a cluster on bare hosts.
func bootstrap(name string, telling func([]string) []string) operation {
	return operation{
		name: name, args: []string{"apply", "--yes"}, telling: telling, fresh: true,
		prepare: func(t *testing.T, s *stand) { s.bare(t) },
		ends:    func(t *testing.T, s *stand, end []picture) { s.served(t, end) },
	}
}

// TestFaultsAlone bootstraps clusters of one member, on several hosts side by side.
func TestFaultsAlone(t *testing.T) {
	t.Parallel()
	disturb(t, bootstrap("bootstrap of 1 member", distinct), standsOf(t, "flt-one", 1, 3)...)
}

// TestFaultsPurge deletes such clusters with their data.
func TestFaultsPurge(t *testing.T) {
	t.Parallel()
	disturb(t, purging, standsOf(t, "flt-purge", 1, 3)...)
}

// TestFaultsTogether bootstraps clusters of three members.
func TestFaultsTogether(t *testing.T) {
	t.Parallel()
	op := bootstrap(during, only("before start-member/etcd-2", "after start-member/etcd-2", "after record-birth/etcd-2"))
	op.whole, op.part = ofThree, partOfThree
	disturb(t, op, standsOf(t, "flt-three", 3, clusters())...)
}

// TestFaultsRepair mends such clusters.
func TestFaultsRepair(t *testing.T) {
	t.Parallel()
	disturb(t, repairing, standsOf(t, "flt-repair", 3, clusters())...)
}

// TestFaultsDestroy ends such clusters.
func TestFaultsDestroy(t *testing.T) {
	t.Parallel()
	disturb(t, destroying, standsOf(t, "flt-destroy", 3, clusters())...)
}

// clusters is how many are disturbed side by side where all points are tried.
func clusters() int {
	if whole() {
		return 2
	}
	return 1
}

// standsOf is a lab with so many stands, of so many members each.
func standsOf(t *testing.T, name string, size, count int) []*stand {
	t.Helper()
	s := newSite(t, name, hosts(size*count)...)
	inv := s.inventory(t, "prod")
	inv.Patience = "30s" // while others boot, a host of a busy machine was silent for 8 s
	var stands []*stand
	for members := range slices.Chunk(inv.Members, size) {
		stands = append(stands, newStand(t, s, inv, members...))
	}
	return stands
}

var partOfThree = map[string]string{"kill": "around every step", "fail": "around every step on one host"}

// ofThree leaves of the points of three hosts that do the same side by side what tells them apart. Every action is
// tried with one host.
func ofThree(verb string, points []string) []string {
	if verb == "kill" {
		return steps(points, "")
	}
	return steps(points, "etcd-2")
}

// only keeps these points.
func only(some ...string) func([]string) []string {
	return func([]string) []string { return some }
}

// repairing mends three hosts, each with a harm of its own.
var repairing = operation{
	name: "repair of 3 members", args: []string{"apply", "--yes"},
	telling: only("after install-release/etcd-2#feed-1", "after write-unit/etcd-1#write-1"),
	prepare: func(t *testing.T, s *stand) {
		s.ok(t, "apply", "--yes", s.file)
		for i, harm := range []string{"unit edited by hand", "binary deleted", "member stopped"} {
			s.on(t, s.hosts()[i], faults[harm].harm)
		}
	},
	ends: func(t *testing.T, s *stand, end []picture) { s.served(t, end) },
}

// destroying ends a cluster and keeps its data.
var destroying = operation{
	name: "destroy of 3 members", args: []string{"destroy", "--confirm=prod"},
	telling: only("after move-aside/etcd-1"),
	prepare: func(t *testing.T, s *stand) {
		s.bare(t)
		s.ok(t, "apply", "--yes", s.file)
	},
	ends:  func(t *testing.T, s *stand, end []picture) { s.gone(t, end, 1) },
	whole: ofThree,
	part:  partOfThree,
}

// purging ends a cluster and deletes its data.
var purging = operation{
	name: "destroy --purge of 1 member", args: []string{"destroy", "--purge", "--confirm=prod"}, deletes: true,
	telling: only("after purge-data/etcd-1"),
	prepare: destroying.prepare,
	ends:    func(t *testing.T, s *stand, end []picture) { s.gone(t, end, 0) },
}

// gone checks the end of what destroys a cluster, and keeps so many write-ahead logs on each host.
func (s *stand) gone(t *testing.T, end []picture, kept int) {
	t.Helper()
	s.ok(t, "destroy", "--confirm=prod", s.file).saysNot(t, "stop-member", "remove-files")
	for i, p := range end {
		if len(p.heads) != kept || len(p.births) != 0 || len(p.keys) != 0 {
			t.Errorf("%s has %d write-ahead logs, %d markers, %d keys", s.hosts()[i], len(p.heads), len(p.births), len(p.keys))
		}
	}
}

// TestFaultsMixed bootstraps five members with three versions of systemd, over IPv6, as a user who may sudo.
func TestFaultsMixed(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	s := newSite(t, "flt-five", hosts(5, lab.Suites()...)...)
	inv := s.inventory(t, "prod")
	inv.User = "ops"
	for i, h := range s.lab.Hosts() {
		inv.Members[i].Address = h.IPv6.String()
	}
	op := bootstrap("bootstrap of 5 members: IPv6, sudo, Debian 11 to 13", nil)
	op.whole = func(verb string, points []string) []string {
		if verb == "kill" {
			return steps(points, "etcd-3")
		}
		return nil
	}
	op.part, op.watched = map[string]string{"kill": "around every step on one host"}, true
	disturb(t, op, newStand(t, s, inv, inv.Members...))
}
