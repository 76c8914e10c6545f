package main

import (
	"strings"
	"testing"
)

func TestForOne(t *testing.T) {
	for args, want := range map[string]bool{
		"snapshot save prod.db": true, "--command-timeout 60s snapshot save prod.db": true, "snapshot status prod.db": false,
		"endpoint status -w table": false, "get snapshot": false, "put save snapshot": false,
	} {
		if got := forOne(strings.Fields(args)); got != want {
			t.Errorf("%q: %v", args, got)
		}
	}
}
