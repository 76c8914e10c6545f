package node

import (
	"context"
	"fmt"
	"log"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clusterup/clusterup/node/haproxy"
	"github.com/clusterup/clusterup/pool"
)

const (
	// lookEvery is how often HAProxy is looked at when nothing has changed in etcd: it may have been restarted, or
	// somebody has changed it by hand.
	lookEvery = 500 * time.Millisecond
	// retryEvery is how often it is asked while it does not answer.
	retryEvery = 200 * time.Millisecond
	// atOnce is the time in which the pool may lose half of its servers and no more.
	atOnce = time.Minute
)

// follower keeps HAProxy to what is in force. One goroutine steps it.
type follower struct {
	cfg    Config
	keys   pool.Keys
	log    *log.Logger
	socket haproxy.Socket
	views  *latest[view]

	kept   kept // what is in force
	saved  kept // … and what the file has
	known  bool // whether kept is from a file, from HAProxy or from etcd; before, nothing is done
	want   pool.Wanted
	number int64  // of the view that it is from
	unread string // why the newest keys cannot be taken at all
	held   *pool.Held
	most   recent

	leaving map[string]time.Time // servers that go, and since when
	waiting []string             // servers that stay until another one is up
	last    []string             // the changes that were sent last
	applied pool.Report          // its Revision and Generation
	trouble string               // why HAProxy is not as it must be
	unsaved string               // why the state file is not as it must be

	said    map[string]string // what was said of each matter last, so that it is said once
	metrics metrics
}

// Follow follows the keys of a balancer into HAProxy until ctx ends. Etcd, certificates and HAProxy may come and go
// meanwhile. What it does goes to logger, a line for each change.
func Follow(ctx context.Context, cfg Config, logger *log.Logger) {
	f := &follower{
		cfg: cfg, keys: pool.Keys{Balancer: cfg.Balancer}, log: logger, socket: haproxy.Socket{Path: cfg.HAProxy},
		views: newLatest[view](), leaving: map[string]time.Time{}, said: map[string]string{},
	}
	f.metrics.path = cfg.Metrics
	var err error
	if f.kept, err = loadState(cfg.State, cfg.Balancer); err != nil {
		logger.Printf("%s; what HAProxy has counts instead", err)
	}
	f.known = len(f.kept.Servers) > 0

	var lists atomic.Int64
	reports := newLatest[string]()
	etcd := &client{cfg: cfg, log: logger}
	defer etcd.close()
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() {
		s := &source{cfg: cfg, client: etcd, log: logger, views: f.views, lists: func() { lists.Add(1) }}
		s.run(ctx)
	})
	running.Go(func() {
		(&reporter{cfg: cfg, client: etcd, log: logger, reports: reports}).run(ctx)
	})
	notify("READY=1")
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			notify("STOPPING=1")
			return
		case <-f.views.fresh:
		case <-timer.C:
		}
		again := f.step(ctx)
		f.save()
		report := f.report()
		reports.put(report.Render())
		f.tell(report, lists.Load())
		timer.Reset(again)
	}
}

// step looks at HAProxy, decides what is in force, and sends what differs. It returns when to step again at the
// latest.
func (f *follower) step(ctx context.Context) time.Duration {
	v := f.views.get()
	seen, err := f.socket.Look(ctx)
	if err != nil {
		if f.trouble = err.Error(); f.known {
			f.decide(v)
		}
		return retryEvery
	}
	if !f.known {
		f.adopt(seen)
	}
	f.decide(v)
	d := f.differences(seen)
	if f.waiting = d.Kept; d.Settled {
		f.trouble = ""
		if v.number == f.number {
			f.applied.Revision, f.applied.Generation = f.kept.Revision, f.want.GenerationRevision
		}
	}
	if len(d.Changes) == 0 {
		f.last = nil
		return lookEvery
	}
	complaints, err := f.socket.Send(ctx, d.Changes)
	f.metrics.sent += len(d.Changes)
	if err != nil {
		f.trouble = err.Error()
		return retryEvery
	}
	if slices.Equal(d.Changes, f.last) { // they were sent, and are still to be done
		if !d.Settled {
			f.trouble = "HAProxy does not do what it is told: " + pool.Quote(complaints)
		}
		return lookEvery
	}
	f.last = d.Changes
	return 0
}

