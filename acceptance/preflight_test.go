package acceptance

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// finding and preflightTotal are the documented fields of preflight --json.
type finding struct {
	Type, Host, Check, Level, Found, Do string
}

type preflightTotal struct {
	Hosts, Fine, Warnings, Refusals int
	ExitCode                        int `json:"exit_code"`
}

// TestPreflight proves that preflight sees what is wrong on real hosts, and that nothing of it stays there, however it
// ends.
func TestPreflight(t *testing.T) {
	t.Parallel()
	s := newSite(t, "preflight", hosts(3, "bookworm", "bullseye", "trixie")...)
	inv := s.inventory(t, "prod")
	inv.User = "ops"
	file := s.write(t, "prod.hcl", inv)
	s.ok(t, "preflight", "--quick", file) // a first login has effects of its own
	bare := s.traces(t)

	well := s.preflight(t, 0, file)
	for _, name := range s.names() {
		for _, check := range []string{
			"architecture", "systemd", "clock", "ports", "address", "reach", "data",
			"round-trip",
		} {
			if f := well.of(t, check, name); f.Level != "fine" {
				t.Errorf("%+v", f)
			}
		}
	}
	s.leftNothing(t, bare, "a run that found nothing")

	t.Run("trouble", func(t *testing.T) { trouble(t, s, file, well) })
	s.leftNothing(t, bare, "a run that found a lot")
	t.Run("beneath", func(t *testing.T) { beneath(t, s, file) })
	s.leftNothing(t, bare, "looking at what lies beneath")
	t.Run("cut off", func(t *testing.T) { cutOff(t, s, file, bare) })
	t.Run("address twice", func(t *testing.T) { addressTwice(t, s, file) })
	t.Run("packet filter", func(t *testing.T) { packetFilter(t, s, file) })
	t.Run("before a bootstrap", func(t *testing.T) { beforeBootstrap(t, s, file) })
	t.Run("unreachable", func(t *testing.T) {
		if err := s.lab.Cable(t.Context(), "etcd-3", false); err != nil {
			t.Fatal(err)
		}
		found := s.preflight(t, 12, file)
		if f := found.of(t, "connection", "etcd-3"); f.Level != "refusal" || found.of(t, "reach", "etcd-1").Level != "fine" {
			t.Errorf("%+v", found)
		}
	})
}

// trouble is two hosts that do not see each other, a slow disk, and a port that is taken.
func trouble(t *testing.T, s *site, file string, well findings) {
	if err := s.lab.Partition(t.Context(), "etcd-1", "etcd-3", true); err != nil {
		t.Fatal(err)
	}
	if err := s.lab.SlowDisk("etcd-2", 20); err != nil {
		t.Fatal(err)
	}
	s.on(t, "etcd-2", "systemd-run -q --unit=taker systemd-socket-activate -l 2379 /bin/true")
	until(t, "port 2379 to be taken", func() bool { return s.on(t, "etcd-2", "ss -Hltn 'sport = :2379'") != "" })
	found := s.preflight(t, 13, file)
	s.on(t, "etcd-2", "systemctl stop taker")
	if err := s.lab.SlowDisk("etcd-2", 0); err != nil {
		t.Fatal(err)
	}
	if err := s.lab.Partition(t.Context(), "etcd-1", "etcd-3", false); err != nil {
		t.Fatal(err)
	}

	for _, pair := range [][2]string{{"etcd-1", "etcd-3"}, {"etcd-3", "etcd-1"}} {
		f := found.of(t, "reach", pair[0])
		want := fmt.Sprintf("%s at %s:2380 (peer)", pair[1], s.host(t, pair[1]).IPv4)
		if f.Level != "refusal" || !strings.Contains(f.Found, want) || !strings.Contains(f.Do, "port 2380") {
			t.Errorf("%+v, want %q", f, want)
		}
		if f := found.of(t, "firewall", pair[0]); f.Level != "warning" || !strings.Contains(f.Found, "nft") {
			t.Errorf("%+v", f)
		}
	}
	if f := found.of(t, "reach", "etcd-2"); f.Level != "fine" {
		t.Errorf("%+v", f)
	}
	if f := found.of(t, "ports", "etcd-2"); f.Level != "refusal" ||
		!tells(f.Found, "2379…systemd-socket") {
		t.Errorf("%+v", f)
	}
	slow, fast := p50(t, found.of(t, "disk-latency", "etcd-2")), p50(t, well.of(t, "disk-latency", "etcd-2"))
	if slow < 20 || slow < 3*fast {
		t.Errorf("a disk of 20 writes a second takes %v ms, the same disk before %v ms", slow, fast)
	}
	if f := found.of(t, "disk-latency", "etcd-2"); f.Level != "warning" {
		t.Errorf("%+v", f)
	}
}

