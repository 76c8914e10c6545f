package monitoring

import (
	"bytes"
	"fmt"
	"time"
)

type rulesFile struct {
	Groups []ruleGroup `yaml:"groups"`
}

type ruleGroup struct {
	Name  string `yaml:"name"`
	Rules []rule `yaml:"rules"`
}

// rule is an alert.
type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for,omitempty"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// alert is a rule before the cluster is filled in. How long something has to last, and from which value on it is told,
// is as etcd's own set of alerts has it (contrib/mixin) where that has the like.
type alert struct {
	name     string
	expr     string
	lasts    time.Duration // 0: at once
	severity string        // critical: somebody gets up; warning: in working hours
	summary  string
	do       string
}

const (
	critical = "critical"
	warning  = "warning"
)

// Rules are alert rules of Prometheus, by what members tell of themselves, and by what clusterup check --prometheus
// writes for what they do not: certificates, snapshots, drift. Each says what to do.
func Rules(c Cluster) ([]byte, error) {
	var groups []ruleGroup
	for _, g := range []struct {
		name   string
		alerts []alert
	}{{c.Job(), byMembers(c)}, {c.Job() + "-check", byCheck(c)}} {
		group := ruleGroup{Name: g.name}
		for _, a := range g.alerts {
			r := rule{
				Alert: a.name, Expr: c.of(a.expr), Labels: map[string]string{"severity": a.severity, "cluster": c.Name},
				Annotations: map[string]string{"summary": "etcd " + c.Name + ": " + a.summary, "description": a.do},
			}
			if a.lasts > 0 {
				r.For = duration(a.lasts)
			}
			group.Rules = append(group.Rules, r)
		}
		groups = append(groups, group)
	}
	var b bytes.Buffer
	b.WriteString("# Alerts of the etcd cluster " + c.Name + ". clusterup monitoring rules wrote this. The second group goes by what\n" +
		"# clusterup check --prometheus FILE writes, every hour at least.\n")
	return encode(&b, rulesFile{Groups: groups})
}

