package remote

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// Bounds of what a host may say at once. An honest one comes nowhere near them.
const (
	lookLimit = 16 << 20 // bytes that Ask returns
	lineLimit = 1 << 20  // bytes of a line that is waited for
	saysLimit = 16 << 20 // bytes of what else is said
)

// errTooMuch ends a script that says more than it may.
var errTooMuch = errors.New("the host sent more than the limit")

// hostLines reads what a host writes, line by line.
type hostLines struct {
	r    *bufio.Reader
	left int // bytes
}

func newHostLines(r io.Reader, limit int) *hostLines {
	return &hostLines{r: bufio.NewReader(r), left: limit}
}

// next is the next line, without its end; one without an end is none. The error is io.EOF or what the reader says, or
// errTooMuch.
func (l *hostLines) next() (string, error) {
	var line strings.Builder
	for {
		part, err := l.r.ReadSlice('\n')
		l.left -= len(part)
		if line.Len()+len(part) > lineLimit || l.left < 0 {
			return "", errTooMuch
		}
		line.Write(part)
		switch {
		case err == nil:
			return strings.TrimSuffix(line.String(), "\n"), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", err
		}
	}
}

// limited keeps an output, and fails when it gets longer than it may.
type limited struct {
	mu    sync.Mutex
	text  []byte
	limit int
}

// said is what has come so far. More may come where somebody has stopped waiting for a host.
func (l *limited) said() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.text)
}

func (l *limited) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	room := min(l.limit-len(l.text), len(b))
	l.text = append(l.text, b[:room]...)
	if room < len(b) {
		return room, fmt.Errorf("%w: over %d MiB of output", errTooMuch, l.limit>>20)
	}
	return room, nil
}
