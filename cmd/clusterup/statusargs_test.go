package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/view"
)

// The time between looks that stands apart is no inventory, and the error says how it is meant.
func TestWatchApart(t *testing.T) {
	cmd := newStatus(&console{Console: &view.Console{Out: &bytes.Buffer{}}})
	if err := cmd.Flags().Set("watch", "2s"); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Args(cmd, []string{"5s", "prod.hcl"}); err == nil || !strings.Contains(err.Error(), "--watch=5s") {
		t.Errorf("apart: %v", err)
	}
	if err := cmd.Args(cmd, []string{"prod.hcl"}); err != nil {
		t.Errorf("without: %v", err)
	}
}
