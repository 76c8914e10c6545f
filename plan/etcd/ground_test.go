package etcd

import (
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// A member needs its ports free wherever it will listen: with a name for an address on all of IPv4.
func TestCollide(t *testing.T) {
	for _, tt := range []struct {
		own, other string
		want       bool
	}{
		{"10.0.0.11", "10.0.0.11", true},
		{"10.0.0.11", "10.0.0.12", false},
		{"10.0.0.11", "0.0.0.0", true},
		{"10.0.0.11", "*", true},
		{"10.0.0.11", "::", false}, // of IPv6 alone
		{"10.0.0.11", "::ffff:10.0.0.11", true},
		{"etcd-1.example.com", "10.0.0.12", true},
		{"etcd-1.example.com", "127.0.0.1", true},
		{"etcd-1.example.com", "fd00::11", false},
		{"etcd-1.example.com", "*", true},
		{"fd00:0:0::11", "fd00::11", true},
		{"fd00::11", "::", true},
		{"fd00::11", "0.0.0.0", false},
		{"fd00::11", "fe80::1%eth0", false},
		{"10.0.0.11", "nonsense", false},
	} {
		if got := collide(tt.own, tt.other); got != tt.want {
			t.Errorf("%s and %s collide: %v", tt.own, tt.other, got)
		}
	}
}

// Each changes what lies beneath etcd-2.
func TestGroundRefusals(t *testing.T) {
	way := func(dir, owner, group string, mode fs.FileMode, user bool) func(*facts.Host) {
		return func(h *facts.Host) {
			h.EtcdUser = user
			h.Ways = map[string]facts.File{dir: {Kind: facts.Dir, Owner: owner, Group: group, Mode: mode}}
		}
	}
	for name, test := range map[string]struct {
		host func(*facts.Host)
		want string // "": no refusal
		do   string
	}{
		"shut": {
			way("/etc/etcd", "root", "root", 0o700, false),
			"may not enter /etc/etcd (root:root, mode 0700)", "chmod a+x /etc/etcd",
		},
		"above the data":    {way("/var", "root", "root", 0o750, false), "may not enter /var", "chmod a+x /var"},
		"open to a group":   {way("/var", "root", "dba", 0o750, true), "", ""}, // of which the user may be
		"open to the group": {way("/var", "root", "etcd-prod", 0o750, true), "", ""},
		"open to the owner": {way("/var/lib", "etcd-prod", "etcd-prod", 0o700, true), "", ""},
		"shut to the owner": {
			way("/var/lib", "etcd-prod", "etcd-prod", 0o600, true), "may not enter /var/lib",
			"chmod a+x",
		},
		"ours":            {way("/opt/clusterup", "root", "root", 0o700, false), "", ""},
		"somebody else's": {way("/srv", "root", "root", 0o700, false), "", ""},
		"sealed": {
			func(h *facts.Host) { h.Sealed = []string{"/etc"} }, "nobody can write to /etc",
			"findmnt -T /etc",
		},
		"from somewhere else": {
			func(h *facts.Host) { h.Sources = sourceOf("10.0.0.11", "10.0.0.99") },
			"it goes to etcd-1 from 10.0.0.99", `names of member "etcd-2"`,
		},
		"from where it is":      {func(h *facts.Host) { h.Sources = sourceOf("10.0.0.11", "10.0.0.12") }, "", ""},
		"to somebody else's":    {func(h *facts.Host) { h.Sources = sourceOf("10.0.0.77", "10.0.0.99") }, "", ""},
		"from a mapped address": {func(h *facts.Host) { h.Sources = sourceOf("10.0.0.11", "::ffff:10.0.0.12") }, "", ""},
	} {
		w := wanted(t, 3)
		_, err := Next(w, change(bare(w), "etcd-2", test.host))
		var refused *plan.Refused
		switch {
		case !errors.As(err, &refused):
			if test.want != "" {
				t.Errorf("%s: error %v", name, err)
			}
		case len(refused.Refusals) != 1 || test.want == "":
			t.Errorf("%s: refused as %v", name, refused)
		default:
			r := refused.Refusals[0]
			if r.Host != "etcd-2" || !strings.Contains(r.Reason, test.want) || !strings.Contains(r.Remedy, test.do) {
				t.Errorf("%s: refused as %+v", name, r)
			}
		}
	}
}

func sourceOf(peer, from string) map[netip.Addr]netip.Addr {
	return map[netip.Addr]netip.Addr{netip.MustParseAddr(peer): netip.MustParseAddr(from)}
}

// The directory above those of clusterup alone is opened, and that of others is refused.
func TestOurParentIsOpened(t *testing.T) {
	w := wanted(t, 3)
	s := change(bare(w), "etcd-2", func(h *facts.Host) {
		h.Files[ourParent] = facts.File{Kind: facts.Dir, Owner: "root", Group: "root", Mode: 0o700}
		h.Files["/etc/etcd"] = facts.File{Kind: facts.Dir, Owner: "root", Group: "root", Mode: 0o711}
	})
	v := newView(w, s)
	steps := v.directories(w.Cluster.Members[1], s.Hosts["etcd-2"])
	has := func(dir string) bool {
		return slices.ContainsFunc(steps[0].Paths, func(p plan.Path) bool { return p.Path == dir })
	}
	if !has(ourParent) || has("/etc/etcd") {
		t.Errorf("steps are %+v", steps)
	}
}

// A running member is a concern where its disk may be full before its database is, and where its peers refuse it.
func TestConcerns(t *testing.T) {
	const gib = 1 << 30
	room := func(what string, size, free int64) func(*facts.Host) {
		return func(h *facts.Host) { h.Rooms = map[string]facts.Room{what: {Dir: "/data", Size: size, Free: free}} }
	}
	for name, test := range map[string]struct {
		host func(*facts.Host)
		want string
	}{
		"well":      {room("data", 100*gib, 50*gib), ""},
		"not known": {func(h *facts.Host) { h.Rooms = nil }, ""},
		"full": {
			room("data", 100*gib, 0),
			"its database may grow by 8.0 GiB until its quota, and /data has 0 MiB left",
		},
		"it will not fit": {
			room("data", 10*gib, 6*gib),
			"its database may grow by 8.0 GiB until its quota, and /data has 6.0 GiB left",
		},
		"it has grown": {func(h *facts.Host) { room("data", 10*gib, 6*gib)(h); h.Etcd.DBSize = 3 * gib }, ""},
		"nearly full": {
			func(h *facts.Host) { room("data", 100*gib, 4*gib)(h); h.Etcd.DBSize = 7 * gib },
			"the file system of /data is 96 % full, 4.0 GiB left",
		},
		"large, and full": {room("data", 10000*gib, 100*gib), ""},
		"no inodes": {func(h *facts.Host) {
			h.Rooms = map[string]facts.Room{"data": {Dir: "/data", Size: 99 * gib, Free: 98 * gib, Inodes: 9, InodesFree: 1}}
		}, "the file system of /data has 1 inode left"},
		"no room for logs": {
			room("wal", 100*gib, gib/100),
			"its write-ahead log has 10 MiB left on the file system of /data",
		},
		"another source": {
			func(h *facts.Host) { h.Sources = sourceOf("10.0.0.13", "10.0.0.99") },
			"it goes to etcd-3 from 10.0.0.99, which is not among the names of its certificate: peers refuse such connections",
		},
		"it does not run": {func(h *facts.Host) { room("data", 10*gib, 0)(h); h.Process = nil }, ""},
	} {
		w := wanted(t, 3)
		s := change(settled(t, w), "etcd-2", test.host)
		var got string
		for _, c := range Concerns(w, s) {
			got += c.Text
			if c.Host != "etcd-2" || c.Do == "" || c.Kind == "" {
				t.Errorf("%s: %+v", name, c)
			}
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		if noted := strings.Join(notes(w, s), " "); (test.want != "" && name != "it does not run") != strings.Contains(noted,
			"etcd-2: ") && name != "it does not run" {
			t.Errorf("%s: noted %q", name, noted)
		}
	}
}
