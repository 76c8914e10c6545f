package version

import (
	"strings"
	"testing"
)

func TestShowsToAll(t *testing.T) {
	for version, want := range map[string]bool{
		"3.4.99": false, "3.5.31": false, "3.5.32": true, "3.5.35": true, "3.6.0": false, "3.6.11": false, "3.6.12": true,
		"3.6.16": true, "3.7.0": true, "3.7.3": true, "3.10.0": true, "": false,
	} {
		if got := ShowsToAll(version); got != want {
			t.Errorf("%q: %v", version, got)
		}
	}
	if got := strings.Join(ShowingToAll(), " "); got != "3.5.32 3.6.12 3.7.0" {
		t.Errorf("from %s on", got)
	}
}
