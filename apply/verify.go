package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan/etcd"
)

// verify judges what the last look found, leaving out dark hosts. After a run that changed something it also writes,
// reads and deletes a key through every member. A run that changed nothing writes nothing.
func (r *Run) verify(ctx context.Context, result Result) error {
	r.emit(Event{Type: Verifying})
	began := r.Now()
	findings := r.check(result.Snapshot)
	if slices.Equal(findings, []string{noLeader}) && r.awaitLeader(ctx) == nil { // they were asked during an election
		findings = nil
	}
	if len(findings) == 0 && result.Steps > 0 {
		findings = r.canaries(ctx)
	}
	if r.Then != nil {
		findings = append(findings, r.Then.Unready(result.Snapshot)...)
	}
	text := summary(r.Want, result.Snapshot)
	if len(findings) == 0 && r.swapped.Load() {
		var note string
		if findings, note = r.hashes(ctx); note != "" {
			text += "; " + note
		}
	}
	if err := r.seam("after verify"); err != nil {
		return err
	}
	if len(findings) > 0 {
		return &VerifyError{Findings: findings, Alarms: etcd.Alarms(r.Want, result.Snapshot), Unit: r.Want.Cluster.UnitName}
	}
	r.emit(Event{Type: Verified, Text: text, Seconds: r.Now().Sub(began).Seconds()})
	return nil
}

// noLeader is a finding that may be over a moment later.
const noLeader = "the members do not agree on a leader"

// check says what is wrong with a cluster at which nothing is left to do. It asks one by one what
// [facts.Member.Healthy] asks of a member, since each is a finding of its own; and the members have to agree on a
// leader.
func (r *Run) check(s facts.Snapshot) []string {
	var findings []string
	leaders, dark, waits := map[facts.ID]bool{}, false, etcd.Joining(r.Want, s)
	for _, m := range r.Want.Cluster.Members {
		host := s.Hosts[m.Name]
		dark = dark || host.Dark()
		switch {
		case host.Dark() || m.Absent || slices.Contains(waits, m.Name): // of it nothing is known, or expected
			continue
		case host.Etcd == nil:
			findings = append(findings, m.Name+" does not answer: "+host.EtcdError)
			continue
		case host.Etcd.Learner: // it votes for nobody, and serves no reads
			continue
		case !host.Reads:
			findings = append(findings, m.Name+" serves no linearizable read: "+host.ReadError)
		}
		if misnamed := etcd.Misnamed(host); misnamed != "" {
			findings = append(findings, m.Name+" "+misnamed)
		}
		if len(host.Etcd.Errors) > 0 {
			findings = append(findings, m.Name+" says: "+strings.Join(host.Etcd.Errors, ", "))
		}
		leaders[host.Etcd.Leader] = true
	}
	if len(leaders) > 1 || leaders[0] {
		findings = append(findings, noLeader)
	}
	for _, alarm := range etcd.Alarms(r.Want, s) {
		findings = append(findings, alarm.Text)
	}
	// what is to become of the list may wait for dark hosts, which the run names anyway
	if wanted := len(r.Want.Cluster.Present()); len(s.Members) != wanted && !dark {
		findings = append(findings, fmt.Sprintf("members: the cluster has %d, the inventory %d", len(s.Members), wanted))
	}
	return findings
}

// canaries writes, reads and deletes through every member that has a vote, side by side.
func (r *Run) canaries(ctx context.Context) []string {
	members := r.voters()
	errs := sideBySide(members, func(_ int, name string) error { return r.canary(ctx, name) })
	var findings []string
	for i, err := range errs {
		if err != nil {
			findings = append(findings, fmt.Sprintf("write, read and delete through %s: %v", members[i], err))
		}
	}
	return findings
}

// canary writes, reads and deletes a key of this run through a member.
func (r *Run) canary(ctx context.Context, name string) error {
	return r.Etcd.Canary(ctx, r.endpoint(name), fmt.Sprintf("clusterup/canary/%s/%s", r.ID, name), r.ID)
}

func summary(w etcd.Want, s facts.Snapshot) string {
	leader, cluster, serve, wanted := "", "", 0, 0
	for _, m := range w.Cluster.Members {
		e := s.Hosts[m.Name].Etcd
		if !m.Absent {
			wanted++
		}
		if e == nil || m.Absent {
			continue
		}
		serve++
		cluster = e.ClusterID.String()
		if e.Leader == e.MemberID {
			leader = ", leader " + m.Name
		}
	}
	return fmt.Sprintf("cluster %s (%s): %d of %d members serve%s", w.Cluster.Name, cluster, serve, wanted, leader)
}
