package quorum

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// inTurn has a member answer each request of a watch with one of these, and then no more.
func inTurn(rs ...*pb.WatchResponse) func(pb.Watch_WatchServer) error {
	return func(s pb.Watch_WatchServer) error {
		for _, r := range rs {
			if _, err := s.Recv(); err != nil {
				return err
			}
			if err := s.Send(r); err != nil {
				return err
			}
		}
		<-s.Context().Done()
		return nil
	}
}

func TestWatchEnds(t *testing.T) {
	created := &pb.WatchResponse{Created: true}
	for _, tc := range []struct {
		name     string
		watch    func(pb.Watch_WatchServer) error
		kind, is error
		text     string
	}{
		{"silence", inTurn(), errUnreachable, context.DeadlineExceeded, "not a word within 300ms"},
		{"silence after a word", inTurn(created), errUnreachable, context.DeadlineExceeded, "not a word within 300ms"},
		{"compacted", inTurn(created, &pb.WatchResponse{Canceled: true, CompactRevision: 9}), nil, nil, "compacted up to 9"},
		{
			"cancelled", inTurn(&pb.WatchResponse{Created: true, Canceled: true, CancelReason: "no rights"}), nil, nil,
			"no rights",
		},
		{"no leader", func(pb.Watch_WatchServer) error { return rpctypes.ErrGRPCNoLeader }, nil, nil, "no leader"},
		{"over", func(pb.Watch_WatchServer) error { return nil }, nil, nil, "EOF"},
		{"none", nil, nil, nil, "not implemented"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c, _ := oneMember(t, &fake{watch: tc.watch})
			err := c.Watch(t.Context(), epIPv4, 3, quick, []Range{{Key: "a"}}, func(Changes) {})
			checkError(t, err, tc.kind, tc.is, tc.text)
		})
	}
}

// A member that answers whether all is well is not silent, however long nothing changes.
func TestWatchQuiet(t *testing.T) {
	asked := 0
	c, _ := oneMember(t, &fake{watch: func(s pb.Watch_WatchServer) error {
		for {
			r, err := s.Recv()
			if err != nil {
				return err
			}
			if r.GetProgressRequest() == nil {
				continue
			}
			if asked++; asked == 10 { // over a time that is three times what it may be silent
				return rpctypes.ErrGRPCNoLeader
			}
			if err := s.Send(&pb.WatchResponse{Header: &pb.ResponseHeader{Revision: 5}, WatchId: -1}); err != nil {
				return err
			}
		}
	}})
	heard := 0
	err := c.Watch(t.Context(), epIPv4, 3, quick, []Range{{Key: "a"}}, func(got Changes) {
		if heard++; got.Revision != 5 || len(got.Keys) > 0 {
			t.Errorf("%+v", got)
		}
	})
	if heard != 9 || err == nil || !strings.Contains(err.Error(), "no leader") {
		t.Errorf("heard %d, %v", heard, err)
	}
}

// follows lists keys of a real cluster and watches them, while somebody changes them; and has a report with a lease.
func follows(t *testing.T, c *Cluster, members []*member) {
	t.Helper()
	ctx, endpoint := t.Context(), members[0].endpoint
	n, err := c.conn(members[1].endpoint)
	if err != nil {
		t.Fatal(err)
	}
	put := func(key, value string) int64 {
		t.Helper()
		r, err := n.client.Put(ctx, key, value)
		if err != nil {
			t.Fatal(err)
		}
		return r.Header.Revision
	}
	first := put("f/server/a", "1")
	put("f/server/b", "2")
	put("f/other", "3")
	last := put("f/generation", "4")
	ranges := []Range{{Key: "f/server/", Prefix: true}, {Key: "f/generation"}}
	keys, revision, err := c.List(ctx, endpoint, 10, ranges...)
	want := []Key{
		{Key: "f/server/a", Value: []byte("1"), Revision: first},
		{Key: "f/server/b", Value: []byte("2"), Revision: first + 1},
		{Key: "f/generation", Value: []byte("4"), Revision: last},
	}
	if diff := cmp.Diff(want, keys); diff != "" || err != nil || revision != last {
		t.Errorf("%s%v, %d", diff, err, revision)
	}
	if keys, _, err := c.List(ctx, endpoint, 1, ranges...); len(keys) != 2 || err != nil {
		t.Errorf("one of each: %v, %v", keys, err)
	}

	both, err := n.client.Txn(ctx).Then(clientv3.OpDelete("f/server/", clientv3.WithPrefix()),
		clientv3.OpPut("f/other", "5"), clientv3.OpPut("f/generation", "6")).Commit()
	if err != nil {
		t.Fatal(err)
	}
	last = both.Header.Revision
	enough := errors.New("enough")
	watching, cancel := context.WithCancelCause(ctx)
	told := map[string]Key{}
	err = c.Watch(watching, endpoint, revision+1, patience, ranges, func(got Changes) {
		for _, k := range got.Keys {
			told[k.Key] = k
		}
		if len(told) == 3 {
			cancel(enough)
		}
	})
	if !errors.Is(err, enough) {
		t.Error(err)
	}
	if diff := cmp.Diff(map[string]Key{
		"f/server/a":   {Key: "f/server/a", Revision: last, Deleted: true},
		"f/server/b":   {Key: "f/server/b", Revision: last, Deleted: true},
		"f/generation": {Key: "f/generation", Value: []byte("6"), Revision: last},
	}, told); diff != "" {
		t.Error(diff)
	}

	if _, err := n.client.Compact(ctx, last); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the member has compacted too", func() bool {
		soon, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		err = c.Watch(soon, endpoint, first, patience, ranges, func(Changes) {})
		return err != nil && strings.Contains(err.Error(), fmt.Sprintf("compacted up to %d", last))
	})
	reports(t, c, members)
}

func reports(t *testing.T, c *Cluster, members []*member) {
	t.Helper()
	ctx, endpoint := t.Context(), members[0].endpoint
	lease, err := c.PutLeased(ctx, endpoint, "f/follower/n", "1", 0, time.Minute)
	if err != nil || lease == 0 {
		t.Fatal(lease, err)
	}
	if again, err := c.PutLeased(ctx, members[1].endpoint, "f/follower/n", "2", lease, time.Minute); err != nil || again != lease {
		t.Error(again, err)
	}
	if lives, err := c.Renew(ctx, members[1].endpoint, lease); err != nil || !lives {
		t.Error(lives, err)
	}
	if keys, _, err := c.List(ctx, endpoint, 1, Range{Key: "f/follower/n"}); err != nil || string(keys[0].Value) != "2" {
		t.Error(keys, err)
	}
	n, err := c.conn(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.client.Revoke(ctx, clientv3.LeaseID(lease)); err != nil {
		t.Fatal(err)
	}
	if lives, err := c.Renew(ctx, endpoint, lease); err != nil || lives {
		t.Error(lives, err)
	}
	if again, err := c.PutLeased(ctx, endpoint, "f/follower/n", "3", lease, time.Minute); again != 0 || err == nil {
		t.Error(again, err)
	}
	if keys, _, err := c.List(ctx, endpoint, 1, Range{Key: "f/follower/n"}); err != nil || len(keys) > 0 {
		t.Error(keys, err)
	}
}
