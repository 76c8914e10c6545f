package version

import "testing"

func TestHop(t *testing.T) {
	for _, test := range []struct{ low, high, wanted, next string }{
		{"3.6.16", "3.6.16", "3.6.16", "3.6.16"},
		{"3.6.12", "3.6.16", "3.6.4", "3.6.4"}, // patches go anywhere at once
		{"3.5.35", "3.5.35", "3.6.16", "3.6.16"},
		{"3.5.32", "3.5.40", "3.6.1", "3.6.1"},   // the floor is enough
		{"3.5.31", "3.5.35", "3.6.16", "3.5.35"}, // one is below the floor
		{"3.5.35", "3.5.35", "3.7.3", "3.6.16"},  // through a waypoint
		{"3.6.10", "3.6.10", "3.7.3", "3.6.16"},  // 3.7 has its floor too
		{"3.6.11", "3.6.16", "3.7.1", "3.7.1"},
		{"3.7.3", "3.7.3", "3.6.16", "3.6.16"},
		{"3.7.3", "3.7.3", "3.5.35", "3.6.16"},   // down through a waypoint
		{"3.5.35", "3.6.16", "3.6.16", "3.6.16"}, // half-way: forward
		{"3.5.35", "3.6.16", "3.7.3", "3.6.16"},  // half-way to somewhere else: together first
		{"3.5.35", "3.6.16", "3.5.35", "3.5.35"}, // half-way: back
		{"3.6.16", "3.7.3", "3.5.35", "3.6.16"},
		{"3.6.16", "3.7.3", "3.6.12", "3.6.12"},
		{"3.10.0", "3.10.0", "3.9.1", "3.9.1"}, // numbers, not text
		{"3.7.3", "3.7.3", "3.8.0", "3.8.0"},   // a minor version without a floor
		{"3.6.9", "3.6.10", "3.6.16", "3.6.16"},
		{"3.5.21", "3.6.16", "3.6.16", "3.6.16"}, // below the floor, but half-way
		{"3.5.21", "3.5.21", "3.5.35", "3.5.35"},
		{"3.6.16", "3.6.16", "3.5.35", "3.5.35"},
		{"3.6.16", "3.6.16", "3.7.3", "3.7.3"},
		{"3.7.1", "3.7.3", "3.7.3", "3.7.3"},
		{"3.6.4", "3.6.4", "3.5.40", "3.5.40"}, // downwards there is no floor to leave from
		{"3.5.33", "3.5.33", "3.6.16", "3.6.16"},
		{"3.5.32", "3.5.32", "3.7.3", "3.6.16"},
		{"3.5.32", "3.5.32", "3.5.31", "3.5.31"},
		{"3.6.16", "3.7.3", "3.7.1", "3.7.1"},
		{"3.5.35", "3.6.16", "3.5.40", "3.5.40"},
	} {
		if got := hop(test.low, test.high, test.wanted); got != test.next {
			t.Errorf("from %s and %s to %s: %s, want %s", test.low, test.high, test.wanted, got, test.next)
		}
	}
}

func TestCompare(t *testing.T) {
	ordered := []string{"", "3.5", "3.5.9", "3.5.10", "3.6.0", "3.10.1", "4.0.0"}
	for i, a := range ordered {
		for j, b := range ordered {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := Compare(a, b); got != want {
				t.Errorf("%q and %q: %d, want %d", a, b, got, want)
			}
		}
	}
}
