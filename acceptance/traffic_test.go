package acceptance

import (
	"context"
	"crypto/tls"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/clusterup/clusterup/pki"
)

const (
	writers       = 16
	writePause    = 80 * time.Millisecond // of each writer between two writes at the least: 200 a second in all
	writePatience = 5 * time.Second       // of one write
)

// traffic is what the clients of a cluster do while it is changed: some write numbers, each one after the other, as
// fast as they are acknowledged; one watches everything on all endpoints, and one on each member alone; and every
// member is asked all the time whether it is there. Clients are etcd's own, with the retries that they come with.
type traffic struct {
	prefix   string             // of the keys that are written
	client   *clientv3.Client   // of the writers
	clients  []*clientv3.Client // all
	writes   [writers][]write
	watchers []*observer
	presence *presence
	began    time.Time
	stopped  time.Time
	end      context.CancelFunc // of the writers and of asking
	leave    context.CancelFunc // of the watchers
	writing  sync.WaitGroup
	watching sync.WaitGroup
}

// write is one attempt.
type write struct {
	began, ended time.Time
	revision     int64  // 0: it was not acknowledged
	term         uint64 // of raft, when it was acknowledged: it grows with each change of the leader
	err          error
}

// watching says who watches.
type watching int

const (
	everybody watching = iota // on all endpoints, and on each member alone
	somebody                  // on all endpoints
	nobody
)

// unhurried is nobody unless there is time to wait for members that are watched.
func unhurried(who watching) watching {
	if whole() {
		return who
	}
	return nobody
}

// startTraffic is startTrafficAs for clients that have one certificate, which is good all the time.
func startTraffic(t *testing.T, s *site, inv inventory, who watching) *traffic {
	t.Helper()
	return startTrafficAs(t, s, inv, who, s.appTLS(t, inv))
}

// appTLS is the configuration of such a client.
func (s *site) appTLS(t *testing.T, inv inventory) *tls.Config {
	t.Helper()
	store := s.cas(t, inv.Cluster)
	app := issue(t, store, "app")
	return secure(t, store, pki.RoleClient, app.Cert, app.Key)
}

// startTrafficAs returns when every writer has written. It must be stopped. A member that nobody watches stops sooner:
// etcd waits seven seconds for the streams of its clients (server/embed/etcd.go, Close: the request timeout of five,
// and twice the election timeout).
func startTrafficAs(t *testing.T, s *site, inv inventory, who watching, config *tls.Config) *traffic {
	t.Helper()
	var endpoints []string
	for _, m := range inv.Members {
		endpoints = append(endpoints, inv.url(m))
	}
	tr := &traffic{client: s.client(t, config, endpoints...), began: time.Now(), presence: newPresence(s, config, inv)}
	tr.clients = append(tr.clients, tr.client)
	asked, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	now, err := tr.client.Get(asked, "traffic")
	must(t, err)
	tr.prefix = fmt.Sprintf("traffic/%d/", now.Header.Revision)

	writing, end := context.WithCancel(t.Context())
	staying, leave := context.WithCancel(t.Context())
	tr.end, tr.leave = end, leave
	observe := func(name string, endpoints ...string) {
		o, c := newObserver(name, now.Header.Revision), s.client(t, config, endpoints...)
		tr.watchers, tr.clients = append(tr.watchers, o), append(tr.clients, c)
		tr.watching.Go(func() { o.watch(staying, c) })
	}
	if who != nobody {
		observe("all endpoints", endpoints...)
	}
	for i, m := range inv.Members {
		if who == everybody {
			observe(m.Name+" alone", endpoints[i])
		}
	}
	tr.presence.start(writing, &tr.writing)
	var wrote sync.WaitGroup
	wrote.Add(writers)
	for i := range writers {
		tr.writing.Go(func() { tr.write(writing, i, wrote.Done) })
	}
	wrote.Wait()
	return tr
}

// write goes on until its context ends, and then until a write succeeds, so that what was lost before counts.
func (tr *traffic) write(ctx context.Context, writer int, wrote func()) {
	pause := time.NewTicker(writePause)
	defer pause.Stop()
	const last = 5
	for n, more := 0, last; ctx.Err() == nil || more > 0; n++ {
		w := write{began: time.Now()}
		once, cancel := context.WithTimeout(context.WithoutCancel(ctx), writePatience)
		put, err := tr.client.Put(once, tr.key(writer, n), strconv.Itoa(n))
		cancel()
		w.ended, w.err = time.Now(), err
		switch {
		case err == nil:
			w.revision, w.term = put.Header.Revision, put.Header.RaftTerm
			if ctx.Err() != nil {
				more = 0
			}
		case ctx.Err() != nil:
			more--
		}
		if tr.writes[writer] = append(tr.writes[writer], w); n == 0 {
			wrote()
		}
		<-pause.C
	}
}

func (tr *traffic) key(writer, n int) string { return fmt.Sprintf("%s%d/%06d", tr.prefix, writer, n) }

// stop ends the clients and says what they saw. Watchers first get the time to see all that there is.
func (tr *traffic) stop(t *testing.T) report {
	t.Helper()
	tr.stopped = time.Now()
	tr.end()
	tr.writing.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	all, err := tr.client.Get(ctx, tr.prefix, clientv3.WithPrefix())
	must(t, err)
	for _, o := range tr.watchers {
		until(t, "the watcher on "+o.name+" to see revision "+strconv.FormatInt(all.Header.Revision, 10), func() bool {
			return o.seen() >= all.Header.Revision || o.over()
		})
	}
	tr.leave()
	tr.watching.Wait()
	for _, c := range tr.clients {
		_ = c.Close() // nobody knocks any more
	}
	r := tr.report(all.Kvs)
	t.Log(r)
	return r
}