// addressTwice is a host that has the address of another, besides its own.
func addressTwice(t *testing.T, s *site, file string) {
	taken := s.host(t, "etcd-1").IPv4.String()
	s.on(t, "etcd-2", "ip address add "+taken+"/32 dev lo")
	found := s.preflight(t, 13, file)
	s.on(t, "etcd-2", "ip address del "+taken+"/32 dev lo")
	if f := found.of(t, "address", "etcd-2"); f.Level != "refusal" ||
		!tells(f.Found, taken+"…etcd-1") || f.Do == "" {
		t.Errorf("%+v", f)
	}
	for _, name := range []string{"etcd-1", "etcd-3"} {
		if f := found.of(t, "address", name); f.Level != "fine" {
			t.Errorf("%+v", f)
		}
	}
}

// packetFilter is a host that lets in nothing but SSH and what it asked for itself, as hardened ones do.
func packetFilter(t *testing.T, s *site, file string) {
	s.on(t, "etcd-2", `nft -f - <<'RULES'
table inet hardened {
	chain input {
		type filter hook input priority 0; policy drop;
		ct state established,related accept
		iif lo accept
		meta l4proto { icmp, icmpv6 } accept
		tcp dport 22 accept
	}
}
RULES`)
	found := s.preflight(t, 13, file)
	applied := s.run(t, "apply", "--yes", file)
	s.on(t, "etcd-2", "nft delete table inet hardened")

	for _, name := range []string{"etcd-1", "etcd-3"} {
		want := fmt.Sprintf("etcd-2 at %s:2380 (peer): no answer", s.host(t, "etcd-2").IPv4)
		if f := found.of(t, "reach", name); f.Level != "refusal" || !strings.Contains(f.Found, want) ||
			!tells(f.Do, "etcd-2…nft list ruleset") {
			t.Errorf("%+v, want %q", f, want)
		}
		applied.says(t, name+": …"+want)
		if f := found.of(t, "firewall", name); f.Level != "fine" {
			t.Errorf("%+v", f)
		}
	}
	const rules = "nft: 4 rules, 0 of them"
	if f := found.of(t, "firewall", "etcd-2"); f.Level != "warning" || !strings.Contains(f.Found, rules) {
		t.Errorf("%+v, want %q", f, rules)
	}
	if f := found.of(t, "reach", "etcd-2"); f.Level != "fine" {
		t.Errorf("%+v", f)
	}
	applied.exits(t, 13).says(t, "Plan: ", "Refused: ", "[preflight]")
}

// cutOff ends runs while their listeners stand: with SIGTERM, and with SIGKILL, after which only the hosts can clean
// up. They stand for long because two hosts wait for each other.
func cutOff(t *testing.T, s *site, file string, bare map[string][]string) {
	if err := s.lab.Partition(t.Context(), "etcd-1", "etcd-3", true); err != nil {
		t.Fatal(err)
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		p := s.start(t, "preflight", file)
		until(t, "a listener on etcd-1", func() bool {
			select {
			case <-p.ended:
				t.Fatal("preflight ended before a listener was seen")
			default:
			}
			return strings.Contains(s.on(t, "etcd-1", "ss -Hltnp 'sport = :2380'"), "clusterup-probe")
		})
		if err := p.cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		<-p.ended
		if signal == syscall.SIGTERM && p.cmd.ProcessState.ExitCode() != 130 {
			t.Errorf("exit code %d after SIGTERM", p.cmd.ProcessState.ExitCode())
		}
		until(t, "the listeners to end", func() bool {
			return !slices.ContainsFunc(s.names(), func(host string) bool {
				return strings.Contains(strings.Join(s.trace(t, host), "\n"), "clusterup-probe")
			})
		})
		s.leftNothing(t, bare, "a run that ended with "+signal.String())
	}
	if err := s.lab.Partition(t.Context(), "etcd-1", "etcd-3", false); err != nil {
		t.Fatal(err)
	}
}

