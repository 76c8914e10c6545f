package monitoring

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

func prod() Cluster {
	c := Cluster{
		Name: "prod", TLS: true, Timed: true, SnapshotAge: 26 * time.Hour, Balanced: true, RenewBefore: 120 * 24 * time.Hour,
		Certificates: Certificates{
			"/etc/prometheus/ca.pem", "/etc/prometheus/observer.pem", "/etc/prometheus/observer-key.pem",
		},
	}
	for i := range 3 {
		c.Members = append(c.Members, Member{fmt.Sprintf("etcd-%d", i+1), fmt.Sprintf("10.0.0.1%d:2379", i+1)})
	}
	return c
}

func made(t *testing.T, of func(Cluster) ([]byte, error), c Cluster) []byte {
	t.Helper()
	b, err := of(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGolden(t *testing.T) {
	plain := Cluster{Name: "lab", Members: []Member{{"etcd-1", "[fd00::1]:2379"}}, RenewBefore: 100 * time.Second}
	for name, got := range map[string][]byte{
		"rules.yml": made(t, Rules, prod()), "dashboard.json": made(t, Dashboard, prod()),
		"scrape.yml": made(t, Scrape, prod()), "scrape-plain.yml": made(t, Scrape, plain),
	} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), string(got)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// No alert is there that could never fire, since its limit is not wanted or its series not measured.
func TestRulesByCluster(t *testing.T) {
	all, few := string(made(t, Rules, prod())), string(made(t, Rules, Cluster{Name: "lab", RenewBefore: time.Hour}))
	for _, alert := range []string{"EtcdRequestsSlow", "EtcdSnapshotOld", "BalancerNodeDown"} {
		if !strings.Contains(all, alert) || strings.Contains(few, alert) {
			t.Errorf("%s is there where it should not be, or the other way round", alert)
		}
	}
}

// promtool is Debian's; it runs in a directory.
func promtool(t *testing.T, dir string, args ...string) {
	t.Helper()
	bin := filepath.Join(os.Getenv("CLUSTERUP_PROMETHEUS"), "promtool")
	if _, err := os.Stat(bin); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no promtool (make prometheus fetches it): %v", err)
		}
		t.Skip(err)
	}
	cmd := exec.CommandContext(t.Context(), bin, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args[:2], " "), err, out)
	}
}

// unitTest is a file of promtool test rules.
type unitTest struct {
	Rules    []string     `yaml:"rule_files"`
	Interval string       `yaml:"evaluation_interval"`
	Tests    []promSeries `yaml:"tests"`
}

type promSeries struct {
	Name     string              `yaml:"name"`
	Interval string              `yaml:"interval"`
	Input    []map[string]string `yaml:"input_series"`
	Expects  []promExpr          `yaml:"promql_expr_test"`
}

type promExpr struct {
	Expr    string       `yaml:"expr"`
	At      string       `yaml:"eval_time"`
	Samples []promSample `yaml:"exp_samples,omitempty"`
}

type promSample struct {
	Labels string  `yaml:"labels"`
	Value  float64 `yaml:"value"`
}

const minutes = 400 // that the series of a test last; it looks ten before their end

func member(name, metric string, labels ...string) string {
	text := fmt.Sprintf(`%s{job="etcd-prod",cluster="prod",member=%q`, metric, name)
	for i := 0; i < len(labels); i += 2 {
		text += fmt.Sprintf(",%s=%q", labels[i], labels[i+1])
	}
	return text + "}"
}

func check(metric string, labels ...string) string {
	text := metric + `{cluster="prod"`
	for i := 0; i < len(labels); i += 2 {
		text += fmt.Sprintf(",%s=%q", labels[i], labels[i+1])
	}
	return text + "}"
}

// puts counts the calls Put that ended with a code.
func puts(name, code string) string {
	return member(name, "grpc_server_handled_total",
		"grpc_service", "etcdserverpb.KV", "grpc_method", "Put", "grpc_code", code)
}

func finds(kind string) string { return check("clusterup_findings", "kind", kind) }

// ends says when the certificate of a member or client does.
func ends(member, client string) string {
	return check("clusterup_certificate_not_after_seconds", "member", member, "client", client, "role", "peer")
}

// stays is a series that keeps its value, and grows one that goes up by so much a minute.
func stays(value float64) string { return fmt.Sprintf("%gx%d", value, minutes) }
func grows(by float64) string    { return fmt.Sprintf("0+%gx%d", by, minutes) }

