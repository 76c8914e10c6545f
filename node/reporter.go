package node

import (
	"context"
	"log"
	"time"

	"github.com/clusterup/clusterup/pool"
)

const (
	// leaseTime is how long a report stays after the last word of its follower.
	leaseTime = 15 * time.Second
	// reportEvery is how often a report is written at most, and whether there is something to do is looked at.
	reportEvery = 500 * time.Millisecond
)

// reporter keeps the report of this node in etcd.
type reporter struct {
	cfg     Config
	client  *client
	log     *log.Logger
	reports *latest[string]

	turn    int    // of the endpoints
	lease   int64  // 0: none
	written string // under that lease
	renewed time.Time
	failed  bool // the last attempt
}

func (r *reporter) run(ctx context.Context) {
	for {
		again := time.NewTimer(reportEvery)
		if err := r.keep(ctx); err != nil && ctx.Err() == nil {
			r.turn++
			if !r.failed {
				r.log.Printf("report: %s", err)
			}
			r.failed = true
		} else {
			r.failed = false
		}
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}

// keep writes the report if it is another one, and renews its lease when a third of its time is over.
func (r *reporter) keep(ctx context.Context) error {
	report := r.reports.get()
	due := r.lease == 0 || report != r.written
	if report == "" || !due && time.Since(r.renewed) < leaseTime/3 {
		return nil
	}
	cluster, err := r.client.get()
	if err != nil {
		return err
	}
	endpoint := r.cfg.Endpoints[r.turn%len(r.cfg.Endpoints)]
	if r.lease != 0 && time.Since(r.renewed) >= leaseTime/3 {
		lives, err := cluster.Renew(ctx, endpoint, r.lease)
		if err != nil {
			return err
		}
		if !lives {
			r.lease = 0
		}
		r.renewed = time.Now()
		due = due || !lives
	}
	if !due {
		return nil
	}
	if r.lease == 0 {
		r.renewed = time.Now()
	}
	key := pool.Keys{Balancer: r.cfg.Balancer}.Follower(r.cfg.Node)
	r.lease, err = cluster.PutLeased(ctx, endpoint, key, report, r.lease, leaseTime)
	if err == nil {
		r.written = report
	}
	return err
}
