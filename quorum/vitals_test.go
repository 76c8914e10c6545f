package quorum

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
)

const someMetrics = `# HELP etcd_server_leader_changes_seen_total The number of leader changes seen.
# TYPE etcd_server_leader_changes_seen_total counter
etcd_server_leader_changes_seen_total 3
etcd_server_leader_changes_seen_total_more 9
etcd_disk_wal_fsync_duration_seconds_bucket{le="0.001"} 900
etcd_disk_wal_fsync_duration_seconds_bucket{le="0.002"} 980
etcd_disk_wal_fsync_duration_seconds_bucket{le="0.004"} 990
etcd_disk_wal_fsync_duration_seconds_bucket{le="8.192"} 1000
etcd_disk_wal_fsync_duration_seconds_bucket{le="+Inf"} 1000
etcd_disk_backend_commit_duration_seconds_bucket{le="0.001"} 5
process_start_time_seconds 1.79514e+09
`

func TestReadVitals(t *testing.T) {
	got, err := readVitals(strings.NewReader(someMetrics))
	want := facts.Vitals{Started: time.Unix(1795140000, 0), LeaderChanges: 3, Fsyncs: 1000, FsyncP99: 0.004}
	if err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	slow := strings.Replace(someMetrics, `{le="8.192"} 1000`, `{le="8.192"} 989`, 1)
	slow = strings.Replace(slow, `{le="0.004"} 990`, `{le="0.004"} 989`, 1)
	if got, _ := readVitals(strings.NewReader(slow)); got.FsyncP99 != 2*8.192 {
		t.Errorf("a very slow disk: %v", got.FsyncP99)
	}
	for name, text := range map[string]string{
		"nothing":       "",
		"not a number":  "etcd_server_leader_changes_seen_total NaN\n",
		"negative":      "etcd_server_leader_changes_seen_total -3\n",
		"beyond any":    "process_start_time_seconds 1e300\netcd_server_leader_changes_seen_total +Inf\n",
		"no last bound": `etcd_disk_wal_fsync_duration_seconds_bucket{le="0.001"} 900` + "\n",
		"two of no end": strings.Repeat(fsyncs+`+Inf"} 0`+"\n", 2),
	} {
		if got, err := readVitals(strings.NewReader(text)); err != nil || got != (facts.Vitals{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := readVitals(strings.NewReader(strings.Repeat("x", maxMetric+1))); err == nil {
		t.Error("a line without an end is read")
	}
}

func FuzzVitals(f *testing.F) {
	f.Add(someMetrics)
	f.Add(fsyncs + `+Inf"} 1e308` + "\n" + fsyncs + `0"} -0`)
	f.Fuzz(func(t *testing.T, text string) {
		v, _ := readVitals(strings.NewReader(text))
		if v.LeaderChanges < 0 || v.Fsyncs < 0 || !(v.FsyncP99 >= 0) || math.IsInf(v.FsyncP99, 0) {
			t.Errorf("%+v", v)
		}
	})
}

func TestVitals(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		text   string
		says   string
	}{
		"well":            {http.StatusOK, someMetrics, ""},
		"none":            {http.StatusNotFound, "", "GET /metrics: 404"},
		"without end":     {http.StatusOK, strings.Repeat("x\n", maxMetrics), ""},
		"an endless line": {http.StatusOK, strings.Repeat("x", maxMetrics), "read /metrics"},
	} {
		f := &fake{metrics: func(w http.ResponseWriter) {
			w.WriteHeader(tc.status)
			_, _ = w.Write([]byte(tc.text))
		}}
		c, _ := oneMember(t, f)
		got, err := c.Vitals(t.Context(), epIPv4)
		if (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "well" && got.LeaderChanges != 3 {
			t.Errorf("%+v", got)
		}
	}
}
