package quorum

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// exchanges changes keys of a real cluster, in one transaction or not at all.
func exchanges(t *testing.T, c *Cluster, members []*member) {
	t.Helper()
	endpoint := members[0].endpoint
	read := func() (map[string]string, map[string]int64) {
		t.Helper()
		keys, _, err := c.List(t.Context(), members[1].endpoint, 10, Range{Key: "x/", Prefix: true})
		if err != nil {
			t.Fatal(err)
		}
		values, revisions := map[string]string{}, map[string]int64{}
		for _, key := range keys {
			values[key.Key], revisions[key.Key] = string(key.Value), key.Revision
		}
		return values, revisions
	}
	change := func(want bool, was map[string]int64, put map[string]string, remove ...string) {
		t.Helper()
		if done, err := c.Exchange(t.Context(), endpoint, was, nil, put, remove); done != want || err != nil {
			t.Fatalf("with %v: %v, %v", was, done, err)
		}
	}
	change(true, map[string]int64{"x/a": 0, "x/b": 0}, map[string]string{"x/a": "1", "x/b": "2"})
	_, first := read()
	change(true, map[string]int64{"x/a": first["x/a"], "x/c": 0}, map[string]string{"x/c": "3"}, "x/a")
	after, revisions := read()
	if d := cmp.Diff(map[string]string{"x/b": "2", "x/c": "3"}, after); d != "" {
		t.Error(d)
	}
	for name, was := range map[string]map[string]int64{
		"one is gone":             {"x/a": first["x/a"], "x/b": revisions["x/b"]},
		"one has come":            {"x/b": revisions["x/b"], "x/c": 0},
		"one is of another write": {"x/b": revisions["x/b"], "x/c": revisions["x/c"] - 1},
	} {
		change(false, was, map[string]string{"x/b": name}, "x/c")
		if is, _ := read(); cmp.Diff(after, is) != "" {
			t.Errorf("%s: there is %v", name, is)
		}
	}
	_, now, err := c.List(t.Context(), endpoint, 10, Range{Key: "x/", Prefix: true})
	if err != nil {
		t.Fatal(err)
	}
	for since, want := range map[int64]bool{now - 1: false, now: true} {
		done, err := c.Exchange(t.Context(), endpoint, nil, map[string]int64{"x/": since}, map[string]string{"y": "1"}, nil)
		if done != want || err != nil {
			t.Errorf("since %d of %d: %v, %v", since, now, done, err)
		}
	}
	done, err := c.Exchange(t.Context(), endpoint, nil, map[string]int64{"none/": 1}, map[string]string{"y": "2"}, nil)
	if !done || err != nil {
		t.Errorf("where there are no keys: %v, %v", done, err)
	}
}
