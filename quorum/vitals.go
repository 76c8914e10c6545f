package quorum

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
)

// maxMetrics and maxMetric bound a member's metrics, and one line of them, in bytes. A member has about 150 KiB.
const (
	maxMetrics = 8 << 20
	maxMetric  = 64 << 10
)

// Vitals asks the member at endpoint what it counts of itself: GET /metrics on the client port, which is there besides
// --listen-metrics-urls (server/embed/etcd.go) and outside of etcd's permissions. It needs no quorum and writes
// nothing.
func (c *Cluster) Vitals(ctx context.Context, endpoint string) (facts.Vitals, error) {
	return ask(ctx, c, endpoint, "ask metrics of", func(bounded context.Context, n *conn) (facts.Vitals, error) {
		target, err := url.JoinPath(endpoint, "metrics")
		if err != nil {
			return facts.Vitals{}, err
		}
		req, err := http.NewRequestWithContext(bounded, http.MethodGet, target, http.NoBody)
		if err != nil {
			return facts.Vitals{}, err
		}
		resp, err := n.http.Do(req)
		if err != nil {
			return facts.Vitals{}, c.httpFault(ctx, n, err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return facts.Vitals{}, &Error{Err: fmt.Errorf("GET /metrics: %s", resp.Status)}
		}
		vitals, err := readVitals(io.LimitReader(resp.Body, maxMetrics))
		if err != nil {
			return facts.Vitals{}, &Error{Err: fmt.Errorf("read /metrics: %w", err)}
		}
		return vitals, nil
	})
}

const fsyncs = "etcd_disk_wal_fsync_duration_seconds_bucket{le=\""

// bucket is how many of what was measured took no longer than a bound.
type bucket struct {
	bound float64 // seconds; the last one has no end
	count float64
}

// readVitals reads the text format of Prometheus. What is not a number, or none that may be, is not known.
func readVitals(r io.Reader) (facts.Vitals, error) {
	var v facts.Vitals
	var buckets []bucket
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxMetric)
	for lines.Scan() {
		name, text, _ := strings.Cut(lines.Text(), " ")
		value, err := strconv.ParseFloat(text, 64)
		if err != nil || !(value >= 0 && value < 1<<53) {
			continue
		}
		bound, isBucket := strings.CutPrefix(name, fsyncs)
		switch {
		case name == "etcd_server_leader_changes_seen_total":
			v.LeaderChanges = int64(value)
		case name == "process_start_time_seconds" && value < 1<<40:
			v.Started = time.Unix(int64(value), 0)
		case isBucket && len(buckets) < 100:
			at, err := strconv.ParseFloat(strings.TrimSuffix(bound, `"}`), 64)
			if err == nil && at > 0 {
				buckets = append(buckets, bucket{at, value})
			}
		}
	}
	v.Fsyncs, v.FsyncP99 = p99(buckets)
	return v, lines.Err()
}

// p99 is how many were measured, and the bound that 99 of 100 of them keep.
func p99(buckets []bucket) (all int64, bound float64) {
	slices.SortFunc(buckets, func(a, b bucket) int { return cmp.Compare(a.bound, b.bound) })
	n := len(buckets)
	if n < 2 || !math.IsInf(buckets[n-1].bound, 1) {
		return 0, 0
	}
	total := buckets[n-1].count
	at := slices.IndexFunc(buckets, func(b bucket) bool { return b.count >= total*0.99 })
	if bound = buckets[at].bound; math.IsInf(bound, 1) {
		bound = 2 * buckets[n-2].bound
	}
	if math.IsInf(bound, 1) || total == 0 { // several without an end, or nothing was measured
		return int64(total), 0
	}
	return int64(total), bound
}
