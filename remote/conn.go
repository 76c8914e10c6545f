package remote

import (
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// keepaliveMisses unanswered probes in a row mean that the host is gone.
const keepaliveMisses = 3

// conn is one SSH connection and who uses it.
type conn struct {
	client *ssh.Client
	gone   chan struct{} // closed when the connection has ended, for whatever reason

	mu      sync.Mutex
	active  int           // sessions that end by themselves
	holds   int           // sessions that stay
	retired bool          // no new sessions; close after the last user
	ended   chan struct{} // closed, and made anew, whenever a session ends or is free
}

func newConn(client *ssh.Client, every time.Duration) *conn {
	c := &conn{client: client, gone: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		client.Wait() //nolint:errcheck // why it ended is told by whatever was under way
		close(c.gone)
	}()
	go c.watch(every)
	return c
}

// watch probes the host, and closes the connection when it does not answer: TCP alone would wait for a quarter of an
// hour.
func (c *conn) watch(every time.Duration) {
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	answers := make(chan error, 1)
	waiting, missed := false, 0
	for {
		select {
		case <-c.gone:
			return
		case err := <-answers:
			waiting, missed = false, 0
			if err != nil {
				c.close()
			}
		case <-ticks.C:
			if waiting {
				if missed++; missed >= keepaliveMisses {
					c.close()
				}
				continue
			}
			waiting = true
			go func() {
				_, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil)
				answers <- err
			}()
		}
	}
}

func (c *conn) dead() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

func (c *conn) close() { c.client.Close() }

// begin counts a session; the returned function takes it back.
func (c *conn) begin(hold bool) func() {
	count := &c.active
	if hold {
		count = &c.holds
	}
	c.mu.Lock()
	*count++
	c.mu.Unlock()
	return sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		*count--
		c.wake()
		if c.retired && c.active+c.holds == 0 {
			c.close()
		}
	})
}

// freed wakes whoever waits for a session: one is there, and nobody uses it.
func (c *conn) freed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wake()
}

func (c *conn) wake() {
	close(c.ended)
	c.ended = make(chan struct{})
}

// users says who is on the connection, and gives a channel that closes when one of them leaves.
func (c *conn) users() (active, holds int, ended <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.active, c.holds, c.ended
}

func (c *conn) retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retired = true
	if c.active+c.holds == 0 {
		c.close()
	}
}
