package main

import (
	"net"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/monitoring"
	"github.com/clusterup/clusterup/plan/etcd"
)

// scrapeDir is below which Prometheus finds the certificates of clusters, unless it is told otherwise.
const scrapeDir = "/etc/prometheus/clusterup"

func newMonitoring(c *console) *cobra.Command {
	var certs string
	scrape := written(c, "scrape INVENTORY", "Print the scrape configuration of a Prometheus server",
		"scrape prints one job, which asks every member for its metrics. It goes below scrape_configs of prometheus.yml, or, from Prometheus 2.43\n"+
			"on, into a file that scrape_config_files names. Where clients speak TLS, the server needs the observer's certificate:\n"+
			"clusterup cert issue --observer INVENTORY --out DIR makes it, and --certs says where it will lie on the server.",
		func(w monitoring.Cluster) ([]byte, error) {
			dir := certs
			if dir == "" {
				dir = filepath.Join(scrapeDir, w.Name)
			}
			w.Certificates.Cert, w.Certificates.Key, w.Certificates.CA = clientFiles(dir, etcd.Observer)
			return monitoring.Scrape(w)
		})
	scrape.Flags().StringVar(&certs, "certs", "", "where the observer's certificate lies on the Prometheus server (default "+scrapeDir+"/CLUSTER)")
	return group("monitoring", "Print alert rules, a scrape configuration and a dashboard, for Prometheus and Grafana",
		written(c, "rules INVENTORY", "Print alert rules for Prometheus",
			"rules prints alerts by what members tell of themselves, and by what clusterup check --prometheus writes for what they do not: certificates,\n"+
				"snapshots, drift. Each alert says what to do. They go into a file that rule_files of prometheus.yml names.", monitoring.Rules),
		scrape,
		written(c, "dashboard INVENTORY", "Print a dashboard for Grafana, as JSON",
			"dashboard prints a dashboard to import into Grafana 10 or later. It asks for the Prometheus to use.", monitoring.Dashboard))
}

// written is a command that prints what is made from the inventory alone.
func written(c *console, use, short, long string, made func(monitoring.Cluster) ([]byte, error)) *cobra.Command {
	var flags clusterFlags
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Args: oneInventory,
		RunE: func(_ *cobra.Command, args []string) error {
			return c.with(args[0], flags, func(s *session) error {
				text, err := made(s.watched())
				if err == nil {
					_, err = s.console.Stdout().Write(text)
				}
				return err
			})
		},
	}
	flags.inventoryFlags(cmd)
	return cmd
}

// watched is the cluster as monitoring needs to know it.
func (s *session) watched() monitoring.Cluster {
	c := s.Cluster
	w := monitoring.Cluster{
		Name: c.Name, TLS: c.TLS.Clients, SnapshotAge: c.Snapshot.MaxAge, RenewBefore: c.PKI.RenewBefore,
		Timed: c.Etcd.Flags["metrics"] == "extensive",
	}
	for _, client := range c.Clients {
		w.Clients = append(w.Clients, monitoring.Client{Name: client.Name, Lifetime: client.Lifetime})
	}
	for _, n := range c.Nodes() {
		w.Balanced = w.Balanced || !n.Absent
	}
	for _, m := range c.Present() {
		w.Members = append(w.Members, monitoring.Member{
			Name: m.Name, HostPort: net.JoinHostPort(m.ClientAddress, strconv.Itoa(c.ClientPort)),
		})
	}
	return w
}
