package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"golang.org/x/crypto/ssh"
)

// DialContext connects to addr as seen from the host, through the SSH connection; it fits gRPC's and net/http's dial
// functions. network must be tcp, tcp4 or tcp6. Deadlines work. The connection ends with the host's, and does not come
// back by itself.
func (h *Host) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, h.fail("connect to "+addr, errTunnel, fmt.Errorf("network %s is not tcp", network))
	}
	for again := false; ; again = true {
		c, err := h.connect(ctx)
		if err != nil {
			return nil, err
		}
		conn, err := h.tunnelOver(ctx, c, addr)
		if err == nil || again || !errors.Is(err, ErrLost) {
			return conn, err
		}
		h.drop(c)
	}
}

// tunnelOver asks once; ErrLost means that the connection itself is dead.
func (h *Host) tunnelOver(ctx context.Context, c *conn, addr string) (net.Conn, error) {
	op := "connect to " + addr
	channel, err := c.client.DialContext(ctx, "tcp", addr)
	if err == nil {
		return newTunnel(channel, addr), nil
	}
	var refused *ssh.OpenChannelError
	switch {
	case ctx.Err() != nil:
		return nil, h.fail(op, nil, context.Cause(ctx))
	case errors.As(err, &refused):
		err := fmt.Errorf("%s: %s", refused.Reason, brief(refused.Message))
		if refused.Reason == ssh.Prohibited {
			return nil, h.fail(op, ErrForwarding, err).advise("set AllowTcpForwarding to yes or local in the host's sshd_config")
		}
		return nil, h.fail(op, errTunnel, err)
	case c.dead(), broken(err):
		return nil, h.fail(op, ErrLost, err)
	}
	return nil, h.fail(op, errTunnel, err)
}

// tunnel gives an SSH channel what it lacks of net.Conn: deadlines, through a pipe in between.
type tunnel struct {
	net.Conn
	channel net.Conn
	addr    net.Addr
}

func newTunnel(channel net.Conn, addr string) *tunnel {
	near, far := net.Pipe()
	t := &tunnel{Conn: near, channel: channel, addr: tunnelAddr(addr)}
	for _, way := range [][2]net.Conn{{far, channel}, {channel, far}} {
		go func() {
			io.Copy(way[0], way[1]) //nolint:errcheck // both ends learn it from the close
			far.Close()
			channel.Close()
		}()
	}
	return t
}

func (t *tunnel) Close() error {
	err := t.Conn.Close()
	t.channel.Close() //nolint:errcheck // the other side may have closed it first
	return err
}

func (t *tunnel) LocalAddr() net.Addr  { return tunnelAddr("[::]:0") }
func (t *tunnel) RemoteAddr() net.Addr { return t.addr }

// tunnelAddr is an address as the far host understands it.
type tunnelAddr string

func (tunnelAddr) Network() string  { return "tcp" }
func (a tunnelAddr) String() string { return string(a) }
