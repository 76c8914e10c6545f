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
	program, err := faultBinary()
	must(t, err)
	leader := s.leader(t, inv)
	var followers []string
	for _, m := range inv.Members {
		if m.Name != leader {
			followers = append(followers, m.Name)
		}
	}
	etcdBlock(`flags = { "max-request-bytes" = "%d" }`, 3<<20)(&inv)
	file := s.write(t, "prod.hcl", inv)
	before := s.pids(t, inv.Cluster)
	p := s.launch(t, "env", "CLUSTERUP_FAULT=stop before restart-member/"+followers[0], program, "apply", "--yes", file)
	stat := fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid)
	until(t, "the run to hold before the restart of "+followers[0], func() bool {
		return strings.Contains(read(t, stat), ") T ")
	})
	s.on(t, followers[1], "systemctl stop etcd-prod")
	must(t, p.cmd.Process.Signal(syscall.SIGCONT))
	p.wait(t).exits(t, 14).says(t,
		followers[0]+" is not stopped: 1 of the other members serve now, and 2 have to", "run the same command again")
	after := s.pids(t, inv.Cluster)
	if before[followers[1]] = "0"; !maps.Equal(before, after) {
		t.Errorf("processes were %v and are %v", before, after)
	}
	s.ok(t, "apply", "--yes", file).says(t, "start-member/"+followers[1], "restart-member/"+followers[0])
	s.inSync(t, file, inv)
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
		"restarting one of two members stops the cluster for that time", "[needs-consent]", "--accept=downtime")
	if after := s.pids(t, "duo"); !maps.Equal(before, after) {
		t.Errorf("processes were %v and are %v", before, after)
	}
	s.ok(t, "apply", "--yes", "--accept=downtime", file).says(t,
		"restart-member/etcd-1", "restart-member/etcd-2", "both members serve")
	s.inSync(t, file, inv)
}
