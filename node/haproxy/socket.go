package haproxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

const (
	// asksASecond is how often HAProxy is asked at most, in any second. An ask is one connection: HAProxy takes a line
	// of several commands at once, so many commands may be one ask.
	asksASecond = 10
	// maxLine is how many bytes a line of commands may have. HAProxy takes tune.bufsize at most, 16 KiB if nobody has
	// changed that.
	maxLine = 8 << 10
	// maxAnswer bounds what is read of an answer, in bytes.
	maxAnswer = 16 << 20
	// patience is how long one ask may take.
	patience = 2 * time.Second
)

// Socket is HAProxy's runtime socket, which must be of "level admin". One goroutine uses it.
type Socket struct {
	Path string

	asked [asksASecond]time.Time // the last asks, in a ring
	next  int
	Asks  int // so far
}

// ask sends one line and returns the answer. It waits while HAProxy was asked often enough in the last second.
func (s *Socket) ask(ctx context.Context, line string) (string, error) {
	if err := s.wait(ctx); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", s.Path)
	if err != nil {
		return "", fmt.Errorf("ask HAProxy: %w", err)
	}
	defer conn.Close()
	if until, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(until); err != nil {
			return "", fmt.Errorf("ask HAProxy: %w", err)
		}
	}
	if _, err := io.WriteString(conn, line+"\n"); err != nil {
		return "", fmt.Errorf("ask HAProxy: %w", err)
	}
	answer, err := io.ReadAll(io.LimitReader(conn, maxAnswer))
	if err != nil {
		return "", fmt.Errorf("hear HAProxy: %w", err)
	}
	return string(answer), nil
}

func (s *Socket) wait(ctx context.Context) error {
	oldest := &s.asked[s.next]
	if left := time.Second - time.Since(*oldest); left > 0 {
		timer := time.NewTimer(left)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
	*oldest = time.Now()
	s.next = (s.next + 1) % asksASecond
	s.Asks++
	return nil
}

// Send sends changes, in as few lines as they fit into; one change is never split. It returns the complaints in
// HAProxy's own words; a look afterwards says what has come of them.
func (s *Socket) Send(ctx context.Context, changes []string) (complaints string, err error) {
	var answers strings.Builder
	for len(changes) > 0 {
		line := changes[0]
		changes = changes[1:]
		for len(changes) > 0 && len(line)+1+len(changes[0]) <= maxLine {
			line += ";" + changes[0]
			changes = changes[1:]
		}
		answer, err := s.ask(ctx, line)
		if err != nil {
			return "", err
		}
		answers.WriteString(answer)
	}
	return strings.Join(strings.Fields(answers.String()), " "), nil
}
