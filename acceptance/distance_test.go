package acceptance

import (
	"context"
	"net"
	"sync"
	"time"
)

// A distance is a way between two machines: what goes in at one end comes out at the other one in order, and later.
// It is one connection of TCP at each end, so packets are not lost.
type distance struct {
	delay time.Duration                               // of each direction
	bits  float64                                     // a second, of each direction; 0: no limit
	dial  func(ctx context.Context) (net.Conn, error) // to the far end
	sent  func(bytes int, now time.Time)              // told what has left the near end, side by side; nil: nobody
}

// serve carries every connection to a listener until ctx is done, and returns when all of them have ended.
func (d distance) serve(ctx context.Context, near net.Listener) {
	var all sync.WaitGroup
	defer all.Wait()
	defer context.AfterFunc(ctx, func() { near.Close() })()
	for {
		conn, err := near.Accept()
		if err != nil {
			return
		}
		all.Go(func() { d.carry(ctx, conn) })
	}
}

// carry is one connection. The handshake of TCP takes its time too: the near end may send after two ways, and the far
// end knows of it after three.
func (d distance) carry(ctx context.Context, near net.Conn) {
	defer near.Close()
	began := time.Now()
	up := d.enter(ctx, near, began.Add(2*d.delay), d.sent)
	if !reached(ctx, began.Add(3*d.delay)) {
		return
	}
	far, err := d.dial(ctx)
	if err != nil {
		return
	}
	defer far.Close()
	defer context.AfterFunc(ctx, func() { near.Close(); far.Close() })()
	var both sync.WaitGroup
	both.Go(func() { leave(ctx, far, up) })
	both.Go(func() { leave(ctx, near, d.enter(ctx, far, time.Now(), nil)) })
	both.Wait()
}

// tardy is how much time of a way is not lost when a timer or a goroutine is late.
const tardy = 20 * time.Millisecond

// chunk is on its way until it is due.
type chunk struct {
	due  time.Time
	data []byte
}

// enter reads what is sent, no faster than the way takes it up and as if none of it came before earliest, until that
// ends.
func (d distance) enter(ctx context.Context, from net.Conn, earliest time.Time,
	sent func(int, time.Time),
) <-chan chunk {
	const most = 1 << 14 // chunks on their way: more than any window
	way := make(chan chunk, most)
	go func() {
		defer close(way)
		free := earliest
		for {
			data := make([]byte, 16<<10)
			n, err := from.Read(data)
			now := time.Now()
			if oldest := now.Add(-tardy); free.Before(oldest) {
				free = oldest
			}
			if d.bits > 0 {
				free = free.Add(time.Duration(float64(n) * 8 / d.bits * float64(time.Second)))
				if !reached(ctx, free) {
					return
				}
			}
			left := now
			if free.After(now) {
				left = free
			}
			if sent != nil && n > 0 {
				sent(n, left)
			}
			select {
			case way <- chunk{left.Add(d.delay), data[:n]}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return way
}

// leave writes what is due, and ends as the other end did.
func leave(ctx context.Context, to net.Conn, way <-chan chunk) {
	for c := range way {
		if !reached(ctx, c.due) {
			return
		}
		if _, err := to.Write(c.data); err != nil {
			to.Close() // so that the other direction ends too
			return
		}
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // it may be closed
	}
}

// reached waits for a moment, and says whether it came before ctx was done.
func reached(ctx context.Context, moment time.Time) bool {
	timer := time.NewTimer(time.Until(moment))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
