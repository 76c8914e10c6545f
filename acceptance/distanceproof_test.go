package acceptance

import (
	"bytes"
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestDistance proves of the way itself that nothing arrives early, that all of it arrives in order, and that what
// follows does not wait for what is on its way.
func TestDistance(t *testing.T) {
	t.Parallel()
	const delay = 20 * time.Millisecond
	t.Run("round trips", func(t *testing.T) {
		conn := across(t, distance{delay: delay}, func(far net.Conn) { _, _ = io.Copy(far, far) })
		began := time.Now()
		const trips = 5
		for i := range trips {
			word := []byte{byte(i), 1, 2, 3}
			_, err := conn.Write(word)
			must(t, err)
			answer := make([]byte, len(word))
			if _, err := io.ReadFull(conn, answer); err != nil || !bytes.Equal(word, answer) {
				t.Fatalf("%v came back as %v, %v", word, answer, err)
			}
		}
		// One more for the handshake of TCP.
		if took := time.Since(began); took < (trips+1)*2*delay {
			t.Errorf("%d round trips took %s", trips, took)
		}
	})
	t.Run("side by side", func(t *testing.T) {
		const words = 2000
		var arrived []byte
		ended := make(chan struct{})
		conn := across(t, distance{delay: delay}, func(far net.Conn) {
			defer close(ended)
			arrived, _ = io.ReadAll(far)
		})
		began := time.Now()
		var sent []byte
		for i := range words {
			sent = append(sent, byte(i))
			_, err := conn.Write(sent[i:])
			must(t, err)
		}
		must(t, conn.(*net.TCPConn).CloseWrite())
		<-ended
		if !slices.Equal(sent, arrived) {
			t.Errorf("%d bytes were sent, and others arrived: %d", len(sent), len(arrived))
		}
		if took := time.Since(began); took > words*delay/2 {
			t.Errorf("%d words took %s, as if each waited for the one before", words, took)
		}
	})
	t.Run("no faster than the way", func(t *testing.T) {
		const size, bits = 256 << 10, 8 << 20
		got := make(chan int64, 1)
		var mu sync.Mutex
		sent := 0
		conn := across(t, distance{bits: bits, sent: func(n int, _ time.Time) {
			mu.Lock()
			defer mu.Unlock()
			sent += n
		}}, func(far net.Conn) {
			n, _ := io.Copy(io.Discard, far)
			got <- n
		})
		began := time.Now()
		_, err := conn.Write(make([]byte, size))
		must(t, err)
		must(t, conn.(*net.TCPConn).CloseWrite())
		if n := <-got; n != size || sent != size {
			t.Errorf("%d bytes of %d arrived, %d were counted", n, size, sent)
		}
		if took := time.Since(began); took < size*8*time.Second/bits-tardy {
			t.Errorf("%d bytes took %s at %d bits a second", size, took, bits)
		}
	})
}

// across is a connection over a distance to what the far end does.
func across(t testing.TB, d distance, far func(net.Conn)) net.Conn {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	listen := func() net.Listener {
		ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		must(t, err)
		return ln
	}
	there, here := listen(), listen()
	all.Go(func() {
		conn, err := there.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		far(conn)
	})
	d.dial = func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", there.Addr().String())
	}
	all.Go(func() { d.serve(ctx, here) })
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", here.Addr().String())
	must(t, err)
	t.Cleanup(func() {
		conn.Close()
		cancel()
		there.Close()
		all.Wait()
	})
	return conn
}
