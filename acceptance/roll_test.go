package acceptance

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// rolling is a change of a running cluster while clients are at work, and what befalls the cluster before or meanwhile.
type rolling struct {
	name   string                             // as the guarantees call it
	fault  string                             // what befalls it, as they call that; "" is nothing
	change func(*inventory)                   // what is wanted anew
	before func(*testing.T, *site, inventory) // harm that is done before
	// of the command that makes the change; the inventory comes last; nil: apply --yes
	args    []string
	edits   bool                            // that command edits the inventory by itself
	happens func(*testing.T, *site, string) // as soon as the first member is being restarted, to that one; nil: nothing
	after   string                          // a step that is over by then; "": none
	over    func(*testing.T, *site, string) // mends what happened
	code    int                             // of that command; when it is not 0, a plain apply has to finish the change
	says    []string
	gone    bool // a member is taken away from its clients, so that some writes may fail
	who     watching
	hops    int  // how often every member is restarted; 0 is once
	slow    bool // tried with FAULTS=full only

	during string // what the fault befalls; "" is flagRoll
	// of those at work; nil: with one certificate that is good all the time
	client func(*testing.T, *site, inventory) *tls.Config
	events func(*testing.T, []event) // looks at what the command said; nil: nobody does
}

// undergo makes the change. The inventory is the new one then.
func (r rolling) undergo(t *testing.T, s *site, inv *inventory) {
	file := s.write(t, "prod.hcl", *inv)
	if r.change != nil {
		r.change(inv)
	}
	if wanted := s.write(t, "wanted.hcl", *inv); !r.edits {
		file = wanted
	}
	if r.before != nil {
		r.before(t, s, *inv)
	}
	config := s.appTLS(t, *inv)
	if r.client != nil {
		config = r.client(t, s, *inv)
	}
	tr := startTrafficAs(t, s, *inv, r.who, config)
	seconds := r.run(t, s, file)
	if r.code != 0 {
		again := s.start(t, "apply", "--yes", file)
		again.wait(t).exits(t, 0)
		seconds += again.took.Seconds()
	}
	seen := tr.stop(t)
	if r.gone {
		seen.sound(t)
	} else {
		seen.unnoticed(t)
	}
	if r.before == nil && seen.changes > max(1, r.hops) {
		t.Errorf("the leader changed %d times", seen.changes)
	}
	if r.edits && read(t, file) != read(t, s.write(t, "wanted.hcl", *inv)) {
		t.Errorf("the inventory was edited to\n%s", read(t, file))
	}
	s.inSync(t, file, *inv)
	if !t.Failed() {
		measured(t, fmt.Sprintf("%s, %d members", r.name, len(inv.Members)), seen, seconds)
		r.guaranteed(t)
	}
}

// guaranteed puts down what came of a fault.
func (r rolling) guaranteed(t *testing.T) {
	t.Helper()
	during := cmp.Or(r.during, flagRoll)
	switch {
	case r.fault == "":
	case r.code == 0:
		guarantee(t, r.fault, during, "repaired first; no acknowledged write is lost")
	default:
		guarantee(t, r.fault, during, ending(r.code)+"; finished by the next apply; no acknowledged write is lost")
	}
}

// The operations that faults befall.
const (
	flagRoll    = "flag change of 3 members, under load"
	upgradeRoll = "upgrade of 3 members, under load"
)

// run runs the command that makes the change, has happen what is to happen, and says how long the command took.
func (r rolling) run(t *testing.T, s *site, file string) float64 {
	t.Helper()
	args := slices.Clone(r.args)
	if args == nil {
		args = []string{"apply", "--yes"}
	}
	if r.happens != nil || r.events != nil {
		args = append(args, "--json")
	}
	p, host := s.start(t, append(args, file)...), ""
	if r.happens != nil {
		host = p.restarts(t, r.after)
		r.happens(t, s, host)
	}
	p.wait(t).exits(t, r.code).says(t, r.says...)
	if r.over != nil {
		r.over(t, s, host)
	}
	if r.events != nil {
		r.events(t, p.events())
	}
	return p.took.Seconds()
}

// restarts waits for the restart of a member, once a step is over, and says which that is; "" is no step.
func (p *process) restarts(t *testing.T, after string) (host string) {
	t.Helper()
	var over time.Time
	p.reaches(t, "the restart of a member", func(e event) bool {
		if e.Step == after && e.Type == "step-done" {
			over = e.Time
		}
		step, ok := strings.CutPrefix(e.Step, "restart-member/")
		if ok && host == "" && e.Type == "step-started" && (after == "" || !over.IsZero() && e.Time.After(over)) {
			host = step
		}
		return host != ""
	})
	return host
}

// etcdBlock is a setting of all members.
func etcdBlock(format string, args ...any) func(*inventory) {
	return func(inv *inventory) { inv.Settings = fmt.Sprintf("\n  etcd {\n    "+format+"\n  }\n", args...) }
}

// leader is the name of the member that leads.
func (s *site) leader(t *testing.T, inv inventory) string {
	t.Helper()
	members, _ := s.status(t, s.write(t, "leader.hcl", inv), inv.Cluster)
	for _, m := range members {
		if m.Role == "leader" {
			return m.Member
		}
	}
	t.Fatal("no member leads")
	return ""
}

