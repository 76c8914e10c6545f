package apply

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/shellword"
)

const (
	// maxLag is how many raft entries a learner may lack that was waited for: so many are written between two questions.
	// To etcd itself nine tenths of the log are enough (server/etcdserver/server.go, readyPercentThreshold), which of a
	// large one leaves much to be sent to a member whose acknowledgement counts already.
	maxLag = 100

	// slowest is how many bytes of the database reach a learner in a second, at least. A learner has nothing to show of
	// a snapshot before all of it is there.
	slowest = 5 << 20

	// patience is how many times as long a learner that goes on applying may take to come nearer.
	patience = 10
)

// awaitLearner waits until a learner has applied what the voters have. How long that takes depends on how much they
// have, so what is bounded is the time in which it makes no progress.
func (r *Run) awaitLearner(ctx context.Context, step plan.Step) error {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	way := &catchUp{lag: math.MaxUint64, grew: time.Now(), nearer: time.Now()}
	var last error // but that of a question which was cut short
	for {
		err := r.askLearner(ctx, step.Host, way)
		if err == nil || facts.Hopeless(err) {
			return err
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		quiet := r.timeout() + transit(way.size)
		switch long := patience * quiet; {
		case time.Since(way.grew) >= quiet:
			return r.behind(step.Host, fmt.Errorf("nothing new has reached it for %s: %w", quiet, last))
		case time.Since(way.nearer) >= long:
			return r.behind(step.Host, fmt.Errorf("more is written than reaches it, for %s: %w", long, last))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// catchUp is how far a learner has come.
type catchUp struct {
	applied, index uint64
	db             int64
	lag            uint64 // the least so far
	size           int64  // bytes of the voters' database
	grew, nearer   time.Time
}

// saw notes what there is of the learner now: what it has had before is no progress.
func (c *catchUp) saw(is facts.Status) {
	if is.Applied > c.applied || is.Index > c.index || is.DBSize > c.db {
		c.grew = time.Now()
	}
	c.applied, c.index, c.db = max(is.Applied, c.applied), max(is.Index, c.index), max(is.DBSize, c.db)
}

// askLearner asks the voters that are not dark, and the learner after them: there is no error when it has applied what
// they had, or when it votes and serves a read.
func (r *Run) askLearner(ctx context.Context, name string, way *catchUp) error {
	others := slices.DeleteFunc(r.members(), func(other string) bool { return other == name })
	said := make([]facts.Status, len(others))
	errs := sideBySide(others, func(i int, other string) (err error) {
		said[i], err = r.Etcd.Status(ctx, r.endpoint(other))
		return err
	})
	var applied []uint64
	for i, s := range said {
		if errs[i] == nil && !s.Learner && s.Leader != 0 {
			applied, way.size = append(applied, s.Applied), max(way.size, s.DBSize)
		}
	}
	slices.Sort(applied)
	is, err := r.Etcd.Status(ctx, r.endpoint(name))
	if err != nil {
		return err
	}
	way.saw(is)
	switch {
	case !is.Learner: // a read tells one that votes from one that has not yet read in its log that it does not
		return r.Etcd.ReadLinearizable(ctx, r.endpoint(name))
	case is.Leader == 0:
		return errors.New("it knows no leader")
	case len(applied) == 0:
		return errors.New("no member that votes and knows a leader answers")
	}
	// Of several, two have what was acknowledged, and one alone may say anything.
	has := applied[max(0, len(applied)-2)]
	lag := has - min(is.Applied, has)
	if lag < way.lag {
		way.lag, way.nearer = lag, time.Now()
	}
	if lag > maxLag {
		return fmt.Errorf("it lacks %d raft entries that the others have applied, and may lack %d", lag, maxLag)
	}
	return nil
}

// transit is how long a database of so many bytes may be on its way to a learner.
func transit(size int64) time.Duration {
	return time.Duration(max(size, 0)/slowest) * time.Second
}

// behind is the error of a learner that has not caught up.
func (r *Run) behind(name string, why error) error {
	return fmt.Errorf("%s has not caught up: %w; the link to its host or the disk there may be too slow, which "+
		"journalctl -u %s there tells; it has no vote, so it can be taken out again at any time: clusterup member remove %s",
		name, why, r.Want.Cluster.UnitName, name)
}

// unlessLearner is the error of a linearizable read through a member, unless that has joined without a vote: then it
// serves none, and knowing a leader is enough. A member that the last look saw in the member list with a vote is no
// learner: it takes itself for one until its log has told it.
func (r *Run) unlessLearner(ctx context.Context, endpoint string, err error) error {
	is, errStatus := r.Etcd.Status(ctx, endpoint)
	switch {
	case errStatus != nil || !is.Learner || r.serving.hasVote(is.MemberID):
		return err
	case is.Leader == 0:
		return errors.New("it has joined as a learner, and knows no leader")
	}
	return nil
}

// startTime is how long a member may take to become ready. A learner is not before it has applied what it is sent:
// etcd serves no client, and does not call itself ready, until the member has read in its log that it has published
// itself (server/etcdserver/server.go, publishV3).
func (r *Run) startTime(name string) time.Duration {
	size, learner := r.joins(name)
	if !learner {
		return r.timeout()
	}
	return r.timeout() + transit(size)
}

// joins says that the last look saw a member in the member list without a vote, and how many bytes the others'
// databases have.
func (r *Run) joins(name string) (size int64, learner bool) {
	return r.serving.learner(etcd.Asks(r.Want.Cluster)[name].Peer)
}

// received is how many KiB a learner that is not ready has on its disk, which grow while a snapshot is on its way; 0:
// it is no learner, or nobody knows.
func (r *Run) received(ctx context.Context, name string) int64 {
	if _, learner := r.joins(name); !learner {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := r.Hosts[name].Script(ctx, diskUse(etcd.Asks(r.Want.Cluster)[name].DataDir))
	if err != nil {
		return 0
	}
	size, _, _ := strings.Cut(string(out), "\t")
	kib, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		return 0
	}
	return kib
}

// diskUse prints how many KiB lie under a directory, of which files may vanish meanwhile, and its name after a TAB.
func diskUse(dir string) string {
	return "du -sk " + shellword.Quote(dir) + " 2>/dev/null\nexit 0\n"
}
