package view

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/clusterup/clusterup/plan/trust"
)

// Metrics is the result of a check in the text format of Prometheus
// (https://prometheus.io/docs/instrumenting/exposition_formats).
func (result Checked) Metrics() []byte {
	var b strings.Builder
	label := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	family := func(name, help string, lines ...string) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n%s", name, help, name, strings.Join(lines, ""))
	}
	line := func(name string, value float64, labels ...string) string {
		text := fmt.Sprintf(`%s{cluster="%s"`, name, label.Replace(result.Cluster))
		for i := 0; i < len(labels); i += 2 {
			text += fmt.Sprintf(`,%s="%s"`, labels[i], label.Replace(labels[i+1]))
		}
		return fmt.Sprintf("%s} %g\n", text, value)
	}
	yes := func(is bool) float64 {
		if is {
			return 1
		}
		return 0
	}
	kinds := map[string]int{}
	for _, kind := range findingKinds {
		kinds[kind] = 0
	}
	for _, f := range result.Findings {
		kinds[f.Kind]++
	}
	var found, healthy, versions, behind, ends, sizes []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		found = append(found, line("clusterup_findings", float64(kinds[kind]), "kind", kind))
	}
	for _, m := range result.members {
		if m.State == "unknown" || m.left { // it could not be asked, and may be fine; or there is none
			continue
		}
		healthy = append(healthy, line("clusterup_member_healthy", yes(m.State == "healthy"), "member", m.Member))
		if m.Version != "" {
			versions = append(versions, line("clusterup_member_version", 1, "member", m.Member, "version", m.Version))
		}
	}
	for _, f := range result.Findings {
		if f.Behind != nil {
			behind = append(behind, line("clusterup_learner_behind_entries", float64(*f.Behind), "member", f.Host))
		}
	}
	for _, m := range result.members {
		for _, of := range []struct {
			what  string
			bytes int64
		}{{"size", m.DBSize}, {"in_use", m.DBInUse}, {"quota", m.DBQuota}, {"disk_free", m.DataFree}} {
			if of.bytes > 0 {
				sizes = append(sizes, line("clusterup_database_bytes", float64(of.bytes), "member", m.Member, "of", of.what))
			}
		}
	}
	for _, e := range result.Expiries {
		labels := []string{"member", e.Host, "client", e.Client, "role", e.Role, "generation", ""}
		if e.CA {
			labels = []string{"member", "", "client", "", "role", e.Role + " CA", "generation", fmt.Sprint(e.Generation)}
		}
		ends = append(ends, line("clusterup_certificate_not_after_seconds", float64(e.NotAfter.Unix()), labels...))
	}
	family("clusterup_check_ok", "Whether nothing wants doing.", line("clusterup_check_ok", yes(result.OK)))
	family("clusterup_check_time_seconds", "When it was looked at, seconds since 1970.",
		line("clusterup_check_time_seconds", float64(result.Time.Unix())))
	var rotations []string
	for _, role := range []string{"peer", "client"} {
		if len(result.Unseen) > 0 {
			break
		}
		under := slices.ContainsFunc(result.Rotations, func(r trust.Rotation) bool { return r.Role == role })
		rotations = append(rotations, line("clusterup_ca_rotating", yes(under), "role", role))
	}
	family("clusterup_ca_rotating", "Whether a rotation of the CA is under way.", rotations...)
	family("clusterup_findings", "What wants doing, by kind.", found...)
	family("clusterup_member_healthy", "Whether a member serves and has nothing to complain of.", healthy...)
	up, proxies := nodeMetrics(result.nodes, line)
	if len(up) > 0 {
		family("clusterup_node_up", "Whether HAProxy and the follower run on a node of a balancer.", up...)
		family("clusterup_node_haproxy_version", "The version of a node's package of HAProxy; always 1.", proxies...)
	}
	family("clusterup_member_version", "The version of etcd that a member runs; always 1.", versions...)
	if len(result.Unseen) == 0 {
		family("clusterup_steps", "How many steps an apply would do.", line("clusterup_steps", float64(result.Steps)))
	}
	if d := result.Snapshot; d != nil {
		for _, m := range []struct {
			name, help string
			value      float64
		}{
			{"taken_seconds", "When the newest snapshot was taken, seconds since 1970.", float64(d.Taken.Unix())},
			{"verified_seconds", "When the newest snapshot was last seen to be whole.", float64(d.Verified.Unix())},
			{"drilled_seconds", "When the newest snapshot was last restored on trial; 0: never.", unix(d.Drilled)},
			{"damaged", "Whether the newest snapshot is damaged.", yes(d.Damage != "")},
			{"revision", "The revision of the newest snapshot.", float64(d.Revision)},
			{"size_bytes", "The size of the newest snapshot.", float64(d.Size)},
		} {
			family("clusterup_snapshot_"+m.name, m.help, line("clusterup_snapshot_"+m.name, m.value))
		}
	}
	family("clusterup_learner_behind_entries", "How many entries of raft's log a learner has left to apply.", behind...)
	family("clusterup_database_bytes",
		"Of a member's database: its size, what of it is in use, its quota, and the room on its file system.", sizes...)
	family("clusterup_certificate_not_after_seconds", "When a certificate ends, seconds since 1970.", ends...)
	return []byte(b.String())
}

// unix is 0 for a time that is not known.
func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}
