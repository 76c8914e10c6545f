package version

import "testing"

func TestBounds(t *testing.T) {
	for version, want := range map[string]bool{
		"3.5.32": false, "3.5.33": true, "3.6.0": false, "3.6.13": false, "3.6.14": true, "3.7.0": false, "3.7.1": true,
		"3.10.0": true, "": false,
	} {
		if got := Bounds(version); got != want {
			t.Errorf("%q: %v", version, got)
		}
	}
	for minor, waypoint := range waypoints {
		if !Bounds(waypoint) {
			t.Errorf("a cluster passes through %s, by %s, in which permissions do not hold", minor, waypoint)
		}
	}
}