// byMembers are the alerts by what members tell.
func byMembers(c Cluster) []alert {
	const (
		status = "clusterup status INVENTORY shows every member, and what is wrong with it"
		disk   = "See what else writes to its disk; etcd wants one of its own, and quick. clusterup status names how long a write " +
			"takes on each member"
	)
	all := []alert{
		{
			"EtcdMemberDown", `up{JOB} == 0`, 5 * time.Minute, warning,
			"{{ $labels.member }} does not answer", status + "; a host that is gone for good: clusterup member replace NAME INVENTORY",
		},
		{
			"EtcdNoQuorum", `sum(up{JOB}) < floor(count(up{JOB}) / 2) + 1`, time.Minute, critical,
			"only {{ $value }} members answer, which is no quorum: nobody can write",
			"Bring the other machines back. If they are gone for good: clusterup recover INVENTORY says what is left, and what to do",
		},
		{
			"EtcdNoLeader", `etcd_server_has_leader{JOB} == 0`, time.Minute, critical,
			"{{ $labels.member }} has no leader, and takes no writes", status,
		},
		{
			"EtcdLeaderChanges", `max(increase(etcd_server_leader_changes_seen_total{JOB}[15m])) >= 4`, 5 * time.Minute, warning,
			"the leader changed {{ $value | humanize }} times in 15 minutes",
			"Slow disks, slow links between members, or too little CPU: see EtcdFsyncSlow and EtcdPeerSlow, and clusterup status INVENTORY",
		},
		{
			"EtcdRequestsFail", `sum by (grpc_service, grpc_method) (rate(grpc_server_handled_total{JOB,` +
				`grpc_code=~"Unknown|FailedPrecondition|ResourceExhausted|Internal|Unavailable|DataLoss|DeadlineExceeded"}[5m])) / ` +
				`sum by (grpc_service, grpc_method) (rate(grpc_server_handled_total{JOB}[5m])) > 0.05`, 10 * time.Minute, warning,
			"{{ $value | humanizePercentage }} of the calls {{ $labels.grpc_method }} fail", status,
		},
		{
			"EtcdPeerSlow", `histogram_quantile(0.99, sum by (member, To, le) ` +
				`(rate(etcd_network_peer_round_trip_time_seconds_bucket{JOB}[5m]))) > 0.15`, 10 * time.Minute, warning,
			"{{ $labels.member }} has an answer of {{ $labels.To }} after {{ $value | humanizeDuration }} only",
			"Look at the links between the members; heartbeat_interval has to be about as long as the way there and back",
		},
		{
			"EtcdProposalsFail", `increase(etcd_server_proposals_failed_total{JOB}[15m]) > 5`, 15 * time.Minute, warning,
			"{{ $value | humanize }} writes through {{ $labels.member }} came to nothing in 15 minutes", status,
		},
		{
			"EtcdFsyncSlow", `histogram_quantile(0.99, rate(etcd_disk_wal_fsync_duration_seconds_bucket{JOB}[5m])) > 0.5`,
			10 * time.Minute, warning, "a write of {{ $labels.member }} to its log is on the disk after {{ $value | humanizeDuration }} only", disk,
		},
		{
			"EtcdCommitSlow", `histogram_quantile(0.99, rate(etcd_disk_backend_commit_duration_seconds_bucket{JOB}[5m])) > 0.25`,
			10 * time.Minute, warning, "a commit of {{ $labels.member }} to its database takes {{ $value | humanizeDuration }}", disk,
		},
		{
			"EtcdQuotaNear", `etcd_mvcc_db_total_size_in_bytes{JOB} / etcd_server_quota_backend_bytes{JOB} > 0.8`, 10 * time.Minute, warning,
			"the database of {{ $labels.member }} fills {{ $value | humanizePercentage }} of its quota; at the quota the cluster takes no writes",
			"clusterup check INVENTORY says whether room can be given back (clusterup defrag INVENTORY); or delete what is not needed, or " +
				"raise quota_backend_bytes",
		},
		{
			"EtcdQuotaReached", `etcd_mvcc_db_total_size_in_bytes{JOB} / etcd_server_quota_backend_bytes{JOB} > 0.95`, time.Minute, critical,
			"the database of {{ $labels.member }} fills {{ $value | humanizePercentage }} of its quota",
			"clusterup check INVENTORY; where NOSPACE is raised: clusterup disarm INVENTORY",
		},
		{
			"EtcdGrowth", `predict_linear(etcd_mvcc_db_total_size_in_bytes{JOB}[4h], 4 * 3600) > etcd_server_quota_backend_bytes{JOB}`,
			10 * time.Minute, warning, "as it grows now, the database of {{ $labels.member }} reaches its quota within four hours",
			"Find who writes so much: clusterup etcdctl INVENTORY -- get --prefix --keys-only /",
		},
		{
			"EtcdFragmented", `etcd_mvcc_db_total_size_in_use_in_bytes{JOB} / etcd_mvcc_db_total_size_in_bytes{JOB} < 0.5 and ` +
				`etcd_mvcc_db_total_size_in_bytes{JOB} > 104857600`, time.Hour, warning,
			"less than half of the database file of {{ $labels.member }} is in use", "clusterup defrag INVENTORY gives the room back",
		},
		{
			"EtcdLearnerStays", `etcd_server_is_learner{JOB} == 1`, time.Hour, warning, "{{ $labels.member }} has had no vote for an hour",
			"clusterup check INVENTORY says how far behind it is; clusterup apply INVENTORY gives it its vote when it has caught up",
		},
		{
			"EtcdVersionsDiffer", `count(count by (server_version) (etcd_server_version{JOB})) > 1`, 2 * time.Hour, warning,
			"members run {{ $value }} versions", "clusterup plan INVENTORY shows how the upgrade goes on, or back",
		},
		{
			"EtcdFilesRunOut", `process_open_fds{JOB} / process_max_fds{JOB} > 0.8`, 10 * time.Minute, warning,
			"{{ $labels.member }} has {{ $value | humanizePercentage }} of the files open that it may", "Clients leave connections open: find them by " +
				"ss -tn on its host",
		},
	}
	if c.Timed {
		all = append(all, alert{
			"EtcdRequestsSlow", `histogram_quantile(0.99, sum by (member, grpc_method, le) ` +
				`(rate(grpc_server_handling_seconds_bucket{JOB,grpc_type="unary",grpc_method!="Defragment"}[5m]))) > 0.15`, 10 * time.Minute, warning,
			"{{ $labels.member }} takes {{ $value | humanizeDuration }} for {{ $labels.grpc_method }}", status,
		})
	}
	return all
}

