package acceptance

import (
	"strings"
	"testing"

	"github.com/clusterup/clusterup/lab"
)

// TestBootstrap takes bare hosts to a verified cluster, in the shapes that clusters come in.
func TestBootstrap(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		hosts  []lab.HostSpec
		change func(t *testing.T, s *site, inv *inventory)
	}{
		"one, newer release, trixie": {
			hosts(1, "trixie"),
			func(_ *testing.T, _ *site, inv *inventory) { inv.Version = releaseNext },
		},
		"five, sudo": {hosts(5), func(_ *testing.T, _ *site, inv *inventory) { inv.User = "ops" }},
		"bastion":    {append(hosts(3), lab.HostSpec{Name: "bastion"}), throughBastion},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, strings.Fields(strings.ReplaceAll(name, ",", ""))[0], test.hosts...)
			s.shipped()
			inv := s.inventory(t, "prod")
			test.change(t, s, &inv)
			file := s.write(t, "prod.hcl", inv)
			s.ok(t, "plan", file).says(t, "start-member")
			s.ok(t, "apply", "--yes", file)
			s.inSync(t, file, inv)
		})
	}
}

// throughBastion has the hosts reachable from the bastion only, so that a run that succeeds has gone through it.
func throughBastion(t *testing.T, s *site, inv *inventory) {
	for _, m := range inv.Members {
		if err := s.lab.Partition(t.Context(), lab.Control, m.Name, true); err != nil {
			t.Fatal(err)
		}
	}
	direct := s.write(t, "direct.hcl", *inv)
	s.run(t, "plan", direct).exits(t, 12)
	inv.User, inv.Jump = "ops", s.host(t, "bastion").IPv4.String()
}

// inSync checks with plan and status that there is nothing left to do, and that every member is healthy.
func (s *site) inSync(t *testing.T, file string, inv inventory) {
	t.Helper()
	s.ok(t, "plan", "--exit-code", "--cluster="+inv.Cluster, file).says(t, "Cluster "+inv.Cluster+": "+nothingToDo)
	members, cluster := s.status(t, file, inv.Cluster)
	if !cluster.Quorum || !cluster.InSync || cluster.Healthy != len(inv.Members) || len(cluster.Notes) > 0 {
		t.Errorf("status of the cluster is %+v", cluster)
	}
	leaders := 0
	for _, m := range members {
		if m.State != "healthy" || m.Version != inv.Version || len(m.Alarms) > 0 || len(m.Pending) > 0 {
			t.Errorf("status of %s is %+v", m.Member, m)
		}
		if m.Role == "leader" {
			leaders++
		}
	}
	if leaders != 1 {
		t.Errorf("%d leaders", leaders)
	}
}