// late is a series that has the value in its last minutes only.
func late(before, value float64, last int) string {
	return fmt.Sprintf("%gx%d %gx%d", before, minutes-10-last, value, last+10)
}

type seriesOf map[string]string

// slow are the buckets of a histogram in which one call of so many takes longer than limit.
func slow(limit string, oneOf float64, named func(le string) string) seriesOf {
	return seriesOf{
		named("0.0001"): grows(0), named(limit): grows(100 * (1 - 1/oneOf)), named("8.192"): grows(100), named("+Inf"): grows(100),
	}
}

// healthy are the series of a cluster of which nothing is to be said.
func healthy() seriesOf {
	all := seriesOf{
		check("clusterup_check_time_seconds"): grows(60), check("clusterup_snapshot_taken_seconds"): grows(60),
		check("clusterup_snapshot_damaged"): stays(0),
		ends("", "app"):                     stays(365 * 86400),
		check("clusterup_node_up", "balancer", "front", "node", "lb-1"): stays(1),
	}
	for _, kind := range []string{"alarm", "drift", "permissions", "rotation", "space", "waits", "unknown", "expiry"} {
		all[finds(kind)] = stays(0)
	}
	for _, m := range prod().Members {
		of := func(metric string, labels ...string) string { return member(m.Name, metric, labels...) }
		maps.Copy(all, seriesOf{
			of("up"): stays(1), of("etcd_server_has_leader"): stays(1), of("etcd_server_leader_changes_seen_total"): stays(3),
			of("etcd_server_proposals_failed_total"): stays(7), of("etcd_mvcc_db_total_size_in_bytes"): stays(200e6),
			of("etcd_mvcc_db_total_size_in_use_in_bytes"): stays(150e6), of("etcd_server_quota_backend_bytes"): stays(8e9),
			of("etcd_server_is_learner"): stays(0), of("etcd_server_version", "server_version", "3.6.16"): stays(1),
			of("process_open_fds"): stays(50), of("process_max_fds"): stays(1000),
			check("clusterup_member_healthy", "member", m.Name): stays(1),
			ends(m.Name, ""):         stays(365 * 86400),
			puts(m.Name, "OK"):       grows(1000),
			puts(m.Name, "Internal"): grows(0),
		})
		for metric, labels := range map[string][]string{
			"etcd_disk_wal_fsync_duration_seconds_bucket": nil, "etcd_disk_backend_commit_duration_seconds_bucket": nil,
			"etcd_network_peer_round_trip_time_seconds_bucket": {"To", "8e9e05c52164694d"},
			"grpc_server_handling_seconds_bucket":              {"grpc_type", "unary", "grpc_method", "Put"},
		} {
			maps.Copy(all, slow("0.128", 1000, func(le string) string { return of(metric, append(labels, "le", le)...) }))
		}
	}
	return all
}

// with is a healthy cluster but for some series; "" is one that is not there.
func with(other seriesOf) seriesOf {
	all := healthy()
	for name, values := range other {
		if _, known := all[name]; values == "" && known {
			delete(all, name)
			continue
		}
		all[name] = values
	}
	return all
}

