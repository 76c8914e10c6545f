package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

const bridge = "lab0"

func netnsName(lab string) string { return "cu-" + lab }
func netnsPath(lab string) string { return filepath.Join("/run/netns", netnsName(lab)) }

// ensureNetwork makes the namespace and its bridge, or finishes one that a killed run left half made.
func ensureNetwork(ctx context.Context, lab string) error {
	has := false
	look := func() error {
		_, err := net.InterfaceByName(bridge)
		has = err == nil
		return nil
	}
	if _, err := os.Stat(netnsPath(lab)); err != nil || inNetns(netnsPath(lab), look) != nil {
		if err := removeNetwork(ctx, lab); err != nil { // a bare file after a crash
			return err
		}
		if _, err := run(ctx, "", "ip", "netns", "add", netnsName(lab)); err != nil {
			return err
		}
	}
	_, err := run(ctx, bridgeBatch(subnetOf(lab), !has), "ip", "-n", netnsName(lab), "-batch", "-")
	return err
}

// bridgeBatch are commands for ip -batch; all but the first may be given again.
func bridgeBatch(s subnet, add bool) string {
	batch := ""
	if add {
		batch = "link add " + bridge + " type bridge stp_state 0 forward_delay 0\n"
	}
	return batch + fmt.Sprintf(`addr replace %s/%d dev %s
addr replace %s/%d dev %s nodad
link set lo up
link set %s up
`, s.ipv4(controlHost), prefix4.Bits(), bridge, s.ipv6(controlHost), prefix6.Bits(), bridge, bridge)
}

func removeNetwork(ctx context.Context, lab string) error {
	if _, err := os.Lstat(netnsPath(lab)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	_, err := run(ctx, "", "ip", "netns", "del", netnsName(lab))
	return err
}

// DialContext connects from the machine's own address in the lab's network. The address must be numeric: a lab has no
// name server. It may be used as the dial function of anything in this process.
func (l *Lab) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return dialIn(ctx, netnsPath(l.name), network, address)
}

// Listen listens in the lab's network, on the machine's own address there.
func (l *Lab) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	var ln net.Listener
	err := inNetns(netnsPath(l.name), func() (err error) {
		ln, err = (&net.ListenConfig{}).Listen(ctx, network, address)
		return err
	})
	return ln, err
}

func dialIn(ctx context.Context, netns, network, address string) (net.Conn, error) {
	var conn net.Conn
	err := inNetns(netns, func() (err error) {
		// With one numeric address the dialer opens its socket on this thread.
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// removePort removes a link, if it is there.
func removePort(ctx context.Context, lab, name string) error {
	return until(ctx, tick, "the link "+name+" to go", func() (bool, error) {
		gone := false
		err := inNetns(netnsPath(lab), func() error {
			_, err := net.InterfaceByName(name)
			gone = err != nil
			return nil
		})
		switch {
		case errors.Is(err, fs.ErrNotExist): // there is no network
			return true, nil
		case !gone && err == nil:
			_, _ = run(ctx, "", "ip", "-n", netnsName(lab), "link", "del", "dev", name) // the kernel may be faster
		}
		return gone, err
	})
}
