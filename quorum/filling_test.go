package quorum

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/clusterup/clusterup/facts"
)

func TestPrefixOf(t *testing.T) {
	for _, c := range []struct {
		key     string
		slashes int
		want    string
	}{
		{"/registry/pods/default/a", 2, "/registry/pods/"},
		{"/registry/pods/default/a", 1, "/registry/"},
		{"app/users/1", 2, "app/users/"},
		{"app/users", 2, "app/"},
		{"/a", 2, ""},
		{"/", 2, ""},
		{"a", 2, ""},
		{"a/", 2, "a/"},
		{"//b", 2, "//"},
		{"", 2, ""},
	} {
		if got := prefixOf(c.key, c.slashes); got != c.want {
			t.Errorf("prefixOf(%q, %d) = %q, want %q", c.key, c.slashes, got, c.want)
		}
	}
}

// Of a prefix with many keys some are read, and the others counted, so that those after it are seen as well.
func TestFilling(t *testing.T) {
	f := &fake{store: map[string]string{"single": "12"}}
	for i := range 3 * enoughKeys {
		f.store[fmt.Sprintf("/app/users/%06d", i)] = "12345"
	}
	for i := range 30 {
		f.store[fmt.Sprintf("/big/%02d", i)] = strings.Repeat("x", 1000)
	}
	c, _ := oneMember(t, f)
	got, err := c.Filling(t.Context(), epIPv4)
	if err != nil {
		t.Fatal(err)
	}
	users := got.Prefixes[0].Read
	want := facts.Filling{
		Keys: int64(len(f.store)), Read: users + 31, Bytes: 3*enoughKeys*22 + 30*1007 + 8, All: true,
		Prefixes: []facts.Prefix{
			{Prefix: "/app/users/", Keys: 3 * enoughKeys, Bytes: 3 * enoughKeys * 22, Read: users},
			{Prefix: "/big/", Keys: 30, Bytes: 30 * 1007, Read: 30},
			{Keys: 1, Bytes: 8, Read: 1},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" || users < enoughKeys || users >= 3*enoughKeys {
		t.Errorf("%d users were read; %s", users, diff)
	}
	if most := slices.Max(f.pages); most > pageKeys || f.pages[0] > 16 || !slices.Contains(f.pages, -1) {
		t.Errorf("pages %v", f.pages)
	}
}

// A page that does not come is asked for again as one key, and what was read until one does not come at all is told.
func TestFillingUnread(t *testing.T) {
	f := &fake{store: map[string]string{}}
	for i := range 10 {
		f.store[fmt.Sprintf("k/%02d", i)] = "12345"
	}
	c, _ := oneMember(t, f)
	f.unread = func(r *pb.RangeRequest) bool { return r.Limit > 3 }
	got, err := c.Filling(t.Context(), epIPv4)
	if err != nil || got.Read != 3 || got.All || got.Keys != 10 { // pages of one key, of two, and none of four
		t.Errorf("%+v, %v", got, err)
	}
	f.unread = func(*pb.RangeRequest) bool { return true }
	if got, err := c.Filling(t.Context(), epIPv4); err == nil {
		t.Errorf("where nothing can be read: %+v", got)
	}
}

// Pages become small where values are large.
func TestFillingPages(t *testing.T) {
	f := &fake{store: map[string]string{}}
	large := strings.Repeat("x", 1<<20)
	for i := range 60 {
		f.store[fmt.Sprintf("k/%02d", i)] = large
	}
	c, _ := oneMember(t, f)
	got, err := c.Filling(t.Context(), epIPv4)
	if err != nil || got.Read != 60 || got.Bytes != 60*(4+1<<20) {
		t.Fatal(got, err)
	}
	if last := f.pages[len(f.pages)-1]; last > 4 || len(f.pages) > 30 {
		t.Errorf("pages %v", f.pages)
	}
}

// As many prefixes as there may be are told apart no further than by their first part.
func TestFillingFolds(t *testing.T) {
	f := &fake{store: map[string]string{}}
	for i := range maxGroups + 10 {
		f.store[fmt.Sprintf("user/%d/name", i)] = "1"
		f.store[fmt.Sprintf("z%d/name", i)] = "1"
	}
	c, _ := oneMember(t, f)
	got, err := c.Filling(t.Context(), epIPv4)
	if err != nil || len(got.Prefixes) > maxGroups+1 || got.Prefixes[0].Prefix != "user/" ||
		got.Prefixes[0].Keys != maxGroups+10 || got.Keys != int64(len(f.store)) {
		t.Errorf("%d prefixes, first %+v, %d keys, %v", len(got.Prefixes), got.Prefixes[0], got.Keys, err)
	}
	keys := int64(0)
	for _, p := range got.Prefixes {
		keys += p.Keys
	}
	if keys != got.Keys {
		t.Errorf("prefixes have %d keys of %d", keys, got.Keys)
	}
}