// trials are, for every alert, series that it fires on, and some close to them on which it stays quiet.
var trials = map[string]struct{ fires, quiet seriesOf }{
	"EtcdMemberDown": {
		seriesOf{member("etcd-2", "up"): late(1, 0, 6)}, seriesOf{member("etcd-2", "up"): late(1, 0, 3)},
	},
	"EtcdNoQuorum": {
		seriesOf{member("etcd-2", "up"): stays(0), member("etcd-3", "up"): late(1, 0, 3)},
		seriesOf{member("etcd-2", "up"): stays(0)},
	},
	"EtcdNoLeader": {
		seriesOf{member("etcd-1", "etcd_server_has_leader"): late(1, 0, 2)},
		seriesOf{member("etcd-1", "etcd_server_has_leader"): stays(1) + " 0x1"},
	},
	"EtcdLeaderChanges": {
		seriesOf{member("etcd-1", "etcd_server_leader_changes_seen_total"): grows(0.5)},
		seriesOf{member("etcd-1", "etcd_server_leader_changes_seen_total"): grows(0.2)},
	},
	"EtcdRequestsFail": {
		seriesOf{puts("etcd-1", "Internal"): grows(300)},
		seriesOf{
			puts("etcd-1", "Internal"): grows(100),
			puts("etcd-1", "NotFound"): grows(900),
		},
	},
	"EtcdPeerSlow": {
		slow("0.128", 20, bucket("etcd_network_peer_round_trip_time_seconds_bucket", "To", "8e9e05c52164694d")),
		slow("0.128", 200, bucket("etcd_network_peer_round_trip_time_seconds_bucket", "To", "8e9e05c52164694d")),
	},
	"EtcdProposalsFail": {
		seriesOf{member("etcd-1", "etcd_server_proposals_failed_total"): grows(1)},
		seriesOf{member("etcd-1", "etcd_server_proposals_failed_total"): grows(0.3)},
	},
	"EtcdFsyncSlow": {
		slow("0.128", 20, bucket("etcd_disk_wal_fsync_duration_seconds_bucket")),
		slow("0.128", 200, bucket("etcd_disk_wal_fsync_duration_seconds_bucket")),
	},
	"EtcdCommitSlow": {
		slow("0.128", 20, bucket("etcd_disk_backend_commit_duration_seconds_bucket")),
		slow("0.128", 200, bucket("etcd_disk_backend_commit_duration_seconds_bucket")),
	},
	"EtcdQuotaNear": {
		seriesOf{member("etcd-1", "etcd_mvcc_db_total_size_in_bytes"): stays(6.5e9)},
		seriesOf{member("etcd-1", "etcd_mvcc_db_total_size_in_bytes"): stays(6.3e9)},
	},
	"EtcdQuotaReached": {
		seriesOf{member("etcd-1", "etcd_mvcc_db_total_size_in_bytes"): stays(7.7e9)},
		seriesOf{member("etcd-1", "etcd_mvcc_db_total_size_in_bytes"): stays(7.5e9)},
	},
	"EtcdGrowth": {
		seriesOf{member("etcd-1", "etcd_mvcc_db_total_size_in_bytes"): grows(14e6)},
		seriesOf{member("etcd-1", "etcd_mvcc_db_total_size_in_bytes"): grows(10e6)},
	},
	"EtcdFragmented": {
		seriesOf{member("etcd-1", "etcd_mvcc_db_total_size_in_use_in_bytes"): stays(90e6)},
		seriesOf{
			member("etcd-1", "etcd_mvcc_db_total_size_in_use_in_bytes"): stays(40e6),
			member("etcd-1", "etcd_mvcc_db_total_size_in_bytes"):        stays(100e6),
		},
	},
	"EtcdLearnerStays": {
		seriesOf{member("etcd-3", "etcd_server_is_learner"): late(0, 1, 70)},
		seriesOf{member("etcd-3", "etcd_server_is_learner"): late(0, 1, 50)},
	},
	"EtcdVersionsDiffer": {
		seriesOf{
			member("etcd-3", "etcd_server_version", "server_version", "3.6.16"): "",
			member("etcd-3", "etcd_server_version", "server_version", "3.7.3"):  stays(1),
		}, nil,
	},
	"EtcdFilesRunOut": {
		seriesOf{member("etcd-3", "process_open_fds"): stays(810)},
		seriesOf{member("etcd-3", "process_open_fds"): stays(790)},
	},
	"EtcdRequestsSlow": {
		slow("0.128", 20, bucket("grpc_server_handling_seconds_bucket", "grpc_type", "unary", "grpc_method", "Put")),
		slow("0.128", 20, bucket("grpc_server_handling_seconds_bucket", "grpc_type", "unary", "grpc_method", "Defragment")),
	},
	"EtcdCheckMissing": {
		seriesOf{check("clusterup_check_time_seconds"): stays(0)},
		seriesOf{check("clusterup_check_time_seconds"): fmt.Sprintf("0+60x%d %dx150", minutes-150, 60*(minutes-150))},
	},
	"EtcdCertificateDue": {
		seriesOf{ends("etcd-1", ""): stays(60 * 86400)},
		seriesOf{ends("etcd-1", ""): stays(61 * 86400)},
	},
	"EtcdCertificateEnds": {
		seriesOf{ends("", "app"): stays(15 * 86400)},
		seriesOf{ends("", "app"): stays(16 * 86400)},
	},
	"EtcdSnapshotDamaged": {seriesOf{check("clusterup_snapshot_damaged"): stays(1)}, nil},
	"EtcdSnapshotOld": {
		seriesOf{check("clusterup_snapshot_taken_seconds"): stays(-20 * 3600)},
		seriesOf{check("clusterup_snapshot_taken_seconds"): stays(-19 * 3600)},
	},
	"EtcdMemberUnhealthy": {
		seriesOf{check("clusterup_member_healthy", "member", "etcd-3"): late(1, 0, 20)},
		seriesOf{check("clusterup_member_healthy", "member", "etcd-3"): late(1, 0, 10)},
	},
	"BalancerNodeDown": {
		seriesOf{check("clusterup_node_up", "balancer", "front", "node", "lb-1"): late(1, 0, 20)},
		seriesOf{check("clusterup_node_up", "balancer", "front", "node", "lb-1"): late(1, 0, 10)},
	},
	"EtcdAlarm":    {seriesOf{finds("alarm"): stays(1)}, seriesOf{finds("drift"): stays(1)}},
	"EtcdDiskFull": {seriesOf{finds("space"): stays(1)}, seriesOf{finds("alarm"): stays(1)}},
	"EtcdDrift": {
		seriesOf{finds("rotation"): late(0, 1, 130)},
		seriesOf{finds("drift"): late(0, 1, 110)},
	},
	"EtcdWaits": {
		seriesOf{finds("unknown"): stays(2)}, seriesOf{finds("expiry"): stays(2)},
	},
}

