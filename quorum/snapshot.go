package quorum

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
)

// Saved says what a snapshot holds.
type Saved struct {
	Size     int64  // bytes, the digest at its end included
	SHA256   string // of the whole, hexadecimal
	Version  string // of the member, "3.6.16"
	Revision int64  // of the store, at least: what the member had applied right before
}

const (
	// maxQuiet is how long nothing may come of a snapshot. A snapshot as a whole has no deadline, for there is no
	// telling how large it is.
	maxQuiet = 30 * time.Second

	// maxChunk is what one message of a snapshot may hold, in bytes. Etcd sends 32 KiB
	// (server/etcdserver/api/v3rpc/maintenance.go).
	maxChunk = 4 << 20

	page = 512 // bytes; the size of a database is a multiple of it
)

// Snapshot copies the data of the member at endpoint to w, as they are now, and checks on the way that all of it
// arrived as it was sent: etcd appends a digest of the database, which belongs to the file. It blocks until all is
// written, and fails when nothing comes for 30 s; the time that w takes does not count. Memory stays small, whatever
// the size. After an error what was written is of no use. It needs no quorum, and only reads; with access control it
// needs the role root.
func (c *Cluster) Snapshot(ctx context.Context, endpoint string, w io.Writer) (Saved, error) {
	const op = "save snapshot of"
	saved, err := c.describe(ctx, endpoint)
	if err != nil {
		return Saved{}, err
	}
	n, err := c.conn(endpoint)
	if err != nil {
		return Saved{}, &Error{Endpoint: endpoint, Op: op, Err: err}
	}
	sum := newSummer()
	if err := c.stream(ctx, n, io.MultiWriter(w, sum)); err != nil {
		return Saved{}, c.fault(ctx, n, op, err)
	}
	if err := sum.check(); err != nil {
		return Saved{}, c.fault(ctx, n, op, &Error{Err: err})
	}
	saved.Size, saved.SHA256 = sum.size, hex.EncodeToString(sum.whole.Sum(nil))
	return saved, nil
}

// describe is what the stream itself does not tell, or not before 3.6.
func (c *Cluster) describe(ctx context.Context, endpoint string) (Saved, error) {
	return ask(ctx, c, endpoint, "ask status of", func(ctx context.Context, n *conn) (Saved, error) {
		r, err := n.maintenance().Status(ctx, endpoint)
		if err != nil {
			return Saved{}, err
		}
		header := r.Header
		return Saved{Version: r.Version, Revision: header.GetRevision()}, nil
	})
}

var errQuiet = errors.New("nothing came in time")

// stream writes what the member sends. An error of w is an *Error already.
func (c *Cluster) stream(ctx context.Context, n *conn, w io.Writer) error {
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
	}
}

// summer digests what passes: the whole, and all but its last bytes, which are to be the digest of what is before them.
type summer struct {
	whole, body hash.Hash
	tail        []byte // of the stream, so far
	size        int64
}

func newSummer() *summer { return &summer{whole: sha256.New(), body: sha256.New()} }

func (s *summer) Write(p []byte) (int, error) {
	s.size += int64(len(p))
	s.whole.Write(p)
	s.tail = append(s.tail, p...)
	if n := len(s.tail) - sha256.Size; n > 0 {
		s.body.Write(s.tail[:n])
		s.tail = s.tail[:copy(s.tail, s.tail[n:])]
	}
	return len(p), nil
}

func (s *summer) check() error {
	switch {
	case s.size%page != sha256.Size || s.size == sha256.Size:
		return fmt.Errorf("cut short: %d bytes, which is not a database and a digest", s.size)
	case string(s.body.Sum(nil)) != string(s.tail):
		return fmt.Errorf("altered: its %d bytes do not fit the digest at their end", s.size)
	}
	return nil
}