// adopt takes what HAProxy has for what is in force, where there is no memory: the pool that it serves with must not
// shrink unseen either.
func (f *follower) adopt(seen []haproxy.Seen) {
	f.known = true
	f.kept = kept{Balancer: f.cfg.Balancer, Force: pool.Force{Servers: map[string]pool.Server{}}}
	for _, s := range seen {
		ours := slices.ContainsFunc(f.cfg.Backends, func(b haproxy.Backend) bool { return b.Name == s.Backend })
		if !ours || pool.CheckName(s.Name) != nil || !s.Address.IsValid() || s.Port == 0 {
			continue
		}
		if had, there := f.kept.Servers[s.Name]; !there || !had.Takes() {
			f.kept.Servers[s.Name] = s.Server
		}
	}
}

// decide brings what is in force up to date with what etcd said last.
func (f *follower) decide(v view) {
	f.most.add(time.Now(), pool.Taking(f.kept.Servers))
	if v.revision == 0 {
		return
	}
	if v.number != f.number {
		want, err := f.keys.Read(v.keys, v.revision, f.cfg.Networks)
		if err != nil {
			f.unread = err.Error()
			return
		}
		f.want, f.number, f.unread = want, v.number, ""
	}
	before := f.kept
	f.kept.Force, f.held = pool.Decide(f.kept.Force, f.want, f.most.max())
	if f.kept.Spent != before.Spent { // what was confirmed counts from now on
		f.most = recent{}
		f.most.add(time.Now(), pool.Taking(f.kept.Servers))
	}
	f.kept.Balancer, f.kept.Revision = f.cfg.Balancer, f.want.Revision
	if told := difference(before.Servers, f.kept.Servers); told != "" {
		f.log.Printf("revision %d: %s", f.want.Revision, told)
	}
}

// save keeps what is in force for the next start. It comes after HAProxy has it, which a slow disk must not hold up.
func (f *follower) save() {
	if f.kept.Revision == 0 || f.saved.equal(f.kept) {
		return
	}
	f.unsaved = ""
	if err := saveState(f.cfg.State, f.kept); err != nil {
		f.unsaved = err.Error() // it is tried again with the next step
		return
	}
	f.saved = f.kept
}

// differences has what is to be done in all backends. Nothing is before etcd has been heard once.
func (f *follower) differences(seen []haproxy.Seen) haproxy.Difference {
	all := haproxy.Difference{Settled: true}
	if f.kept.Revision == 0 {
		return all
	}
	going := map[string]bool{}
	for _, b := range f.cfg.Backends {
		d := haproxy.Diff(b, seen, f.kept.Servers, func(name string) bool {
			on := b.Name + "/" + name
			going[on] = true
			if _, there := f.leaving[on]; !there {
				f.leaving[on] = time.Now()
			}
			limit := time.Duration(f.cfg.DrainSeconds) * time.Second
			return limit > 0 && time.Since(f.leaving[on]) > limit
		})
		all.Changes, all.Kept = append(all.Changes, d.Changes...), append(all.Kept, d.Kept...)
		all.Settled = all.Settled && d.Settled
	}
	maps.DeleteFunc(f.leaving, func(on string, _ time.Time) bool { return !going[on] })
	return all
}

// report is what this node says of itself.
func (f *follower) report() pool.Report {
	r := pool.Report{
		Revision: f.applied.Revision, Generation: f.applied.Generation,
		Servers: map[string]pool.State{}, Held: f.held, Kept: f.waiting, Trouble: f.trouble, Away: f.views.get().away,
	}
	for name, s := range f.kept.Servers {
		r.Servers[name] = s.State
	}
	if r.Trouble == "" {
		r.Trouble = f.unread
	}
	if r.Trouble == "" {
		r.Trouble = f.unsaved
	}
	r.Refuse(f.want.Bad)
	return r
}

