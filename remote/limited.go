package remote

import (
	"errors"
	"fmt"
	"slices"
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

// limited keeps an output, and fails when it gets longer than it may.
type limited struct {
	mu    sync.Mutex
	text  []byte
	limit int
}

// said is what has come so far. More may still come if the caller has stopped waiting for the host.
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
