package acceptance

import (
	"fmt"
	"maps"
	"strings"
	"syscall"
	"testing"
)

// peerDies has a member end after the restart of another one was decided, and right before it is done: that one is not
// restarted, since it would take the quorum with it. The next run starts the first, and goes on.
func peerDies(t *testing.T, s *site, inv inventory) {
	followers := s.followers(t, inv)
	etcdBlock(`flags = { "max-request-bytes" = "%d" }`, 3<<20)(&inv)
	file := s.write(t, "prod.hcl", inv)
	before := s.pids(t, inv.Cluster)
	p := s.heldBefore(t, followers[0], file)
	s.on(t, followers[1], "systemctl stop etcd-prod")
	must(t, p.cmd.Process.Signal(syscall.SIGCONT))
	p.wait(t).exits(t, 14).says(t,
		followers[0]+" is not stopped", runAgain)
	after := s.pids(t, inv.Cluster)
	if before[followers[1]] = "0"; !maps.Equal(before, after) {
		t.Errorf("processes were %v and are %v", before, after)
	}
	s.ok(t, "apply", "--yes", file).says(t, "start-member/"+followers[1], "restart-member/"+followers[0])
	s.inSync(t, file, inv)
}

// divertedAmid has somebody put a drop-in beside the next member to restart, while another one is: a host that was
// looked at before the roll is looked at again before its process is stopped, which is then left alone.
func divertedAmid(t *testing.T, s *site, inv inventory) {
	const dropIn = "/etc/systemd/system/etcd-prod.service.d"
	followers := s.followers(t, inv)
	etcdBlock(`flags = { "max-request-bytes" = "%d" }`, 4<<20)(&inv)
	file := s.write(t, "prod.hcl", inv)
	before := s.pids(t, inv.Cluster)
	p := s.heldBefore(t, followers[0], file, "CLUSTERUP_COMPARE=") // what somebody does meanwhile is expected by no model
	s.on(t, followers[1], "mkdir "+dropIn+"; printf '[Service]\\nEnvironment=ETCD_FORCE_NEW_CLUSTER=true\\n' >"+dropIn+
		"/odd.conf")
	must(t, p.cmd.Process.Signal(syscall.SIGCONT))
	p.wait(t).exits(t, 13).says(t, "restart-member/"+followers[0], "reload-units", "[unit-diverted]", followers[1]+": ")
	after := s.pids(t, inv.Cluster)
	if before[followers[0]] = after[followers[0]]; !maps.Equal(before, after) {
		t.Errorf("processes were %v and are %v", before, after)
	}
	s.on(t, followers[1], "rm -r "+dropIn+"; systemctl daemon-reload")
	s.ok(t, "apply", "--yes", file).says(t, "restart-member/"+followers[1])
	s.inSync(t, file, inv)
}

// followers are the members that do not lead now.
func (s *site) followers(t *testing.T, inv inventory) []string {
	t.Helper()
	leader := s.leader(t, inv)
	var names []string
	for _, m := range inv.Members {
		if m.Name != leader {
			names = append(names, m.Name)
		}
	}
	return names
}

// heldBefore is an apply that holds right before a member is restarted.
func (s *site) heldBefore(t *testing.T, name, file string, settings ...string) *process {
	t.Helper()
	program, err := faultBinary()
	must(t, err)
	argv := append(append([]string{"env"}, settings...), "CLUSTERUP_FAULT=stop before restart-member/"+name, program,
		"apply", "--yes", file)
	p := s.launch(t, argv...)
	stat := fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid)
	until(t, "the run to hold before the restart of "+name, func() bool { return strings.Contains(read(t, stat), ") T ") })
	return p
}

// twoMembers changes a flag of a cluster in which no member can be spared: only with consent, and then one after the
// other.
func twoMembers(t *testing.T, s *site) {
	inv := s.inventory(t, "duo")
	inv.Members, inv.Port = inv.Members[:2], 12379
	ports := "\n  peer_port = 12380\n  client_port = 12379\n  metrics_port = 12381\n"
	inv.Settings = ports
	s.ok(t, "apply", "--yes", s.write(t, "duo.hcl", inv))
	etcdBlock(`flags = { "max-request-bytes" = "%d" }`, 2<<20)(&inv)
	inv.Settings += ports
	file, before := s.write(t, "duo.hcl", inv), s.pids(t, "duo")
	s.run(t, "apply", "--yes", file).exits(t, 13).says(t,
		"[needs-consent]", "--accept=downtime")
	if after := s.pids(t, "duo"); !maps.Equal(before, after) {
		t.Errorf("processes were %v and are %v", before, after)
	}
	s.ok(t, "apply", "--yes", "--accept=downtime", file).says(t,
		"restart-member/etcd-1", "restart-member/etcd-2")
	s.inSync(t, file, inv)
}
