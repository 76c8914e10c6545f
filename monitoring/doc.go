// Package monitoring writes what others watch a cluster with: alert rules and a scrape configuration for Prometheus,
// and a dashboard for Grafana. It is pure: it writes files, and asks nobody.
package monitoring
