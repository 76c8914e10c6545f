package durable

import (
	"context"
	"errors"
	"testing"
)

// A directory is for one at a time, and whoever waits for it says so.
func TestLockDir(t *testing.T) {
	dir := t.TempDir()
	first, err := LockDir(t.Context(), dir, func() { t.Error("waits for nobody") })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := LockDir(ctx, dir, cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	waits := make(chan struct{})
	got := make(chan error, 1)
	go func() {
		second, err := LockDir(t.Context(), dir, func() { close(waits) })
		if err == nil {
			second.Unlock()
		}
		got <- err
	}()
	<-waits
	select {
	case err := <-got:
		t.Fatalf("let in: %v", err)
	default:
	}
	first.Unlock()
	if err := <-got; err != nil {
		t.Error(err)
	}
	holds(t, dir)
	if _, err := LockDir(t.Context(), dir+"/none", nil); err == nil {
		t.Error("a directory that is not there is locked")
	}
}
