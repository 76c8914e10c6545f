package quorum

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/clusterup/clusterup/snapshot"
)

// Saved says what has come of a snapshot.
type Saved struct {
	Size   int64  // bytes, the digest at its end included
	SHA256 string // of the whole, hexadecimal
}

const (
	// maxQuiet is how long nothing may come of a snapshot. A snapshot as a whole has no deadline, for there is no
	// telling how large it is.
	maxQuiet = 30 * time.Second

	// maxChunk is what one message of a snapshot may hold, in bytes. Etcd sends 32 KiB
	// (server/etcdserver/api/v3rpc/maintenance.go).
	maxChunk = 4 << 20
)

// Snapshot copies the data of the member at endpoint to w, as they are now, and checks on the way that all of it
// arrived as it was sent: etcd appends a digest of the database, which belongs to the file. It blocks until all is
// written, and fails when nothing comes for 30 s; the time that w takes does not count. Memory stays small, whatever
// the size. After an error what was written is of no use. It needs no quorum, and only reads; with access control it
// needs the role root. Progress hears how many bytes of how many have come, and may be nil.
func (c *Cluster) Snapshot(ctx context.Context, endpoint string, w io.Writer,
	progress func(done, total int64),
) (Saved, error) {
	const op = "save snapshot of"
	n, err := c.conn(endpoint)
	if err != nil {
		return Saved{}, &Error{Endpoint: endpoint, Op: op, Err: err}
	}
	sum := snapshot.NewSum()
	err = c.stream(ctx, n, io.MultiWriter(w, sum), func(left uint64) {
		if progress != nil {
			progress(sum.Size(), sum.Size()+int64(min(left, math.MaxInt64/2))) //nolint:gosec // it fits now
		}
	})
	if err != nil {
		return Saved{}, c.fault(ctx, n, op, err)
	}
	if err := sum.Check(); err != nil {
		return Saved{}, c.fault(ctx, n, op, &Error{Err: err})
	}
	return Saved{Size: sum.Size(), SHA256: sum.SHA256()}, nil
}

var errQuiet = errors.New("nothing came in time")

// stream writes what the member sends, and tells how many bytes are left. An error of w is an *Error already.
func (c *Cluster) stream(ctx context.Context, n *conn, w io.Writer, tell func(left uint64)) error {
	bounded, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(c.quiet, func() { cancel(errQuiet) })
	defer watch.Stop()
	explain := func(err error) error {
		if errors.Is(context.Cause(bounded), errQuiet) && ctx.Err() == nil {
			return &Error{Err: fmt.Errorf("no data within %s: %w", c.quiet, context.DeadlineExceeded)}
		}
		return err
	}

	// The stream itself, without the client's goroutine and pipe around it: these do not tell a slow disk from a slow
	// member.
	s, err := pb.NewMaintenanceClient(n.client.ActiveConnection()).Snapshot(bounded, &pb.SnapshotRequest{},
		grpc.WaitForReady(false), grpc.MaxCallRecvMsgSize(maxChunk))
	if err != nil {
		return explain(err)
	}
	for {
		watch.Reset(c.quiet)
		r, err := s.Recv()
		watch.Stop()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return explain(err)
		}
		if _, err := w.Write(r.Blob); err != nil {
			return &Error{Err: fmt.Errorf("write it: %w", err)}
		}
		tell(r.RemainingBytes)
	}
}
