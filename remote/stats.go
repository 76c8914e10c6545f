package remote

import (
	"net"
	"sync/atomic"
)

// Stats is what a host has cost so far. Through jump hosts, each connection counts its own bytes.
type Stats struct {
	Dials         int64 // connections begun, retries included
	Sessions      int64 // commands started
	RoundTrips    int64 // times that something was read after something was written: the waits that distance makes longer
	BytesSent     int64 // on the wire, encrypted
	BytesReceived int64
}

type counters struct {
	dials, sessions, trips, sent, received atomic.Int64
	wrote                                  atomic.Bool
}

// Stats says what this host has cost since it was made.
func (h *Host) Stats() Stats {
	c := &h.stats
	return Stats{
		Dials: c.dials.Load(), Sessions: c.sessions.Load(), RoundTrips: c.trips.Load(),
		BytesSent: c.sent.Load(), BytesReceived: c.received.Load(),
	}
}

// countingConn feeds the counters.
type countingConn struct {
	net.Conn
	stats *counters
}

func (c *countingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.stats.received.Add(int64(n))
		if c.stats.wrote.Swap(false) {
			c.stats.trips.Add(1)
		}
	}
	return n, err
}

func (c *countingConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.stats.sent.Add(int64(n))
	c.stats.wrote.Store(true)
	return n, err
}
