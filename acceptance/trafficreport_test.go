package acceptance

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

// report is what the clients of a cluster saw.
type report struct {
	acked, failed int
	changes       int           // of the leader
	longest       time.Duration // between two acknowledged writes
	at            time.Duration // since the start, when that gap began
	took          time.Duration
	errors        []string // of writes, each with when it came
	unexplained   int      // writes that failed while the leader did not change
	wrong         []string // what no client may see, ever
	presence      *presence
}

// report compares what was acknowledged with what can be read in the end.
func (tr *traffic) report(kept []*mvccpb.KeyValue) report {
	r := report{took: time.Since(tr.began), presence: tr.presence}
	found := map[string]*mvccpb.KeyValue{}
	for _, kv := range kept {
		found[string(kv.Key)] = kv
	}
	var acked, failed []write
	for writer, all := range tr.writes {
		last := int64(0)
		for n, w := range all {
			key := tr.key(writer, n)
			if wrong := judge(w, n, last, found[key]); wrong != "" {
				r.wrong = append(r.wrong, key+" "+wrong)
			}
			delete(found, key)
			if w.err != nil {
				failed = append(failed, w)
			} else {
				acked, last = append(acked, w), w.revision
			}
		}
	}
	for key := range found {
		r.wrong = append(r.wrong, key+" was written by nobody")
	}
	for _, o := range tr.watchers {
		for _, wrong := range o.wrong {
			r.wrong = append(r.wrong, "the watcher on "+o.name+": "+wrong)
		}
	}
	r.count(tr.began, tr.stopped, acked, failed)
	return r
}

// judge says what is wrong with the n-th write of a writer, whose last acknowledged one was at a revision; "" is
// nothing.
func judge(w write, n int, last int64, kept *mvccpb.KeyValue) string {
	switch {
	case kept == nil && w.err == nil:
		return fmt.Sprintf("was acknowledged at revision %d, and is lost", w.revision)
	case kept == nil:
		return ""
	case string(kept.Value) != strconv.Itoa(n) || kept.Version != 1:
		return fmt.Sprintf("reads %q, and was written %d times", kept.Value, kept.Version)
	case kept.ModRevision <= last || w.err == nil && kept.ModRevision != w.revision:
		return fmt.Sprintf("was acknowledged at revision %d, and is at %d, after %d", w.revision, kept.ModRevision, last)
	}
	return ""
}

// count finds changes of the leader, and gaps until the writers were to stop. Raft drops a proposal that comes while
// the leader changes: such a write fails at once, or when its client has waited long enough, and etcd's client does not
// try a put again.
func (r *report) count(began, stopped time.Time, acked, failed []write) {
	if len(acked) == 0 {
		r.wrong, r.failed = append(r.wrong, "no write was acknowledged"), len(failed)
		return
	}
	slices.SortFunc(acked, func(a, b write) int { return cmp.Compare(a.ended.UnixNano(), b.ended.UnixNano()) })
	type change struct{ after, before time.Time }
	var changes []change
	const settled = time.Second // until every member has heard of the new leader
	term := acked[0].term
	for i := 1; i < len(acked); i++ {
		last, next := acked[i-1], acked[i]
		if gap := next.ended.Sub(last.ended); gap > r.longest && last.ended.Before(stopped) {
			r.longest, r.at = gap, last.ended.Sub(began)
		}
		if next.term > term {
			changes, term = append(changes, change{last.began, next.ended.Add(settled)}), next.term
		}
	}
	for _, w := range failed {
		r.errors = append(r.errors, fmt.Sprintf("%.2f s, after %.2f s: %v", w.began.Sub(began).Seconds(),
			w.ended.Sub(w.began).Seconds(), w.err))
		if !slices.ContainsFunc(changes, func(c change) bool { return w.began.Before(c.before) && w.ended.After(c.after) }) {
			r.unexplained++
		}
	}
	r.acked, r.failed, r.changes = len(acked), len(failed), len(changes)
}

func (r report) String() string {
	const few = 10
	text := fmt.Sprintf(
		"%d writes acknowledged, %d failed, %d of them for another reason than one of %d changes of the leader; longest gap %.2f s at %.1f s of %.1f s; away at once at the most: %v",
		r.acked, r.failed, r.unexplained, r.changes, r.longest.Seconds(), r.at.Seconds(), r.took.Seconds(), r.presence.most())
	for _, lines := range [][]string{r.errors, r.wrong} {
		text += "\n" + strings.Join(lines[:min(few, len(lines))], "\n")
	}
	return strings.TrimSpace(text)
}

// sound checks what holds whatever happens to a cluster: no acknowledged write is lost, done twice or out of order, no
// watcher misses anything; and of the members that nobody else took down, no two were away at once.
func (r report) sound(t *testing.T, excused ...string) {
	t.Helper()
	for _, wrong := range r.wrong {
		t.Error(wrong)
	}
	if most := r.presence.most(excused...); len(most) > 1 {
		t.Errorf("away at once: %v", most)
	}
}

// unnoticed checks that no client noticed anything but a moment's wait, or lost a write to a change of the leader. The
// bound is for a machine that does much else.
func (r report) unnoticed(t *testing.T, excused ...string) {
	t.Helper()
	r.sound(t, excused...)
	const long = 5 * time.Second
	if r.unexplained > 0 || r.longest > long {
		t.Errorf("%d of %d writes failed for no good reason, and the longest gap was %s", r.unexplained, r.failed+r.acked,
			r.longest)
	}
}
