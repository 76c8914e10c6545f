package monitoring

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// dashboard is as Grafana imports it (the JSON model of dashboards, schemaVersion 38, which Grafana 10 and later read).
type dashboard struct {
	UID           string    `json:"uid"`
	Title         string    `json:"title"`
	Description   string    `json:"description"`
	Tags          []string  `json:"tags"`
	Timezone      string    `json:"timezone"`
	SchemaVersion int       `json:"schemaVersion"`
	Refresh       string    `json:"refresh"`
	Time          timeRange `json:"time"`
	Templating    variables `json:"templating"`
	Panels        []panel   `json:"panels"`
}

type timeRange struct {
	From string `json:"from"`
	To   string `json:"to"`
}

type variables struct {
	List []variable `json:"list"`
}

type variable struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Query string `json:"query"`
	Label string `json:"label"`
}

type panel struct {
	ID          int          `json:"id"`
	Type        string       `json:"type"`
	Title       string       `json:"title"`
	Description string       `json:"description,omitempty"`
	Datasource  *datasource  `json:"datasource,omitempty"`
	Grid        grid         `json:"gridPos"`
	Targets     []target     `json:"targets,omitempty"`
	Field       *fieldConfig `json:"fieldConfig,omitempty"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type grid struct {
	X int `json:"x"`
	Y int `json:"y"`
	W int `json:"w"`
	H int `json:"h"`
}

type target struct {
	Ref     string `json:"refId"`
	Expr    string `json:"expr"`
	Legend  string `json:"legendFormat"`
	Instant bool   `json:"instant,omitempty"`
}

type fieldConfig struct {
	Defaults  fieldDefaults `json:"defaults"`
	Overrides []struct{}    `json:"overrides"`
}

type fieldDefaults struct {
	Unit string `json:"unit"`
	Min  *int   `json:"min,omitempty"`
}

// query is one line of a chart.
type query struct{ expr, legend string }

// chart is a panel before the cluster is filled in.
type chart struct {
	title string
	unit  string // as Grafana names it
	about string
	queries
}

type queries []query

// section is a row of panels; now says that they show the newest values, as figures.
type section struct {
	title  string
	now    bool
	charts []chart
}

const (
	columns   = 24 // of Grafana's grid
	perRow    = 3
	rowHigh   = 1
	statHigh  = 4
	chartHigh = 8
)

// Dashboard is a dashboard for Grafana, which asks a Prometheus that scrapes as [Scrape] says; what it shows of
// certificates and snapshots comes from clusterup check --prometheus. Imported again it takes the place of itself.
func Dashboard(c Cluster) ([]byte, error) {
	sum := sha256.Sum256([]byte("clusterup " + c.Name))
	d := dashboard{
		UID: "clusterup-" + hex.EncodeToString(sum[:6]), Title: "etcd " + c.Name, Tags: []string{"etcd", "clusterup"},
		Description: "The etcd cluster " + c.Name + "; clusterup monitoring dashboard wrote this",
		Timezone:    "browser", SchemaVersion: 38, Refresh: "30s", Time: timeRange{"now-6h", "now"},
		Templating: variables{[]variable{{"datasource", "datasource", "prometheus", "Prometheus"}}},
	}
	y, id := 0, 1
	for _, s := range sections() {
		d.Panels = append(d.Panels, panel{ID: id, Type: "row", Title: s.title, Grid: grid{0, y, columns, rowHigh}})
		id, y = id+1, y+rowHigh
		kind, high, across := "timeseries", chartHigh, perRow
		if s.now {
			kind, high, across = "stat", statHigh, len(s.charts)
		}
		for i, ch := range s.charts {
			wide := columns / across
			d.Panels = append(d.Panels, c.panel(id, kind, ch, grid{i % across * wide, y + i/across*high, wide, high}))
			id++
		}
		y += (len(s.charts) + across - 1) / across * high
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write dashboard: %w", err)
	}
	return append(text, '\n'), nil
}

func (c Cluster) panel(id int, kind string, ch chart, at grid) panel {
	p := panel{
		ID: id, Type: kind, Title: ch.title, Description: ch.about, Grid: at,
		Datasource: &datasource{"prometheus", "${datasource}"},
		Field:      &fieldConfig{Defaults: fieldDefaults{Unit: ch.unit}, Overrides: []struct{}{}},
	}
	if kind == "timeseries" {
		p.Field.Defaults.Min = new(int)
	}
	for i, q := range ch.queries {
		p.Targets = append(p.Targets, target{
			Ref: string(rune('A' + i)), Expr: c.of(q.expr), Legend: q.legend, Instant: kind == "stat",
		})
	}
	return p
}

// sections are what the dashboard shows, from what somebody looks at first to what explains it.
func sections() []section {
	const each = "{{member}}"
	p99 := func(metric string) string {
		return "histogram_quantile(0.99, rate(" + metric + "_bucket{JOB}[5m]))"
	}
	return []section{
		{"Now", true, []chart{
			{"Members that answer", "none", "", queries{{`sum(up{JOB})`, ""}}},
			{"Members with a leader", "none", "", queries{{`sum(etcd_server_has_leader{JOB})`, ""}}},
			{"Leader", "none", "", queries{{`etcd_server_is_leader{JOB} == 1`, each}}},
			{"Wants doing", "none", "What clusterup check found; it says what to do", queries{
				{`sum(clusterup_findings{CLUSTER})`, ""},
			}},
			{"Newest snapshot", "s", "Its age", queries{{`time() - clusterup_snapshot_taken_seconds{CLUSTER}`, ""}}},
			{"First certificate to end", "s", "The time that is left", queries{
				{`min(clusterup_certificate_not_after_seconds{CLUSTER}) - time()`, ""},
			}},
		}},
		{"Requests", false, []chart{
			{"Calls", "reqps", "", queries{{`sum by (grpc_method) (rate(grpc_server_handled_total{JOB}[5m]))`, "{{grpc_method}}"}}},
			{"Calls that fail", "reqps", "", queries{{
				`sum by (grpc_method, grpc_code) (rate(grpc_server_handled_total{JOB,grpc_code!="OK"}[5m]))`, "{{grpc_method}} {{grpc_code}}",
			}}},
			{"Watchers", "none", "Those that are slow have not been told of all changes yet", queries{
				{`etcd_debugging_mvcc_watcher_total{JOB}`, each}, {`etcd_debugging_mvcc_slow_watcher_total{JOB}`, each + " slow"},
			}},
			{"Bytes from clients", "Bps", "", queries{{`rate(etcd_network_client_grpc_received_bytes_total{JOB}[5m])`, each}}},
			{"Bytes to clients", "Bps", "", queries{{`rate(etcd_network_client_grpc_sent_bytes_total{JOB}[5m])`, each}}},
			{"Keys", "none", "", queries{{`etcd_debugging_mvcc_keys_total{JOB}`, each}}},
		}},
		{"Raft", false, []chart{
			{"Proposals applied", "ops", "", queries{{`rate(etcd_server_proposals_applied_total{JOB}[5m])`, each}}},
			{"Proposals waiting and failed", "none", "", queries{
				{`etcd_server_proposals_pending{JOB}`, each + " waiting"},
				{`increase(etcd_server_proposals_failed_total{JOB}[5m])`, each + " failed in 5 min"},
			}},
			{"Changes of the leader", "none", "In an hour", queries{{`increase(etcd_server_leader_changes_seen_total{JOB}[1h])`, each}}},
			{"Answers of peers, 99 of 100", "s", "", queries{{
				`histogram_quantile(0.99, sum by (member, To, le) (rate(etcd_network_peer_round_trip_time_seconds_bucket{JOB}[5m])))`,
				each + " → {{To}}",
			}}},
			{"Entries not applied yet", "none", "", queries{
				{`etcd_server_proposals_committed_total{JOB} - etcd_server_proposals_applied_total{JOB}`, each},
			}},
			{"Heartbeats that could not be sent", "none", "In 5 minutes", queries{
				{`increase(etcd_server_heartbeat_send_failures_total{JOB}[5m])`, each},
			}},
		}},
		{"Disks and databases", false, []chart{
			{"Until a write to the log is on the disk, 99 of 100", "s", "", queries{{p99("etcd_disk_wal_fsync_duration_seconds"), each}}},
			{"Until a commit is in the database, 99 of 100", "s", "", queries{
				{p99("etcd_disk_backend_commit_duration_seconds"), each},
			}},
			{"Calls that were slow to apply", "none", "In 5 minutes", queries{{`increase(etcd_server_slow_apply_total{JOB}[5m])`, each}}},
			{"Database", "bytes", "", queries{
				{`etcd_mvcc_db_total_size_in_bytes{JOB}`, each},
				{`etcd_mvcc_db_total_size_in_use_in_bytes{JOB}`, each + " in use"},
				{`max(etcd_server_quota_backend_bytes{JOB})`, "quota"},
			}},
			{"Room on the file system", "bytes", "Seen by clusterup check", queries{
				{`clusterup_database_bytes{CLUSTER,of="disk_free"}`, each},
			}},
			{"Snapshot", "bytes", "The newest in the operator directory", queries{{`clusterup_snapshot_size_bytes{CLUSTER}`, "size"}}},
		}},
		{"Processes", false, []chart{
			{"Memory", "bytes", "", queries{{`process_resident_memory_bytes{JOB}`, each}}},
			{"CPU", "percentunit", "", queries{{`rate(process_cpu_seconds_total{JOB}[5m])`, each}}},
			{"Open files", "none", "", queries{{`process_open_fds{JOB}`, each}}},
		}},
		{"What clusterup sees", false, []chart{
			{"Findings", "none", "", queries{{`sum by (kind) (clusterup_findings{CLUSTER})`, "{{kind}}"}}},
			{"Certificates", "s", "Until each ends", queries{
				{`clusterup_certificate_not_after_seconds{CLUSTER} - time()`, "{{member}}{{client}} {{role}} {{generation}}"},
			}},
			{"Last look", "s", "How long ago", queries{{`time() - clusterup_check_time_seconds{CLUSTER}`, "age"}}},
		}},
	}
}
