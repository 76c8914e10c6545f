package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/plan/etcd"
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
	// why a verb does not fit what was seen, which is never a refusal for dark hosts alone; nil: it fits anything
	fits func(context.Context, facts.Snapshot) error
	see  func(context.Context, *facts.Snapshot) // looks at what a verb needs to know besides; nil: nothing
	next decider                                // of a verb that does one thing; nil: etcd.Next
	// that members run, by name, as the last look of an observer has told; nil: nobody observes
	versions map[string]string
}

// open loads the inventory, or takes its text as given, and prepares everything; no network is used yet.
func (c *console) open(path string, text []byte, flags clusterFlags) (*session, error) {
	cluster, err := c.load(path, text, flags)
	if err != nil {
		return nil, err
	}
	return c.begin(path, cluster, flags)
}

func (c *console) begin(path string, cluster *inventory.Cluster, flags clusterFlags) (*session, error) {
	options := operator.Options{
		Dialer: c.dialer(flags), Now: time.Now, Stop: c.Stop, Until: c.UntilStopped, Download: c.Download,
		Saving: c.Saving, Fetching: c.Fetching, Saved: c.Saved,
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

// with opens a session for what is done with it, and ends it then.
func (c *console) with(inventory string, flags clusterFlags, do func(*session) error) error {
	s, err := c.open(inventory, nil, flags)
	if err != nil {
		return err
	}
	defer s.end()
	return do(s)
}

// looking is with for commands that only look: the first signal ends do's context.
func (c *console) looking(
	cmd *cobra.Command, inventory string, flags clusterFlags, do func(*session, context.Context) error,
) error {
	return c.with(inventory, flags, func(s *session) error {
		ctx, cancel := c.UntilStopped(cmd.Context())
		defer cancel()
		return do(s, ctx)
	})
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
	if s.next != nil { // which installs none
		return s.WithAnyRelease(s.wanted(), seen), nil
	}
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
