package node

import "sync"

// latest hands a value from one goroutine to another, which gets the newest and may miss those before.
type latest[T any] struct {
	mu    sync.Mutex
	value T
	fresh chan struct{} // has a token when there is a newer value than was taken
}

func newLatest[T any]() *latest[T] { return &latest[T]{fresh: make(chan struct{}, 1)} }

func (l *latest[T]) put(v T) {
	l.mu.Lock()
	l.value = v
	l.mu.Unlock()
	select {
	case l.fresh <- struct{}{}:
	default:
	}
}

func (l *latest[T]) get() T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.value
}
