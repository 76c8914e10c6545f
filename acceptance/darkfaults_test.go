package acceptance

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// darkening is an operation in the middle of which a host is cut off the network. Nothing of it dies.
type darkening struct {
	during  string                       // as the guarantees call it
	args    []string                     // of the command; the inventory comes last; nil: apply --yes
	prepare func(t *testing.T, s *stand) // brings the hosts to where it starts, and the inventory to what is wanted
	point   string                       // where the run is held, and the host is cut off
	host    string
	ssh     bool     // only its way from the control machine is cut: its member goes on with the others
	rival   []string // a command that then wants to change the others as well; nil: none can
	where   string   // how the guarantees call that
	says    []string // of the command
	without []string // what it does not say
	load    bool     // clients are at work
	slow    bool     // tried with FAULTS=full only
}

// hold runs clusterup up to a point, does something, and has it go on.
func (s *site) hold(t *testing.T, point string, meanwhile func(), args ...string) result {
	t.Helper()
	return s.holdWith(t, nil, point, meanwhile, args...)
}

// holdWith is hold with settings in the environment.
func (s *site) holdWith(t *testing.T, settings []string, point string, meanwhile func(), args ...string) result {
	t.Helper()
	program, err := faultBinary()
	must(t, err)
	argv := append(append([]string{"env"}, settings...), "CLUSTERUP_FAULT=stop "+point, program)
	p := s.launch(t, append(argv, args...)...)
	until(t, "the run to hold "+point, func() bool {
		select {
		case <-p.ended:
			t.Fatalf("it ended before that:\n%s%s", p.stdout, p.stderr)
		default:
		}
		stat := read(t, fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		return strings.Contains(stat, ") T ")
	})
	meanwhile()
	must(t, p.cmd.Process.Signal(syscall.SIGCONT))
	return p.wait(t)
}

// undergo has the host go dark, then brings it back: one apply does what waited.
func (d darkening) undergo(t *testing.T, s *stand) {
	s.forget()
	s.heal(t, s.hosts()...)
	d.prepare(t, s)
	before := s.looks(t)
	args := d.args
	if args == nil {
		args = []string{"apply", "--yes"}
	}
	var tr *traffic
	if d.load {
		tr = startTrafficAs(t, s.site, s.inv, nobody, kept(t, s.site, s.inv))
	}
	r := s.hold(t, d.point, func() { d.cut(t, s) }, append(slices.Clone(args), s.file)...)
	r.exits(t, 12).says(t, d.host+": ", runAgain)
	r.says(t, d.says...).saysNot(t, d.without...)
	s.quiet(t)
	half := s.looks(t)
	s.lawful(t, before, half)
	s.heal(t, d.host)
	s.ok(t, "apply", "--yes", s.file).saysNot(t, "waits for")
	end := s.looks(t)
	s.lawful(t, half, end)
	s.served(t, end)
	outcome := "exit 12, what can be done without it is done, and what waits is named; " +
		"finished by the next apply when it is back"
	if d.load {
		tr.stop(t).sound(t, d.host)
		outcome += "; no acknowledged write is lost"
	}
	if !t.Failed() {
		what := "a host is cut off the network "
		if d.ssh {
			what = "the way from the control machine to a host is cut "
		}
		if d.rival != nil {
			outcome = "no other run gets in meanwhile; " + outcome
		}
		guarantee(t, what+d.where, d.during, outcome)
	}
}

// cut takes the host off the network. Where only the operator is kept from it, the run holds the lock on the others.
func (d darkening) cut(t *testing.T, s *stand) {
	if !d.ssh {
		s.cut(t, d.host)
		return
	}
	s.on(t, d.host, offSSH+"\npkill -f '^sshd: root@'") // by itself it notices only when it has something to say
	if d.rival != nil {
		s.run(t, append(slices.Clone(d.rival), s.file)...).exits(t, 11).says(t, "the cluster is locked by")
	}
}

const darkRepair = "repair of 3 members and new certificates, with a host that is cut off"

// settledAs brings members to what an inventory says, and has the first one lead.
func settledAs(t *testing.T, s *stand) {
	t.Helper()
	s.write(t, "prod.hcl", s.inv)
	s.ok(t, "apply", "--yes", s.file)
	s.lead(t, s.inv.Members[0])
}

// darkenings of three members; the last ones change their version, and begin with http.
func darkenings() []darkening {
	bare := func(t *testing.T, s *stand) { s.bare(t) }
	flag := func(t *testing.T, s *stand) {
		settledAs(t, s)
		inv := s.inv
		etcdBlock(`flags = { "max-request-bytes" = "2097152" }`)(&inv)
		s.write(t, "prod.hcl", inv)
	}
	return []darkening{
		{
			during: during, prepare: bare,
			point: "after install-release/etcd-2#feed-1", host: "etcd-3", where: "before members start",
			says:    []string{"bootstrap…waits for etcd-3"},
			without: []string{"start-member/"},
		},
		{
			during: "repair of 3 members", prepare: repairing.prepare,
			point: "before write-unit/etcd-1", host: "etcd-2", where: "while files are put right",
			says: []string{"write-unit/etcd-1", "start-member/etcd-3"},
		},
		{
			during: "rotation of the certificates of 3 members, under load", prepare: settledAs,
			args: []string{"rotate", "certs", "--yes"}, load: true, slow: true,
			point: "after issue-leaf/peer/etcd-1", host: "etcd-2", where: "before its turn",
			says: []string{"issue-leaf/server/etcd-3"},
		},
		{
			during: flagRoll, prepare: flag, load: true, slow: true,
			point: "after restart-member/etcd-2", host: "etcd-3", where: "before its turn",
			says: []string{"etcd-1 waits for etcd-3", "1 of 3 voters"},
		},
		{
			during: "rotation of the certificates of 3 members that ends open connections, under load", prepare: settledAs,
			args: []string{"rotate", "certs", "--end-connections", "--yes"}, load: true, slow: true,
			point: "after restart-member/etcd-2", host: "etcd-3", where: "before its turn",
			says: []string{"etcd-1 waits for etcd-3", "1 of 3 voters"},
		},
		{
			during: rotationRoll, prepare: settledAs, args: []string{"rotate", "ca", "--yes"}, load: true, slow: true,
			point: "after restart-member/etcd-2", host: "etcd-3", where: "before its member is restarted to trust both CAs",
			says: []string{"rotation of the peer CA"}, without: []string{"retire-ca/"},
		},
		{
			during: upgradeRoll, load: true, slow: true,
			point: "after restart-member/etcd-2", host: "etcd-3", where: "before its turn",
			prepare: func(t *testing.T, s *stand) {
				settledAs(t, s)
				s.inv.Version = releaseNext
				s.write(t, "prod.hcl", s.inv)
			},
			says: []string{"etcd " + releaseNext + "…waits for etcd-3"},
		},
		{
			during: "downgrade of 3 members, under load", load: true, slow: true,
			args:  []string{"apply", "--accept=downgrade", "--yes"},
			point: "after restart-member/etcd-2", host: "etcd-3", where: "before its turn",
			prepare: func(t *testing.T, s *stand) {
				s.inv.Version = releaseNext
				settledAs(t, s)
				s.inv.Version = release
				s.write(t, "prod.hcl", s.inv)
			},
			says: []string{"etcd " + release + "…waits for etcd-3"},
		},
		{
			during: tlsOn, load: true, slow: true,
			point: "after update-member/etcd-2", host: "etcd-3",
			where: "while another member is known with https and listens with http",
			prepare: func(t *testing.T, s *stand) {
				s.bare(t)
				inPlain(&s.inv)
				settledAs(t, s)
				securePeers(&s.inv)
				s.write(t, "prod.hcl", s.inv)
			},
			says: []string{"restarting etcd-…waits for etcd-3"},
		},
	}
}

// TestDarkFaults cuts hosts off in the middle of what is done to three members, and kills clusterup while one is cut
// off.
func TestDarkFaults(t *testing.T) {
	t.Parallel()
	s := newSite(t, "dark-flt", hosts(3)...)
	inv := s.inventory(t, "prod")
	st := newStand(t, s, inv, inv.Members...)
	for _, d := range darkenings() {
		if !d.slow || whole() {
			t.Run(d.during+"/"+d.where, func(t *testing.T) { d.undergo(t, st) })
		}
	}
	t.Run("killed", func(t *testing.T) {
		disturb(t, operation{
			name: darkRepair, args: []string{"rotate", "certs", "--yes"}, dark: 3,
			telling: only("after issue-leaf/server/etcd-1"),
			means:   "the same command, and an apply when the host is back,",
			whole:   wholeSteps, part: partOfRoll,
			prepare: func(t *testing.T, s *stand) {
				s.heal(t, s.hosts()...)
				s.ok(t, "apply", "--yes", s.file)
				s.on(t, s.hosts()[0], faults["unit edited by hand"].harm)
				s.on(t, s.hosts()[1], faults["member stopped"].harm)
			},
			ends: func(t *testing.T, s *stand, end []picture) { s.served(t, end) },
		}, st)
	})
	if whole() {
		t.Run("destroyed", func(t *testing.T) { destroyMidway(t, st) })
	}
}

// destroyMidway cuts a host off in the middle of a destroy, which needs its name to go on without it.
func destroyMidway(t *testing.T, s *stand) {
	const host, where = "etcd-3", "before its data is put aside"
	s.heal(t, s.hosts()...)
	destroying.prepare(t, s)
	before := s.looks(t)
	s.hold(t, "before move-aside/"+host, func() { s.cut(t, host) }, append(destroying.args, s.file)...).exits(t,
		12).says(t,
		"move-aside/etcd-1", `"put data aside"`, host+": ", "--accept=gone:"+host)
	s.quiet(t)
	half := s.looks(t)
	s.lawful(t, before, half)
	s.run(t, append(destroying.args, "--accept=gone:"+host, s.file)...).exits(t, 12).says(t, "remove-files/etcd-1",
		"remove-files/etcd-2",
		host+": …/var/lib/etcd-prod…[unreachable]")
	s.heal(t, host)
	s.ok(t, append(destroying.args, s.file)...).says(t, "move-aside/"+host, "remove-files/"+host)
	end := s.looks(t)
	s.lawful(t, half, end)
	s.gone(t, end, 1)
	if !t.Failed() {
		guarantee(t, "a host is cut off the network "+where, destroying.name,
			"exit 12; the rest is destroyed by its name, and what is left there is named; finished by the next destroy when it is back")
	}
}

const (
	fiveRoll     = "flag change of 5 members, under load"
	fiveRollDark = "flag change of 5 members, with a host that is cut off, under load"
)

// another wants another value of a flag each time, so that what is there need not be taken back.
func another() func(t *testing.T, s *stand) {
	bytes := 2 << 20
	return func(t *testing.T, s *stand) {
		s.heal(t, s.hosts()...)
		settledAs(t, s)
		bytes++
		etcdBlock(`flags = { "max-request-bytes" = "%d" }`, bytes)(&s.inv)
		s.write(t, "prod.hcl", s.inv)
	}
}

// TestDarkFaultsFive does the same in a roll of five, which goes on without the one.
func TestDarkFaultsFive(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	s := newSite(t, "dark-five-flt", hosts(5)...)
	inv := s.inventory(t, "prod")
	st := newStand(t, s, inv, inv.Members...)
	next := another()
	goOn := []string{"restart-member/etcd-1", "restart-member/etcd-4"}
	for _, d := range []darkening{
		{host: "etcd-3", where: "right before its member is restarted", point: "before restart-member/etcd-3"},
		{host: "etcd-1", where: "with the leader", point: "before restart-member/etcd-3"},
		{host: "etcd-4", where: "while another member is restarted", point: "after restart-member/etcd-2#script-1"},
	} {
		d.during, d.prepare, d.load = fiveRoll, next, true
		for _, step := range goOn {
			if !strings.HasSuffix(step, d.host) {
				d.says = append(d.says, step)
			}
		}
		t.Run(d.where, func(t *testing.T) { d.undergo(t, st) })
	}
	u := &underway{all: map[*stand]*traffic{}}
	t.Run("killed", func(t *testing.T) {
		disturb(t, operation{
			name: fiveRollDark, args: []string{"apply", "--yes"}, dark: 5, whole: wholeSteps, part: partOfRolls,
			means: "the same command, and another when the host is back,",
			prepare: func(t *testing.T, s *stand) {
				next(t, s)
				u.start(t, s, s.inv)
			},
			ends: func(t *testing.T, s *stand, end []picture) {
				s.served(t, end)
				u.report(t, s).sound(t, s.hosts()[4])
			},
		}, st)
	})
}
