package probe

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/clusterup/clusterup/facts"
)

// maxKnocks is how many connections one host is asked for at once.
const maxKnocks = 16

// knockAll tries all doors of all hosts from one of them, its own too.
func knockAll(ctx context.Context, src Source, from Host, shut map[string]string) []Reach {
	var found []Reach
	for _, name := range slices.Sorted(maps.Keys(src.Asks)) {
		for _, door := range src.Asks[name].Doors {
			r := Reach{To: name, Door: door, Skipped: door.Shut}
			if door.Listen != "" {
				r.Skipped = shut[name]
			}
			found = append(found, r)
		}
	}
	var knocks errgroup.Group
	knocks.SetLimit(maxKnocks)
	for i := range found {
		if found[i].Skipped == "" {
			knocks.Go(func() error { knock(ctx, src, from, &found[i]); return nil })
		}
	}
	_ = knocks.Wait() // each failure is in found
	return found
}

// knock connects to one door and makes sure that the right one has opened.
func knock(ctx context.Context, src Source, from Host, r *Reach) {
	trying, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := src.Now()
	conn, err := from.DialContext(trying, "tcp", r.Door.Address)
	r.Took = src.Now().Sub(began)
	if err == nil {
		defer func() { _ = conn.Close() }() // it was for looking only
		err = within(trying, conn, func() error { return checkAnswer(trying, conn, r.Door, src.Nonce) })
	}
	switch {
	case err == nil:
		if r.Door.Listen != "" {
			exchange(ctx, conn, r)
		}
	case errors.Is(err, facts.ErrNoForwarding):
		r.Skipped, r.Barred = err.Error(), true
	case errors.Is(trying.Err(), context.DeadlineExceeded):
		r.Error = fmt.Sprintf("no answer within %s", patience)
	default:
		r.Error = err.Error()
	}
}

// within does something with a connection, which it closes when ctx ends.
func within(ctx context.Context, conn net.Conn, do func() error) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	return do()
}

// exchange reads which process of the listener has answered, and makes sure that packets of full length go through,
// both ways.
func exchange(ctx context.Context, conn net.Conn, r *Reach) {
	ctx, cancel := context.WithTimeout(ctx, exchangePatience)
	defer cancel()
	err := within(ctx, conn, func() error {
		answer := bufio.NewReader(io.LimitReader(conn, ballast+100))
		line, err := answer.ReadString('\n')
		if err != nil {
			return err
		}
		r.By = strings.TrimSpace(line)
		if _, err := conn.Write(bytes.Repeat([]byte("."), ballast)); err != nil {
			return err
		}
		_, err = io.CopyN(io.Discard, answer, ballast)
		return err
	})
	switch {
	case err == nil:
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		r.Error, r.Clipped = fmt.Sprintf("short packets come through, and long ones do not within %s", exchangePatience), true
	default:
		r.Error = fmt.Sprintf("send %d bytes to and fro: %v", ballast, err)
	}
}

// ballast is more than one packet holds, so that it needs whole ones.
const ballast = 8 << 10

// exchangePatience is how long a listener may take to send it back, on a host that has a lot to do.
const exchangePatience = 6 * time.Second

// checkAnswer says whether what has answered is the listener that was set up for this, or the member that runs there.
func checkAnswer(ctx context.Context, conn net.Conn, door Door, nonce string) error {
	if door.Running && door.Plain {
		return nil
	}
	if door.Running {
		return greets(ctx, conn, door.Leaf)
	}
	said := make([]byte, len(nonce))
	if n, err := io.ReadFull(conn, said); err != nil {
		return fmt.Errorf("read what answers at %s: %w after %d bytes", door.Address, err, n)
	}
	if string(said) != nonce {
		return fmt.Errorf("another server than the listener answers at %s", door.Address)
	}
	return nil
}

// errGreeted ends a handshake that has gone far enough.
var errGreeted = errors.New("the certificate was shown")

// greets takes part in a TLS handshake until the other side has shown its certificate.
func greets(ctx context.Context, conn net.Conn, leaf string) error {
	other := ""
	config := &tls.Config{
		InsecureSkipVerify: true, //nolint:gosec // nothing is said here; whose certificate it is, is checked below
		VerifyPeerCertificate: func(chain [][]byte, _ [][]*x509.Certificate) error {
			if len(chain) > 0 {
				sum := sha256.Sum256(chain[0])
				other = hex.EncodeToString(sum[:])
			}
			return errGreeted
		},
	}
	err := tls.Client(conn, config).HandshakeContext(ctx)
	switch {
	case !errors.Is(err, errGreeted):
		return fmt.Errorf("begin TLS: %w", err)
	case leaf != "" && other != leaf:
		return errors.New("another server than the member answers there: it shows another certificate")
	}
	return nil
}