// tell says what has changed to whoever reads the log, to systemd and to Prometheus.
func (f *follower) tell(r pool.Report, lists int64) {
	v := f.views.get()
	f.say("haproxy", r.Trouble)
	held, refused := "", ""
	if r.Held != nil {
		held = fmt.Sprintf("%s stay in use: %s", some(r.Held.Servers), r.Held.Why)
		if r.Held.Confirm != "" {
			held += fmt.Sprintf("; to let them go: put %s '%s'", f.keys.Generation(),
				pool.Generation{Confirm: r.Held.Confirm}.Render())
		}
	}
	f.say("held", held)
	if len(r.Refused) > 0 {
		refused = fmt.Sprintf("%d keys are refused, such as %s: %s", len(r.Refused)+r.More, r.Refused[0].Server,
			r.Refused[0].Why)
	}
	f.say("refused", refused)
	kept := ""
	if len(r.Kept) > 0 {
		kept = some(r.Kept) + " stay in use until another server is up"
	}
	f.say("kept", kept)
	status := fmt.Sprintf("revision %d applied, %d of %d servers take clients", r.Revision,
		pool.Taking(f.kept.Servers), len(r.Servers))
	if r.Away != "" {
		status += "; etcd is away"
	}
	if r.Trouble != "" {
		status += "; " + r.Trouble
	}
	if f.said["status"] != status {
		f.said["status"] = status
		notify("STATUS=" + status)
	}
	if os.Getenv("WATCHDOG_USEC") != "" {
		notify("WATCHDOG=1")
	}
	err := f.metrics.write(time.Now(), f.cfg, sample{
		report: r, revision: f.kept.Revision, away: v.away != "", seen: v.revision != 0,
		taking: pool.Taking(f.kept.Servers), asks: f.socket.Asks, lists: lists,
	})
	wrong := ""
	if err != nil {
		wrong = err.Error()
	}
	f.say("metrics", wrong)
}

// over is what is said when there is nothing more to be said of a matter.
var over = map[string]string{
	"haproxy": "HAProxy is as it must be",
	"held":    "no server is held any more",
	"kept":    "no server is kept any more",
	"refused": "no key is refused any more",
	"metrics": "metrics are written again",
}

// say logs what is to be said of a matter, once; "" when it is over.
func (f *follower) say(matter, text string) {
	if f.said[matter] == text {
		return
	}
	f.said[matter] = text
	if text == "" {
		text = over[matter]
	}
	f.log.Print(text)
}

// difference says which servers have changed, in a line.
func difference(before, after map[string]pool.Server) string {
	var told []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		old, there := before[name]
		switch s := after[name]; {
		case !there:
			told = append(told, name+" "+string(s.State)+", new")
		case s.State != old.State:
			told = append(told, name+" "+string(s.State))
		case s != old:
			told = append(told, name+" changed")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, there := after[name]; !there {
			told = append(told, name+" gone")
		}
	}
	return some(told)
}

// maxTold is how many things a line names.
const maxTold = 5

func some(things []string) string {
	if len(things) > maxTold {
		return fmt.Sprintf("%s and %d more", strings.Join(things[:maxTold], "; "), len(things)-maxTold)
	}
	return strings.Join(things, "; ")
}

// recent knows the largest pool of the last time that counts as at once.
type recent struct {
	sizes []size // each smaller than the one before
}

type size struct {
	at time.Time // when the pool had this size last
	n  int
}

func (r *recent) add(now time.Time, n int) {
	for len(r.sizes) > 0 && r.sizes[len(r.sizes)-1].n <= n {
		r.sizes = r.sizes[:len(r.sizes)-1]
	}
	r.sizes = append(r.sizes, size{now, n})
	for now.Sub(r.sizes[0].at) > atOnce {
		r.sizes = r.sizes[1:]
	}
}

func (r *recent) max() int { return r.sizes[0].n }
