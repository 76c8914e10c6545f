package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// event is what apply --json says, as far as the scenarios need it.
type event struct {
	Type, Step  string
	Host        string
	Time        time.Time
	Done, Total int64
}

// events are those that a run has written whole so far.
func (p *process) events() []event { return eventsOf(p.stdout.String()) }

func eventsOf(stdout string) []event {
	var all []event
	for line := range strings.Lines(stdout) {
		var e event
		if strings.HasSuffix(line, "\n") && json.Unmarshal([]byte(line), &e) == nil { // the plan comes first, and is no event
			all = append(all, e)
		}
	}
	return all
}

// reaches waits until a run has come to where an event says so.
func (p *process) reaches(t *testing.T, what string, here func(event) bool) {
	t.Helper()
	over, seen := false, false
	until(t, "clusterup "+p.args+" to reach "+what, func() bool {
		select {
		case <-p.ended:
			over = true
		default:
		}
		for _, e := range p.events() {
			seen = seen || here(e)
		}
		return seen || over
	})
	if !seen {
		t.Fatalf("clusterup %s ended before %s:\n%s%s", p.args, what, p.stdout, p.stderr)
	}
}

// starts waits for the start of a step.
func (p *process) starts(t *testing.T, step string) {
	t.Helper()
	p.reaches(t, step, func(e event) bool { return e.Type == "step-started" && e.Step == step })
}

// during is what the misfortunes befall.
const during = "bootstrap of 3 members"

// misfortune is what befalls a host, a connection or an operator in the middle of a bootstrap.
type misfortune struct {
	name    string // as the guarantees call it
	moment  string // the step at whose start it comes
	happens func(t *testing.T, s *stand, p *process)
	over    func(t *testing.T, s *stand) // mends the cause; nil: there is nothing to mend
	code    int
	says    []string
	link    int64 // bits a second to etcd-2, so that a release takes its time; 0: as fast as it can
	slow    bool  // tried with FAULTS=full only
}

func misfortunes() []misfortune {
	cut := func(t *testing.T, s *stand, _ *process) { must(t, s.lab.PowerCut(t.Context(), "etcd-2")) }
	boot := func(t *testing.T, s *stand) { must(t, s.lab.Boot(t.Context(), "etcd-2")) }
	unplug := func(t *testing.T, s *stand, _ *process) { must(t, s.lab.Cable(t.Context(), "etcd-2", false)) }
	kill := func(t *testing.T, _ *stand, p *process) { must(t, p.cmd.Process.Kill()) }
	plug := func(t *testing.T, s *stand) { must(t, s.lab.Cable(t.Context(), "etcd-2", true)) }
	lost := []string{"etcd-2: ", runAgain}
	stopped := []string{"Stopped: ", runAgain}
	return []misfortune{
		{
			name: "a host loses power while files are put on it", moment: "install-release/etcd-2", link: slowly, happens: cut,
			over: boot, code: 12, says: lost, slow: true,
		},
		{
			name: "a host loses power while it unpacks the release", moment: "install-release/etcd-2", happens: unpacking(cut),
			over: boot, code: 12, says: lost,
		},
		{
			name: "a host loses power while members start", moment: "start-member/etcd-2", happens: cut, over: boot, code: 12,
			says: lost,
		},
		{
			name: "a host vanishes from the network while files are put on it", moment: "install-release/etcd-2", link: slowly,
			happens: unplug, over: plug, code: 12, says: lost, slow: true,
		},
		{
			name: "a host vanishes from the network while members start", moment: "start-member/etcd-2", happens: unplug,
			over: plug, code: 12, says: lost, slow: true,
		},
		{
			name: "clusterup is interrupted (SIGINT) while it sends a release", moment: "install-release/etcd-2", link: slowly,
			happens: ask(syscall.SIGINT), code: 130, says: stopped,
		},
		{
			name: "clusterup is killed (SIGKILL) while a host unpacks the release", moment: "install-release/etcd-2",
			happens: unpacking(kill), code: -1, slow: true,
		},
		{
			name: "clusterup is terminated (SIGTERM) while members start", moment: "start-member/etcd-2",
			happens: ask(syscall.SIGTERM), code: 130, says: stopped, slow: true,
		},
		{
			name: "clusterup is interrupted (SIGINT) while it writes certificates", moment: "issue-leaf/peer/etcd-2",
			happens: ask(syscall.SIGINT), code: 130, says: stopped, slow: true,
		},
		{
			name: "clusterup is terminated (SIGTERM) while it writes birth markers", moment: "record-birth/etcd-2",
			happens: ask(syscall.SIGTERM), code: 130, says: stopped, slow: true,
		},
	}
}

// slowly is a link on which the 22 MB of a release take some seconds.
const slowly = 40e6

// unpacking waits until etcd-2 is at it.
func unpacking(happens func(*testing.T, *stand, *process)) func(*testing.T, *stand, *process) {
	return func(t *testing.T, s *stand, p *process) {
		t.Helper()
		until(t, "etcd-2 to unpack the release", func() bool {
			out, _ := s.try(t, "etcd-2", "find /opt/clusterup/etcd -type d -name '*.??????'")
			return out != ""
		})
		happens(t, s, p)
	}
}

