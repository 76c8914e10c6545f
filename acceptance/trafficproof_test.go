package acceptance

import (
	"errors"
	"slices"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// An observer notices a change that is missing, comes twice, or comes out of order.
func TestTrafficNotices(t *testing.T) {
	type change struct {
		revision int64
		key      string
	}
	for name, test := range map[string]struct {
		seen []change
		good bool
	}{
		"in order":                 {[]change{{8, "a"}, {9, "a"}, {10, "b"}}, true},
		"two keys in one revision": {[]change{{8, "a"}, {8, "b"}, {9, "a"}}, true},
		"a gap":                    {[]change{{8, "a"}, {10, "b"}}, false},
		"a gap at the start":       {[]change{{9, "a"}}, false},
		"twice":                    {[]change{{8, "a"}, {8, "a"}}, false},
		"back again":               {[]change{{8, "a"}, {9, "b"}, {8, "a"}}, false},
	} {
		o := newObserver(name, 7)
		for _, c := range test.seen {
			o.see(clientv3.WatchResponse{Events: []*clientv3.Event{{Kv: &mvccpb.KeyValue{
				Key:         []byte(c.key),
				ModRevision: c.revision,
			}}}})
		}
		if good := len(o.wrong) == 0; good != test.good {
			t.Errorf("a watcher that sees changes %s says %q", name, o.wrong)
		}
	}
	kept := func(value string, revision, version int64) *mvccpb.KeyValue {
		return &mvccpb.KeyValue{Value: []byte(value), ModRevision: revision, Version: version}
	}
	acked, lost := write{revision: 9}, write{err: errors.New("timed out")}
	for name, test := range map[string]struct {
		write write
		kept  *mvccpb.KeyValue
		good  bool
	}{
		"acknowledged":                   {acked, kept("3", 9, 1), true},
		"failed":                         {lost, nil, true},
		"failed, but done":               {lost, kept("3", 9, 1), true},
		"acknowledged and lost":          {acked, nil, false},
		"acknowledged and altered":       {acked, kept("4", 9, 1), false},
		"acknowledged and done twice":    {acked, kept("3", 9, 2), false},
		"acknowledged at another moment": {acked, kept("3", 10, 1), false},
		"done before its predecessor":    {lost, kept("3", 8, 1), false},
	} {
		if wrong := judge(test.write, 3, 8, test.kept); (wrong == "") != test.good {
			t.Errorf("of a write that is %s it is said %q", name, wrong)
		}
	}
	p := presence{absent: map[string]bool{}}
	for _, note := range []struct {
		name string
		here bool
	}{{"a", false}, {"a", true}, {"b", false}, {"c", false}, {"b", true}} {
		p.note(note.name, note.here)
	}
	if most, excused := p.most(), p.most("c"); !slices.Equal(most, []string{"b", "c"}) || len(excused) != 1 {
		t.Errorf("away at once were %v, and %v", most, excused)
	}
}

// A write that fails is put down to a change of the leader only when there was one.
func TestTrafficExplains(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(int64(seconds), 0) }
	ack := func(second int, term uint64) write {
		return write{began: at(second), ended: at(second), term: term}
	}
	acked := []write{ack(1, 2), ack(2, 2), ack(20, 3), ack(21, 2), ack(22, 3), ack(40, 3), ack(99, 3)}
	failed := []write{{began: at(3), ended: at(8)}, {began: at(15), ended: at(25)}, {began: at(30), ended: at(35)}}
	var r report
	r.count(at(0), at(41), acked, failed)
	if r.acked != 7 || r.failed != 3 || r.changes != 1 || r.unexplained != 1 || r.longest != 59*time.Second ||
		r.at != 40*time.Second {
		t.Errorf("%+v", r)
	}
}