// rollings are changes within one minor version of etcd.
func rollings() []rolling {
	stop := func(t *testing.T, s *site, inv inventory) {
		s.on(t, inv.Members[1].Name, "systemctl stop etcd-prod")
	}
	pause := func(t *testing.T, s *site, inv inventory) {
		s.on(t, s.leader(t, inv), "systemctl kill -s STOP --kill-whom=main etcd-prod")
	}
	request := func(bytes int) func(*inventory) { return etcdBlock(`flags = { "max-request-bytes" = "%d" }`, bytes) }
	return []rolling{
		{name: "a flag is changed", change: request(2 << 20)},
		{
			name:   "heartbeat and election timeout are raised",
			change: etcdBlock("heartbeat_interval = \"200ms\"\n    election_timeout = \"2s\""), slow: true, hops: 2,
		},
		{
			name:   "heartbeat and election timeout are lowered again",
			change: etcdBlock("heartbeat_interval = \"100ms\"\n    election_timeout = \"1s\""), slow: true, hops: 2,
		},
		{
			name: "a flag is changed while a member is stopped", fault: "a member is stopped", change: request(2<<20 + 1),
			before: stop, who: nobody,
		},
		{
			name: "a flag is changed while the leader is paused (SIGSTOP)", fault: "the leader is paused (SIGSTOP)",
			change: request(2<<20 + 2), before: pause, gone: true, who: nobody,
		},
		{
			name:  "a flag is changed, and a host loses power while its member is restarted",
			fault: "a host loses power while its member is restarted", change: request(2<<20 + 3), gone: true, slow: true,
			happens: func(t *testing.T, s *site, host string) { must(t, s.lab.PowerCut(t.Context(), host)) },
			over:    func(t *testing.T, s *site, host string) { must(t, s.lab.Boot(t.Context(), host)) },
			code:    12, says: []string{runAgain},
		},
		{
			name:  "a flag is changed, and SSH to a host is blocked while its member is restarted",
			fault: "SSH to a host is blocked while its member is restarted", change: request(2<<20 + 4), slow: true,
			happens: func(t *testing.T, s *site, host string) { s.on(t, host, blockSSH) },
			over:    func(t *testing.T, s *site, host string) { s.on(t, host, "nft delete table inet nossh") },
			code:    12, says: []string{runAgain},
		},
	}
}

const blockSSH = `nft -f - <<'EOF'
table inet nossh {
  chain in { type filter hook input priority -300; tcp dport 22 drop; }
}
EOF`

// TestRolling changes how members run while clients are at work.
func TestRolling(t *testing.T) {
	t.Parallel()
	s := newSite(t, "roll-flags", hosts(3)...)
	inv := s.inventory(t, "prod")
	s.ok(t, "apply", "--yes", s.write(t, "prod.hcl", inv))
	for _, r := range rollings() {
		if !r.slow || whole() {
			t.Run(r.name, func(t *testing.T) { r.undergo(t, s, &inv) })
		}
	}
	t.Run("a patch version", func(t *testing.T) { patchVersion(t, s, inv) })
	t.Run("nothing to restart", func(t *testing.T) { nothingToRestart(t, s, inv) })
	t.Run("two of three are stopped", func(t *testing.T) { twoOfThree(t, s, inv) })
	if whole() {
		t.Run("a peer dies before a restart", func(t *testing.T) { peerDies(t, s, inv) })
		t.Run("a start is diverted amid a roll", func(t *testing.T) { divertedAmid(t, s, inv) })
		t.Run("two members", func(t *testing.T) { twoMembers(t, s) })
	}
}

// TestRollingFive changes a flag of five members.
func TestRollingFive(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	s := newSite(t, "roll-five", hosts(5)...)
	s.shipped()
	inv := s.inventory(t, "prod")
	s.ok(t, "apply", "--yes", s.write(t, "prod.hcl", inv))
	rollings()[0].undergo(t, s, &inv)
}

// nothingToRestart gives a member another name in its certificates, which it takes up by itself.
func nothingToRestart(t *testing.T, s *site, inv inventory) {
	file := s.write(t, "prod.hcl", inv)
	first := inv.Members[0]
	address := fmt.Sprintf("    address = %q\n", first.Address)
	s.file(t, "prod.hcl", strings.Replace(read(t, file), address, address+"    names = [\"elsewhere.example.com\"]\n", 1))
	before := s.pids(t, inv.Cluster)
	tr := startTraffic(t, s, inv, everybody)
	s.ok(t, "apply", "--yes", file).says(t, "issue-leaf/server/"+first.Name).saysNot(t, "restart-member")
	seen := tr.stop(t)
	seen.unnoticed(t)
	if most := seen.presence.most(); len(most) > 0 || !maps.Equal(before, s.pids(t, inv.Cluster)) {
		t.Errorf("away: %v; processes were %v and are %v", most, before, s.pids(t, inv.Cluster))
	}
	s.ok(t, "apply", "--yes", s.write(t, "prod.hcl", inv))
}

// twoOfThree has a cluster without a quorum asked for another version: that is refused, with what to do, and touches
// nobody.
func twoOfThree(t *testing.T, s *site, inv inventory) {
	before := s.pids(t, inv.Cluster)
	for _, m := range inv.Members[1:] {
		s.on(t, m.Name, "systemctl stop etcd-prod")
		before[m.Name] = "0"
	}
	next := inv
	next.Version = releaseNext
	s.run(t, "apply", "--yes", s.write(t, "prod.hcl", next)).exits(t, 13).says(t, "[quorum]", "version "+inv.Version)
	if after := s.pids(t, inv.Cluster); !maps.Equal(before, after) {
		t.Errorf("processes were %v and are %v", before, after)
	}
	s.ok(t, "apply", "--yes", s.write(t, "prod.hcl", inv))
	s.inSync(t, s.write(t, "prod.hcl", inv), inv)
	if !t.Failed() {
		guarantee(t, "two of three members are stopped", upgradeRoll,
			"exit 13, says to apply the version that runs first; nothing is restarted")
	}
}
