package operator

import "testing"

// A member says its version, and that becomes a part of a file's name.
func TestIsVersion(t *testing.T) {
	for version, want := range map[string]bool{
		"3.6.16": true, "3.7.0-rc.1": true, "": false, "3.6": false, "/../../home/ops/x": false, "3.6.16/../x": false,
		"3.6.16\n": false,
	} {
		if isVersion.MatchString(version) != want {
			t.Errorf("%q: want %v", version, want)
		}
	}
}
