package quorum

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
)

// maxFollowed is how many bytes one answer may have that tells of keys. Etcd itself takes 1.5 MiB in one key.
const maxFollowed = 8 << 20

// Range is a set of keys: one key, or all keys that begin alike.
type Range struct {
	Key    string
	Prefix bool // every key that begins with Key
}

func (r Range) end() []byte {
	if r.Prefix {
		return []byte(clientv3.GetPrefixRangeEnd(r.Key))
	}
	return nil
}

// Key is a key as it stood at some revision.
type Key struct {
	Key      string
	Value    []byte
	Revision int64 // of its last change
	Deleted  bool  // by that change; never in an answer of List
}

// Changes is what a watch tells at once. All changes that one transaction made in one Range are in the same Changes.
type Changes struct {
	Revision int64 // of the store, when the member sent this
	Keys     []Key // in the order of their revisions; none: all is still well
}

// List reads keys through the member at endpoint, linearizably, all at the revision that it returns, at most limit of
// each range. It asks for these ranges and nothing beside them, so that rights on each of them are enough.
func (c *Cluster) List(ctx context.Context, endpoint string, limit int64, ranges ...Range) ([]Key, int64, error) {
	request := &pb.TxnRequest{}
	for _, r := range ranges {
		request.Success = append(request.Success, &pb.RequestOp{Request: &pb.RequestOp_RequestRange{
			RequestRange: &pb.RangeRequest{Key: []byte(r.Key), RangeEnd: r.end(), Limit: limit},
		}})
	}
	answer, err := ask(ctx, c, endpoint, "list keys of", func(ctx context.Context, n *conn) (*pb.TxnResponse, error) {
		r, err := pb.NewKVClient(n.client.ActiveConnection()).Txn(clientv3.WithRequireLeader(ctx), request,
			grpc.MaxCallRecvMsgSize(maxFollowed))
		return r, tooLarge(err)
	})
	if err != nil {
		return nil, 0, err
	}
	var keys []Key
	for _, r := range answer.Responses {
		for _, kv := range r.GetResponseRange().GetKvs() {
			keys = append(keys, Key{Key: string(kv.Key), Value: kv.Value, Revision: kv.ModRevision})
		}
	}
	return keys, answer.GetHeader().GetRevision(), nil
}

// Watch tells, through the member at endpoint, the changes of keys from revision from on, until ctx ends or the member
// can no longer tell: it has lost the leader, the revision is compacted, the connection broke, or not a word came for
// quiet, although the member is asked three times in that time whether all is well. It repeats nothing, and always
// returns an error; then a caller lists the keys anew. Tell is called from this goroutine.
func (c *Cluster) Watch(ctx context.Context, endpoint string, from int64, quiet time.Duration, ranges []Range,
	tell func(Changes),
) error {
	const op = "watch keys of"
	n, err := c.conn(endpoint)
	if err != nil {
		return &Error{Endpoint: endpoint, Op: op, Err: err}
	}
	fault := c.fault(ctx, n, op, watch(ctx, n, from, quiet, ranges, tell))
	if fault.broken() {
		c.forget(n)
	}
	return fault
}

func watch(parent context.Context, n *conn, from int64, quiet time.Duration, ranges []Range,
	tell func(Changes),
) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	silence := time.AfterFunc(quiet, func() { cancel(errQuiet) })
	defer silence.Stop()
	explain := func(err error) error {
		if errors.Is(context.Cause(ctx), errQuiet) && parent.Err() == nil {
			return &Error{Kind: errUnreachable, Err: fmt.Errorf("not a word within %s: %w", quiet, context.DeadlineExceeded)}
		}
		return err
	}

	// The stream itself, without the client's watcher around it: that one goes on by itself for ever, in its own time.
	s, err := pb.NewWatchClient(n.client.ActiveConnection()).Watch(clientv3.WithRequireLeader(ctx),
		grpc.WaitForReady(false), grpc.MaxCallRecvMsgSize(maxFollowed))
	if err != nil {
		return explain(err)
	}
	for _, r := range ranges {
		if err := s.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{
			CreateRequest: &pb.WatchCreateRequest{
				Key: []byte(r.Key), RangeEnd: r.end(), StartRevision: from, ProgressNotify: true,
			},
		}}); err != nil {
			break // Recv says why
		}
	}
	asked := make(chan struct{})
	go func() { defer close(asked); askProgress(ctx, s, quiet/3) }()
	defer func() { cancel(nil); <-asked }()
	for {
		r, err := s.Recv()
		if err != nil {
			return explain(err)
		}
		silence.Reset(quiet)
		switch {
		case r.CompactRevision != 0:
			return &Error{Err: fmt.Errorf("revision %d is gone, compacted up to %d", from, r.CompactRevision)}
		case r.Canceled:
			return &Error{Err: fmt.Errorf("the member ends it: %s", r.CancelReason)}
		}
		tell(changes(r))
	}
}

// askProgress asks again and again whether all is well, until ctx ends.
func askProgress(ctx context.Context, s pb.Watch_WatchClient, every time.Duration) {
	again := time.NewTicker(every)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
		if s.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{
			ProgressRequest: &pb.WatchProgressRequest{},
		}}) != nil {
			return
		}
	}
}

func changes(r *pb.WatchResponse) Changes {
	told := Changes{Revision: r.GetHeader().GetRevision()}
	for _, e := range r.Events {
		told.Keys = append(told.Keys, Key{
			Key: string(e.Kv.Key), Value: e.Kv.Value, Revision: e.Kv.ModRevision,
			Deleted: e.Type == mvccpb.Event_DELETE,
		})
	}
	return told
}
