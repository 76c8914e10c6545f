package view

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan/etcd"
)

// portsOnly is what the client ports of three members have shown: one is well, one does not answer, and one does not
// let us see.
func portsOnly(t *testing.T) Look {
	t.Helper()
	file, diags := inventory.Parse([]byte(`cluster "prod" {
  version = "3.6.16"
  snapshot { max_age = "1d" }
  member "etcd-1" { address = "10.0.0.11" }
  member "etcd-2" { address = "10.0.0.12" }
  member "etcd-3" { address = "10.0.0.13" }
}
`), "prod.hcl", inventory.Options{Home: "/home/ops"})
	if diags.HasErrors() {
		t.Fatal(diags.Err())
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	host := func(name string, is facts.Member) facts.Host {
		return facts.Host{Machine: facts.Machine{Name: name}, Member: is}
	}
	seen := facts.Snapshot{Taken: now, Cluster: 7, Hosts: map[string]facts.Host{
		"etcd-1": host("etcd-1", facts.Member{
			Process: &facts.Process{}, Reads: true,
			Etcd: &facts.Status{
				ClusterID: 7, MemberID: 1, Leader: 1, Version: "3.6.16", Term: 2, Index: 14, Applied: 14, DBSize: 20480, DBInUse: 16384,
			},
			Leaves: map[string]facts.Leaf{"server": {Role: "server", NotBefore: now, NotAfter: now.Add(300 * 24 * time.Hour)}},
		}),
		"etcd-2": host("etcd-2", facts.Member{}),
		"etcd-3": host("etcd-3", facts.Member{}),
	}}
	for name, why := range map[string]string{"etcd-2": "dial: connection refused", "etcd-3": ""} {
		h := seen.Hosts[name]
		if h.Unreachable = why; why == "" {
			h.Unasked = etcd.Hidden("3.6.11")
		}
		seen.Hosts[name] = h
	}
	for i, name := range []string{"etcd-1", "etcd-2", "etcd-3"} {
		seen.Members = append(seen.Members, facts.Listed{ID: facts.ID(i + 1), Name: name})
	}
	observer := &facts.ClientPair{Client: facts.Client{
		Name: etcd.Observer, Serial: "ab", NotBefore: now.Add(-80 * 24 * time.Hour), NotAfter: now.Add(10 * 24 * time.Hour),
	}}
	return Look{
		Want: etcd.Want{Cluster: file.Clusters[0]}, Seen: seen, Now: now, File: "prod.hcl", Ports: true, Observer: observer,
		Rights: facts.Rights{Known: true, On: true, Reads: true},
	}
}

// only fails unless a check finds one thing, and nothing else.
func only(t *testing.T, l Look, kind, host, text string) {
	t.Helper()
	result := l.Check()
	if len(result.Findings) != 1 || result.Findings[0].Kind != kind || result.Findings[0].Host != host ||
		!strings.Contains(result.Findings[0].Text, text) {
		t.Errorf("%+v, want a finding %s of %s: %s", result.Findings, kind, host, text)
	}
}

// A look at client ports alone says what it does not see, and takes nothing of that for a finding.
func TestPortsView(t *testing.T) {
	l := portsOnly(t)
	var out bytes.Buffer
	c := &Console{Out: &out}
	for _, json := range []bool{false, true} {
		c.JSON = json
		c.ShowStatus(l)
		out.WriteString("\n")
		c.ShowCheck(l.Check())
		out.WriteString("\n")
	}
	out.Write(l.Check().Metrics())
	golden(t, "ports.txt", out.Bytes())
	if metrics := string(l.Check().Metrics()); strings.Contains(metrics, "clusterup_steps") {
		t.Error("it counts steps that nobody has planned")
	}
	for name := range l.Seen.Hosts {
		host := l.Seen.Hosts["etcd-1"]
		full := *host.Etcd
		full.DBSize = 1 << 40 // of a quota that is not seen
		host.Name, host.Etcd = name, &full
		l.Seen.Hosts[name] = host
	}
	l.Observer.NotAfter = l.Now.Add(365 * 24 * time.Hour)
	if result := l.Check(); !result.OK || result.Steps != 0 {
		t.Errorf("all members are well, and there are findings: %+v", result.Findings)
	}
	ending := l.Seen.Hosts["etcd-2"]
	ending.Leaves = map[string]facts.Leaf{"server": {
		Role: "server", NotBefore: l.Now.Add(-364 * 24 * time.Hour), NotAfter: l.Now.Add(24 * time.Hour),
	}}
	whole := l.Seen.Hosts["etcd-2"]
	l.Seen.Hosts["etcd-2"] = ending
	only(t, l, "expiry", "etcd-2", "ends on 2026-11-22")
	l.Seen.Hosts["etcd-2"] = whole
	listed := l.Seen.Members
	for learner, text := range map[bool]string{false: "with a vote", true: "no vote"} {
		l.Seen.Members = append(slices.Clone(listed), facts.Listed{ID: 77, Name: "stray", Learner: learner})
		only(t, l, "unexpected", "stray", text)
	}
	l.Seen.Members = listed
	l.Seen.Members[2].Learner = true
	if result := l.Check(); len(result.Findings) != 1 || result.Findings[0].Kind != "learner" ||
		result.Findings[0].Host != "etcd-3" || result.Members != 2 {
		t.Errorf("with a learner: %+v", result)
	}
}