func bucket(metric string, labels ...string) func(le string) string {
	return func(le string) string { return member("etcd-1", metric, append(labels, "le", le)...) }
}

// Every alert fires on what it is for, and stays quiet beside it; on a healthy cluster none fires.
func TestRulesFire(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var rules rulesFile
	if err := yaml.Unmarshal(made(t, Rules, prod()), &rules); err != nil {
		t.Fatal(err)
	}
	names, tests := map[string]bool{}, []string{"test", "rules"}
	tried := func(alert string, cases ...promSeries) {
		file := "test-" + alert + ".yml"
		b, err := encode(new(bytes.Buffer), unitTest{[]string{alert + ".yml"}, "1m", cases})
		if err != nil {
			t.Fatal(err)
		}
		write(file, b)
		tests = append(tests, file)
	}
	for _, group := range rules.Groups {
		for _, r := range group.Rules {
			trial, known := trials[r.Alert]
			if !known || names[r.Alert] {
				t.Errorf("alert %s is there twice, or was never seen to fire", r.Alert)
			}
			names[r.Alert] = true
			b, err := encode(new(bytes.Buffer), rulesFile{[]ruleGroup{{r.Alert, []rule{r}}}})
			if err != nil {
				t.Fatal(err)
			}
			write(r.Alert+".yml", b)
			tried(r.Alert, trialOf("fires", true, with(trial.fires)), trialOf("stays quiet", false, with(trial.quiet)))
		}
	}
	for name := range trials {
		if !names[name] {
			t.Errorf("there is no alert %s", name)
		}
	}
	brief := prod()
	brief.Clients = []Client{{"JOB", 24 * 24 * time.Hour}, {"app", 365 * 24 * time.Hour}}
	write("brief.yml", made(t, Rules, brief))
	days := func(left float64) seriesOf { return with(seriesOf{ends("", "JOB"): stays(left * 86400)}) }
	tried("brief", trialOf("a client that lives briefly, renewed late", true, days(4)),
		trialOf("a client that lives briefly", false, days(5)))
	write("all.yml", made(t, Rules, prod()))
	tried("all", trialOf("a healthy cluster", false, healthy()))
	promtool(t, dir, tests...)
}

// trialOf is a test: whether, of series, anything fires ten minutes before they end.
func trialOf(name string, fires bool, series seriesOf) promSeries {
	p := promSeries{Name: name, Interval: "1m"}
	for _, s := range slices.Sorted(maps.Keys(series)) {
		p.Input = append(p.Input, map[string]string{"series": s, "values": series[s]})
	}
	expect := promExpr{Expr: `count(count by (alertname) (ALERTS{alertstate="firing"}))`, At: fmt.Sprintf("%dm", minutes-10)}
	if fires {
		expect.Samples = []promSample{{"{}", 1}}
	}
	p.Expects = []promExpr{expect}
	return p
}

// Prometheus can read every query of the dashboard.
func TestDashboardExpressions(t *testing.T) {
	type recording struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var all []recording
	for _, s := range sections() {
		for _, c := range s.charts {
			for _, q := range c.queries {
				all = append(all, recording{fmt.Sprintf("q:%d", len(all)), prod().of(q.expr)})
			}
		}
	}
	b, err := encode(new(bytes.Buffer), map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": all}}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "q.yml"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, dir, "check", "rules", "q.yml")
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "1s", time.Second: "1s", 90 * time.Second: "90s", time.Minute: "1m", 90 * time.Minute: "90m",
		2 * time.Hour: "2h", 48 * time.Hour: "2d",
	} {
		if got := duration(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}