// beforeBootstrap proves that apply refuses what would end half-way.
func beforeBootstrap(t *testing.T, s *site, file string) {
	if err := s.lab.Partition(t.Context(), "etcd-1", "etcd-3", true); err != nil {
		t.Fatal(err)
	}
	s.run(t, "apply", "--yes", file).exits(t, 13).says(t, "etcd-1: …etcd-3…[preflight]", "etcd-3: …etcd-1…[preflight]")
	for _, host := range s.names() { // but for the lock, in /run, nothing is written
		got := s.on(t, host,
			"ls -d /etc/etcd /opt/clusterup /var/lib/etcd* /etc/systemd/system/etcd-prod.service 2>/dev/null || echo bare")
		if got != "bare" {
			t.Errorf("%s has %s", host, got)
		}
	}
	if err := s.lab.Partition(t.Context(), "etcd-1", "etcd-3", false); err != nil {
		t.Fatal(err)
	}
}

type findings []finding

// of is the heaviest finding of a check on a host.
func (all findings) of(t *testing.T, check, host string) finding {
	t.Helper()
	var found finding
	for _, level := range []string{"fine", "warning", "refusal"} {
		for _, f := range all {
			if f.Check == check && f.Host == host && f.Level == level && found.Level != level {
				found = f
			}
		}
	}
	if found.Level == "" {
		t.Errorf("no finding of %s on %s", check, host)
	}
	return found
}

// preflight runs it with --json, and checks what holds of every run.
func (s *site) preflight(t *testing.T, code int, file string) findings {
	t.Helper()
	var all findings
	var total preflightTotal
	levels := map[string]int{}
	for line := range strings.Lines(s.run(t, "preflight", "--json", file).exits(t, code).stdout) {
		var f finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("preflight --json wrote %q: %v", line, err)
		}
		if f.Type == "probe" {
			all = append(all, f)
			levels[f.Level]++
			continue
		}
		if err := json.Unmarshal([]byte(line), &total); err != nil {
			t.Fatal(err)
		}
	}
	want := preflightTotal{
		Hosts: 3, Fine: levels["fine"], Warnings: levels["warning"], Refusals: levels["refusal"],
		ExitCode: code,
	}
	if total != want || len(all) != levels["fine"]+levels["warning"]+levels["refusal"] {
		t.Errorf("total is %+v, want %+v", total, want)
	}
	return all
}

var p50Words = regexp.MustCompile(`^p50 ([0-9.]+) ms, (p99|slowest) [0-9.]+ ms of [0-9]+ synchronous writes`)

// p50 is the p50 of a disk-latency finding, in milliseconds.
func p50(t *testing.T, f finding) float64 {
	t.Helper()
	words := p50Words.FindStringSubmatch(f.Found)
	if words == nil {
		t.Fatalf("no median in %+v", f)
	}
	ms, err := strconv.ParseFloat(words[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return ms
}

// traceScript lists what a preflight could leave: files, units, listeners, processes. It leaves out traces of logins,
// and logs.
const traceScript = `
find / -xdev \( -path /proc -o -path /sys -o -path /var/log -o -path /run \) -prune -o -printf '%p %y %m %u\n'
find /run -xdev \( -path /run/systemd -o -path /run/user -o -path /run/udev -o -path /run/sudo -o -path /run/log -o -path /run/dbus \) -prune -o -printf '%p %y %m %u\n'
systemctl list-units --all --plain --no-legend --type=service,socket,timer,mount | cut -d' ' -f1 | grep -v -e '^user' -e '^run-user' -e '^session' -e '@'
ss -Hltn | awk '{ print "listens", $4 }'
ps -e -o comm= | grep -e '^clusterup' -e '^dd$' -e '^systemd-socket'
true`

func (s *site) trace(t *testing.T, host string) []string {
	t.Helper()
	lines := strings.Split(s.on(t, host, traceScript), "\n")
	slices.Sort(lines)
	return lines
}

func (s *site) traces(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, name := range s.names() {
		all[name] = s.trace(t, name)
	}
	return all
}

func (s *site) leftNothing(t *testing.T, before map[string][]string, what string) {
	t.Helper()
	for host, was := range before {
		is := s.trace(t, host)
		for _, line := range is {
			if !slices.Contains(was, line) {
				t.Errorf("%s left on %s: %s", what, host, line)
			}
		}
		for _, line := range was {
			if !slices.Contains(is, line) {
				t.Errorf("%s took from %s: %s", what, host, line)
			}
		}
	}
}