// ask sends a signal, after which a run has five seconds to end.
func ask(sig syscall.Signal) func(t *testing.T, s *stand, p *process) {
	return func(t *testing.T, _ *stand, p *process) {
		t.Helper()
		must(t, p.cmd.Process.Signal(sig))
		asked := time.Now()
		<-p.ended
		if took := time.Since(asked); took > 5*time.Second {
			t.Errorf("it took %s to stop", took)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestMisfortunes has hosts, connections and operators fail in the middle of a bootstrap, which is finished by the next
// apply.
func TestMisfortunes(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	s := newSite(t, "flt-luck", hosts(3)...)
	inv := s.inventory(t, "prod")
	st := newStand(t, s, inv, inv.Members...)
	st.ok(t, "apply", "--yes", st.file)
	undisturbed := st.looks(t)
	tidy(t, undisturbed)
	for _, m := range misfortunes() {
		if m.slow && !whole() {
			continue
		}
		t.Run(m.name, func(t *testing.T) { befall(t, st, m, undisturbed) })
	}
	t.Run(cutAmid, func(t *testing.T) { cutFeed(t, st, undisturbed) })
	t.Run("two operators", func(t *testing.T) { twoOperators(t, st, undisturbed) })
}

func befall(t *testing.T, s *stand, m misfortune, undisturbed []picture) {
	s.bare(t)
	must(t, s.lab.SlowLink(t.Context(), "etcd-2", m.link))
	p := s.start(t, "apply", "--yes", "--json", s.file)
	p.starts(t, m.moment)
	m.happens(t, s, p)
	p.wait(t).exits(t, m.code).says(t, m.says...)
	if m.over != nil {
		m.over(t, s)
	}
	must(t, s.lab.SlowLink(t.Context(), "etcd-2", 0))
	s.quiet(t)
	half := s.looks(t)
	s.lawful(t, make([]picture, len(half)), half)
	s.ok(t, "apply", "--yes", s.file)
	end := s.looks(t)
	s.lawful(t, half, end)
	s.served(t, end)
	s.same(t, undisturbed, end)
	if !t.Failed() {
		guarantee(t, m.name, during, fmt.Sprintf("%s; finished by the next apply", ending(m.code)))
	}
}

func ending(code int) string {
	if code < 0 {
		return "nothing goes on on the hosts"
	}
	return fmt.Sprintf("exit %d", code)
}

// cutScript ends every SSH session on a host, and leaves sshd's listener alone.
const cutScript = `
main=$(systemctl show -p MainPID --value ssh)
for p in /proc/[0-9]*; do
  [ "${p#/proc/}" = "$main" ] || ! grep -qs '/ssh\.service' $p/cgroup || kill -KILL "${p#/proc/}" 2>/dev/null || true
done
`

const cutAmid = "the connection is cut while a release is sent"

// cutFeed cuts the connection when half of a release has come over.
func cutFeed(t *testing.T, s *stand, undisturbed []picture) {
	s.bare(t)
	must(t, s.lab.SlowLink(t.Context(), "etcd-2", slowly))
	p := s.start(t, "apply", "--yes", "--json", s.file)
	p.reaches(t, "the middle of the release", func(e event) bool {
		return e.Type == "step-progress" && e.Host == "etcd-2" && e.Done > e.Total/2 && e.Done < e.Total
	})
	s.on(t, "etcd-2", cutScript)
	p.wait(t).exits(t, 12).says(t, "etcd-2: ", runAgain)
	must(t, s.lab.SlowLink(t.Context(), "etcd-2", 0))
	s.quiet(t)
	half := s.looks(t)
	s.lawful(t, make([]picture, len(half)), half)
	s.ok(t, "apply", "--yes", s.file)
	end := s.looks(t)
	s.served(t, end)
	s.same(t, undisturbed, end)
	if !t.Failed() {
		guarantee(t, cutAmid, during, "exit 12; finished by the next apply")
	}
}

// twoOperators has a second one come while the first is at work, and a third take over when the first is killed.
func twoOperators(t *testing.T, s *stand, undisturbed []picture) {
	s.bare(t)
	first := s.start(t, "apply", "--yes", "--json", s.file)
	first.starts(t, "install-release/etcd-2")
	must(t, first.cmd.Process.Signal(syscall.SIGSTOP)) // it holds the lock, and takes its time
	from, err := os.Hostname()
	must(t, err)
	second := s.run(t, "apply", "--yes", s.file).exits(t, 11)
	owner := fmt.Sprintf(
		`etcd-1: .*root@%s \(PID %d\).*\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ: clusterup apply`,
		regexp.QuoteMeta(from), first.cmd.Process.Pid)
	if !regexp.MustCompile(owner).MatchString(second.stderr) {
		t.Errorf("the second operator is not told %s", owner)
	}
	third := s.start(t, "apply", "--yes", "--lock-wait=2m", s.file)
	third.await(t, "Plan: ")
	must(t, first.cmd.Process.Kill())
	first.wait(t)
	third.wait(t).exits(t, 0)
	end := s.looks(t)
	s.lawful(t, make([]picture, len(end)), end)
	s.served(t, end)
	s.same(t, undisturbed, end)
	if !t.Failed() {
		guarantee(t, "two operators at once", during,
			"exit 11 for the second, who is told who, from where, since when, doing what; with --lock-wait it goes on when the first ends, even when that was killed")
	}
}
