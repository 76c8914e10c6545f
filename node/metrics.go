package node

import (
	"fmt"
	"strings"
	"time"

	"github.com/clusterup/clusterup/durable"
	"github.com/clusterup/clusterup/pool"
)

// The file of metrics is written when something has changed, but not more often than the first, and not more seldom
// than the second.
const (
	metricsOften  = time.Second
	metricsSeldom = 10 * time.Second
)

// metrics writes a file for node_exporter's textfile collector. A program that is reached by nobody needs no port, no
// certificate and no rights for that.
type metrics struct {
	path    string
	written time.Time
	report  string // at that time
	sent    int    // changes that were sent to HAProxy
}

// sample is what the metrics tell.
type sample struct {
	report   pool.Report
	revision int64 // of the keys that were decided on
	away     bool  // etcd says nothing now
	seen     bool  // it has said something since the start
	taking   int
	asks     int
	lists    int64
}

func (m *metrics) write(now time.Time, cfg Config, s sample) error {
	age, report := now.Sub(m.written), s.report.Render()
	if m.path == "" || age < metricsOften || age < metricsSeldom && report == m.report {
		return nil
	}
	m.written, m.report = now, report
	if err := durable.WriteAlone(m.path, []byte(m.render(now, cfg, s)), 0o644); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	return nil
}

func (m *metrics) render(now time.Time, cfg Config, s sample) string {
	var b strings.Builder
	labels := fmt.Sprintf(`balancer="%s",node="%s"`, cfg.Balancer, cfg.Node) // both are plain names
	put := func(name, kind, help, more string, value int64) {
		name = "clusterup_follow_" + name
		if help != "" {
			fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
		}
		fmt.Fprintf(&b, "%s{%s%s} %d\n", name, labels, more, value)
	}
	flag := func(is bool) int64 {
		if is {
			return 1
		}
		return 0
	}
	counts := map[pool.State]int64{}
	for _, state := range s.report.Servers {
		counts[state]++
	}
	kept := len(s.report.Kept)
	held := 0
	if s.report.Held != nil {
		held = len(s.report.Held.Servers)
	}
	put("time_seconds", "gauge", "When this was written.", "", now.Unix())
	put("etcd_up", "gauge", "Whether the keys are followed now.", "", flag(s.seen && !s.away))
	put("haproxy_up", "gauge", "Whether HAProxy is as it must be.", "", flag(s.report.Trouble == ""))
	put("revision", "gauge", "Revision of the keys that was decided on.", "", s.revision)
	put("applied_revision", "gauge", "Revision of the keys that HAProxy is in agreement with.", "", s.report.Revision)
	help := "Servers in force, by state."
	for _, state := range []pool.State{pool.Ready, pool.Drain, pool.Maint} {
		put("servers", "gauge", help, fmt.Sprintf(`,state="%s"`, state), counts[state])
		help = ""
	}
	put("taking", "gauge", "Servers that take clients, as far as their keys decide that.", "", int64(s.taking))
	put("held", "gauge", "Servers that stay in use although their keys say otherwise.", "", int64(held))
	put("kept", "gauge", "Servers that stay in use until another one is up.", "", int64(kept))
	put("refused", "gauge", "Keys that are not as they must be.", "", int64(len(s.report.Refused)+s.report.More))
	put("lists_total", "counter", "How often the keys were listed anew.", "", s.lists)
	put("haproxy_asks_total", "counter", "How often HAProxy was asked.", "", int64(s.asks))
	put("haproxy_changes_total", "counter", "Changes that were sent to HAProxy.", "", int64(m.sent))
	return b.String()
}
