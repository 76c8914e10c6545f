package quorum

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/clusterup/clusterup/facts"
)

const page = 512 // bytes

// database is what a member sends: pages, and their digest.
func database(pages int) []byte {
	db := make([]byte, pages*page)
	for i := range db {
		db[i] = byte(i * i >> 3)
	}
	sum := sha256.Sum256(db)
	return append(db, sum[:]...)
}

// chunks sends all of data, n bytes at a time.
func chunks(data []byte, n int) func(func([]byte) error) error {
	return func(send func([]byte) error) error {
		for len(data) > 0 {
			next := data[:min(n, len(data))]
			data = data[len(next):]
			if err := send(next); err != nil {
				return err
			}
		}
		return nil
	}
}

func snapshotFake(snapshot func(func([]byte) error) error) *fake {
	s := aStatus()
	s.Header.Revision = 12
	return &fake{status: s, snapshot: snapshot}
}

func TestSnapshot(t *testing.T) {
	data := database(20)
	sum := sha256.Sum256(data)
	want := Saved{Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])}
	for _, n := range []int{1, 31, 32, 33, 512, 10239, len(data) - 1, len(data)} {
		c, _ := oneMember(t, snapshotFake(chunks(data, n)))
		var out bytes.Buffer
		var done, total int64
		got, err := c.Snapshot(t.Context(), epIPv4, &out, func(d, t int64) { done, total = d, t })
		if err != nil || got != want || !bytes.Equal(out.Bytes(), data) || done != got.Size || total != got.Size {
			t.Errorf("%d bytes at a time: %+v, %v; want %+v; heard %d of %d", n, got, err, want, done, total)
		}
	}
}

// A snapshot that was damaged on its way, however, is an error.
func TestSnapshotDamaged(t *testing.T) {
	const pages = 3
	for name, damage := range map[string]func([]byte) []byte{
		"nothing at all":      func([]byte) []byte { return nil },
		"a digest alone":      func([]byte) []byte { sum := sha256.Sum256(nil); return sum[:] },
		"cut by a byte":       func(d []byte) []byte { return d[:len(d)-1] },
		"cut at a page":       func(d []byte) []byte { return d[:2*page] },
		"cut a page and more": func(d []byte) []byte { return d[:2*page+sha256.Size] },
		"no digest":           func(d []byte) []byte { return d[:pages*page] },
		"a page left out":     func(d []byte) []byte { return append(d[:page:page], d[2*page:]...) },
		"pages swapped": func(d []byte) []byte {
			return bytes.Join([][]byte{d[page : 2*page], d[:page], d[2*page:]}, nil)
		},
		"a bit in the data":     func(d []byte) []byte { d[page] ^= 1; return d },
		"a bit in the digest":   func(d []byte) []byte { d[len(d)-1] ^= 0x80; return d },
		"a page too many":       func(d []byte) []byte { return append(make([]byte, page), d...) },
		"a byte too many":       func(d []byte) []byte { return append(d, 0) },
		"sent twice":            func(d []byte) []byte { return append(d, d...) },
		"another, right digest": func(d []byte) []byte { return append(d[:page], database(pages)[pages*page:]...) },
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := oneMember(t, snapshotFake(chunks(damage(database(pages)), 700)))
			got, err := c.Snapshot(t.Context(), epIPv4, io.Discard, nil)
			var e *Error
			if !errors.As(err, &e) || e.Endpoint != epIPv4 || got != (Saved{}) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

// A stream that breaks off is an error even if all the data came.
func TestSnapshotBroken(t *testing.T) {
	data := database(4)
	after := func(err error) func(func([]byte) error) error {
		return func(send func([]byte) error) error { return cmp.Or(chunks(data, 100)(send), err) }
	}
	for _, tc := range []struct {
		name     string
		snapshot func(func([]byte) error) error
		w        io.Writer
		kind, is error
		text     string
	}{
		{"the member fails", after(status.Error(codes.Unknown, "disk broken")), io.Discard, nil, nil, "disk broken"},
		{"the member stops", after(rpctypes.ErrGRPCStopped), io.Discard, errUnreachable, nil, "server stopped"},
		{
			"silence at once", func(func([]byte) error) error { return errSilent }, io.Discard, nil, context.DeadlineExceeded,
			"no data within 300ms",
		},
		{"silence after all", after(errSilent), io.Discard, nil, context.DeadlineExceeded, "no data within 300ms"},
		{
			"no access", func(func([]byte) error) error { return rpctypes.ErrGRPCPermissionDenied }, io.Discard,
			facts.ErrPermission, nil, "permission denied",
		},
		{"our disk is full", chunks(data, 100), fullDisk{}, nil, syscall.ENOSPC, "write it: no space left"},
		{"a huge message", chunks(make([]byte, maxChunk+1), maxChunk+1), io.Discard, nil, nil, "larger than max"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c, _ := oneMember(t, snapshotFake(tc.snapshot))
			c.quiet = quick
			got, err := c.Snapshot(t.Context(), epIPv4, tc.w, nil)
			checkError(t, err, tc.kind, tc.is, tc.text)
			if got != (Saved{}) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// A slow disk is waited for, even longer than a member may be silent.
func TestSnapshotSlowDisk(t *testing.T) {
	data := database(4)
	c, _ := oneMember(t, snapshotFake(chunks(data, 1000)))
	c.quiet = quick
	w := slowDisk{after: 2 * quick}
	if got, err := c.Snapshot(t.Context(), epIPv4, &w, nil); err != nil || got.Size != int64(len(data)) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// slowDisk takes that long for its first write.
type slowDisk struct {
	after time.Duration
	done  bool
}

func (s *slowDisk) Write(p []byte) (int, error) {
	if !s.done {
		<-time.After(s.after)
		s.done = true
	}
	return len(p), nil
}

func TestSnapshotCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, _ := oneMember(t, snapshotFake(func(send func([]byte) error) error {
		if err := send(database(1)); err != nil {
			return err
		}
		return errSilent
	}))
	_, err := c.Snapshot(ctx, epIPv4, writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil }), nil)
	var e *Error
	if !errors.Is(err, context.Canceled) || !errors.As(err, &e) || e.Kind != nil {
		t.Errorf("got %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// The memory that a snapshot takes does not grow with its size.
func TestSnapshotMemory(t *testing.T) {
	const pages, most = 400_000, 32 << 20 // 200 MiB
	empty := make([]byte, 64*page)
	body := sha256.New()
	c, _ := oneMember(t, snapshotFake(func(send func([]byte) error) error {
		for range pages / 64 {
			body.Write(empty)
			if err := send(empty); err != nil {
				return err
			}
		}
		return send(body.Sum(nil))
	}))
	var peak atomic.Uint64
	writes := 0
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	_, err := c.Snapshot(t.Context(), epIPv4, writerFunc(func(p []byte) (int, error) {
		if writes++; writes%1000 == 0 {
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			peak.Store(max(peak.Load(), now.HeapAlloc))
		}
		return len(p), nil
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	if peak.Load() > before.HeapAlloc+most {
		t.Errorf("%d MiB more at its peak", (peak.Load()-before.HeapAlloc)>>20)
	}
}