// byCheck are the alerts by what clusterup check --prometheus writes.
func byCheck(c Cluster) []alert {
	const check = "clusterup check INVENTORY says what it is, and what to do"
	finding := func(name, kinds string, lasts time.Duration, severity, summary string) alert {
		return alert{name, fmt.Sprintf(`sum by (kind) (clusterup_findings{CLUSTER,kind=~"%s"}) > 0`, kinds), lasts, severity, summary, check}
	}
	const certificate = "{{ if $labels.member }}the certificate of {{ $labels.member }}{{ else if $labels.client }}the client certificate " +
		"{{ $labels.client }}{{ else }}a CA{{ end }} ({{ $labels.role }}) ends in {{ $value | humanizeDuration }}"
	const renew = "clusterup apply INVENTORY renews what members have; a client's: clusterup cert issue NAME INVENTORY --out DIR " +
		"--renew, by a timer (docs/clients.md)"
	all := []alert{
		{
			"EtcdCheckMissing", `absent(clusterup_check_time_seconds{CLUSTER}) or time() - clusterup_check_time_seconds{CLUSTER} > 3 * 3600`,
			10 * time.Minute, warning, "clusterup check has not written its metrics for hours",
			"Look at the timer that runs clusterup check --prometheus FILE INVENTORY, and at the textfile collector that reads FILE",
		},
		{"EtcdCertificateDue", ending(c, 2), time.Hour, warning, certificate, renew},
		{"EtcdCertificateEnds", ending(c, 8), 0, critical, certificate, renew},
		{
			"EtcdSnapshotDamaged", `clusterup_snapshot_damaged{CLUSTER} == 1`, 0, critical, "the newest snapshot is damaged",
			"clusterup snapshot save INVENTORY takes another; clusterup snapshot list INVENTORY shows which are whole",
		},
		{
			"EtcdMemberUnhealthy", `clusterup_member_healthy{CLUSTER} == 0`, 15 * time.Minute, warning, "{{ $labels.member }} is not healthy", check,
		},
		finding("EtcdAlarm", "alarm", 0, critical, "an alarm is raised: the cluster takes no writes"),
		finding("EtcdDiskFull", "space", 0, warning, "a file system of a member is nearly full: etcd ends when it is"),
		finding("EtcdDrift", "drift|permissions|rotation|unexpected", 2*time.Hour, warning,
			"the cluster is not as the inventory says ({{ $labels.kind }})"),
		finding("EtcdWaits", "unreachable|unknown|unplanned|waits|refused", 2*time.Hour, warning,
			"clusterup cannot do its work ({{ $labels.kind }})"),
	}
	if c.Balanced {
		all = append(all, alert{
			"BalancerNodeDown", `clusterup_node_up{CLUSTER} == 0`, 15 * time.Minute, warning,
			"{{ $labels.node }} of balancer {{ $labels.balancer }} is dark, or HAProxy or the follower does not run there", check,
		})
	}
	if c.SnapshotAge > 0 {
		all = append(all, alert{
			"EtcdSnapshotOld", fmt.Sprintf(`time() - clusterup_snapshot_taken_seconds{CLUSTER} > %d or `+
				`(absent(clusterup_snapshot_taken_seconds{CLUSTER}) and on () clusterup_check_time_seconds{CLUSTER})`,
				int64(c.SnapshotAge.Seconds())), 10 * time.Minute, critical,
			"the newest snapshot is older than the inventory allows, or there is none", "clusterup snapshot save INVENTORY; look at the timer that runs it",
		})
	}
	return all
}

// ending selects the certificates of which a part is left of the time in which they are due: 2 means a half.
func ending(c Cluster, part time.Duration) string {
	left := func(of string, due time.Duration) string {
		return fmt.Sprintf(`clusterup_certificate_not_after_seconds{CLUSTER%s} - time() < %d`, of, int64((due / part).Seconds()))
	}
	others, brief := "", ""
	for _, client := range c.Clients {
		if client.Lifetime <= c.RenewBefore {
			others += fmt.Sprintf(",client!=%q", client.Name)
			brief += " or " + left(fmt.Sprintf(",client=%q", client.Name), client.Lifetime/3)
		}
	}
	return left(others, c.RenewBefore) + brief
}
