package main

import (
	"context"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/view"
)

// session is one run of a command against one cluster.
type session struct {
	*operator.Session
	console *console
	flags   clusterFlags
	file    string                                    // the inventory
	verb    string                                    // the command, as others are told
	edit    *edit                                     // of the inventory, once its plan is agreed to; nil: none
	wish    func(etcd.Want, facts.Snapshot) etcd.Want // what a verb wants besides; nil: nothing
}

// open loads the inventory and prepares everything; no network is used yet.
func (c *console) open(path string, flags clusterFlags) (*session, error) {
	cluster, err := c.load(path, nil, flags)
	if err != nil {
		return nil, err
	}
	return c.begin(path, cluster, flags)
}

// openEdited is open for an inventory as it will be.
func (c *console) openEdited(change *edit, flags clusterFlags) (*session, error) {
	cluster, err := c.load(change.path, change.now, flags)
	if err != nil {
		return nil, err
	}
	return c.begin(change.path, cluster, flags)
}

func (c *console) begin(path string, cluster *inventory.Cluster, flags clusterFlags) (*session, error) {
	options := operator.Options{
		Dialer: c.dialer(flags), Now: time.Now, Stop: c.Stop, Until: c.UntilStopped, Download: c.Download,
		Saved: func(file string, size int64) {
			c.Say("The snapshot is %s (%s, verified).", file, view.Size(size))
		},
	}
	if c.Terminal() {
		options.Passphrase = func(file string) ([]byte, error) { return c.Passphrase(c.base, file) }
	}
	s, err := operator.Open(cluster, options)
	if err != nil {
		return nil, err
	}
	c.Intact = true
	return &session{Session: s, console: c, flags: flags, verb: "apply", file: path}, nil
}

// end closes a session, and says what it has cost where that was asked for.
func (s *session) end() {
	s.showStats()
	s.Close()
}

// wanted is what the operator wants, without any release.
func (s *session) wanted() etcd.Want {
	return etcd.Want{Cluster: s.Cluster, Writer: version(), Accept: s.flags.accepted(), HoldLast: s.flags.holdLast}
}

// want is what the operator wants, with the releases for the architectures that were seen.
func (s *session) want(ctx context.Context, seen facts.Snapshot, token string) (etcd.Want, error) {
	w, err := s.WithReleases(ctx, s.wanted(), seen)
	if err != nil {
		return etcd.Want{}, err
	}
	w.Token = token
	if s.wish != nil {
		w = s.wish(w, seen)
	}
	return w, nil
}
