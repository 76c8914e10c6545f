package node

import (
	"context"
	"errors"
	"fmt"
	"log"
	"maps"
	"time"

	"github.com/clusterup/clusterup/pool"
	"github.com/clusterup/clusterup/quorum"
)

const (
	// quiet is how long etcd may say nothing, although it is asked whether all is well.
	quiet = 6 * time.Second
	// Between attempts there is a pause, which grows from the least to the longest, and is new after a success.
	leastPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second
	// filesEvery is how often the certificates are looked at.
	filesEvery = 5 * time.Second
)

// view is what etcd said last.
type view struct {
	keys     map[string]pool.Key // never changed once it is here
	revision int64               // 0: nothing yet
	// the number of keys: another one whenever they are others. One revision comes in several, since etcd tells the
	// changes of one transaction apart for each range
	number int64
	away   string // why etcd says nothing now; "": it does
}

// source follows the keys of the balancer in etcd, for as long as the program runs.
type source struct {
	cfg    Config
	client *client
	log    *log.Logger
	views  *latest[view]
	lists  func() // is called for each list
	number int64  // of the last view
}

// tell hands keys on as they stand.
func (s *source) tell(keys map[string]pool.Key, revision int64) {
	s.number++
	s.views.put(view{keys: maps.Clone(keys), revision: revision, number: s.number})
}

func (s *source) run(ctx context.Context) {
	pause := leastPause
	for turn := 0; ctx.Err() == nil; turn++ {
		endpoint := s.cfg.Endpoints[turn%len(s.cfg.Endpoints)]
		listed, err := s.follow(ctx, endpoint)
		if ctx.Err() != nil {
			return
		}
		v := s.views.get()
		if listed || v.away == "" {
			s.log.Printf("etcd: %s", err)
		}
		v.away = err.Error()
		s.views.put(v)
		if listed {
			pause = leastPause
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		if (turn+1)%len(s.cfg.Endpoints) == 0 { // every member was asked
			pause = min(2*pause, longestPause)
		}
	}
}

// follow lists the keys and follows them from there, through one member, until that ends.
func (s *source) follow(parent context.Context, endpoint string) (listed bool, err error) {
	cluster, err := s.client.get()
	if err != nil {
		return false, err
	}
	names := pool.Keys{Balancer: s.cfg.Balancer}
	ranges := []quorum.Range{{Key: names.Servers(), Prefix: true}, {Key: names.Generation()}}
	list, revision, err := cluster.List(parent, endpoint, pool.MaxServers+1, ranges...)
	if err != nil {
		return false, err
	}
	s.lists()
	keys := map[string]pool.Key{}
	for _, k := range list {
		keys[k.Key] = pool.Key{Value: clip(k.Value), Revision: k.Revision}
	}
	if len(keys) > pool.MaxServers+1 {
		return false, errTooMany
	}
	s.tell(keys, revision)

	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	watched := make(chan struct{})
	go func() { defer close(watched); s.watchFiles(ctx, cluster, cancel) }()
	defer func() { cancel(nil); <-watched }()
	err = cluster.Watch(ctx, endpoint, revision+1, quiet, ranges, func(c quorum.Changes) {
		for _, k := range c.Keys {
			if k.Deleted {
				delete(keys, k.Key)
			} else {
				keys[k.Key] = pool.Key{Value: clip(k.Value), Revision: k.Revision}
			}
			revision = max(revision, k.Revision)
		}
		if len(keys) > pool.MaxServers+1 {
			cancel(errTooMany)
			return
		}
		if len(c.Keys) > 0 {
			s.tell(keys, revision)
		}
	})
	if cause := context.Cause(ctx); cause != nil && parent.Err() == nil {
		return true, cause
	}
	return true, err
}

var (
	errTooMany = fmt.Errorf("there are more than %d servers: none of them is changed", pool.MaxServers)
	errFiles   = errors.New("begin anew with other certificates")
)

// watchFiles ends what goes on with a cluster when its certificates are no longer those that lie there.
func (s *source) watchFiles(ctx context.Context, of *quorum.Cluster, end context.CancelCauseFunc) {
	again := time.NewTicker(filesEvery)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
		if now, err := s.client.get(); err == nil && now != of {
			end(errFiles)
			return
		}
	}
}

// clip keeps no more of a value than is needed to see that it is too long.
func clip(value []byte) []byte {
	if len(value) > pool.MaxValue {
		return value[: pool.MaxValue+1 : pool.MaxValue+1]
	}
	return value
}
