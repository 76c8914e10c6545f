package durable

import (
	"math"
	"testing"
)

// A file system that does not tell its size is not a full one.
func TestRoomUnknown(t *testing.T) {
	if got, err := Room("/proc"); err != nil || got != math.MaxInt64 {
		t.Errorf("%d bytes, %v", got, err)
	}
}
