package monitoring

import (
	"fmt"
	"strings"
	"time"
)

// Cluster is what is to be watched.
type Cluster struct {
	Name    string
	Members []Member
	// TLS says whether the members' client ports, which tell the metrics too, want a client certificate.
	TLS bool
	// Certificates are the files of one, as a Prometheus server finds them; without meaning where TLS is off.
	Certificates Certificates
	// Timed says whether members measure how long calls take (--metrics=extensive); by default they do not.
	Timed bool
	// SnapshotAge is how old the newest snapshot may be; 0: no matter how old.
	SnapshotAge time.Duration
	// RenewBefore is how long before its end a certificate is due to be renewed; one that lives no longer than that is
	// when a third of its life is left.
	RenewBefore time.Duration
	// Balanced says whether there are nodes of balancers.
	Balanced bool
	// Clients are those that the inventory names.
	Clients []Client
}

// Client is a client, and how long its certificates live.
type Client struct {
	Name     string
	Lifetime time.Duration
}

// Member is one member, and where it tells its metrics.
type Member struct{ Name, HostPort string }

// Certificates are the files of a client certificate.
type Certificates struct{ CA, Cert, Key string }

// Job is the name of the Prometheus job that scrapes the members of the cluster.
func (c Cluster) Job() string { return "etcd-" + c.Name }

// of fills in what a PromQL expression selects by: {JOB for the series of the members, {CLUSTER for those that check
// writes. Names of clusters need no quoting: inventory.Load lets none through that would.
func (c Cluster) of(expr string) string {
	job, cluster := fmt.Sprintf("{job=%q", c.Job()), fmt.Sprintf("{cluster=%q", c.Name)
	return strings.NewReplacer("{JOB", job, "{CLUSTER", cluster).Replace(expr)
}

// duration is d as Prometheus writes it, in its largest whole unit; at least a second.
func duration(d time.Duration) string {
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if d >= unit.of && d%unit.of == 0 {
			return fmt.Sprintf("%d%s", d/unit.of, unit.name)
		}
	}
	return fmt.Sprintf("%ds", max(1, d/time.Second))
}
