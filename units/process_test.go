package units

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestDiffArgs(t *testing.T) {
	const bin = "/opt/etcd"
	for name, c := range map[string]struct{ running, wanted, want []string }{
		"equal":          {[]string{bin, "--a=1"}, []string{bin, "--a=1"}, nil},
		"order":          {[]string{bin, "--a=1", "--b=2"}, []string{bin, "--b=2", "--a=1"}, nil},
		"separate value": {[]string{bin, "--a", "1", "-b", "2"}, []string{bin, "--a=1", "--b=2"}, nil},
		"switch": {
			[]string{bin, "--client-cert-auth", "--b=2"},
			[]string{bin, "--client-cert-auth=true", "--b=2"},
			nil,
		},
		"switch at end": {
			[]string{bin, "--b=2", "--client-cert-auth"},
			[]string{bin, "--client-cert-auth=true", "--b=2"},
			nil,
		},
		"last one wins": {[]string{bin, "--a=1", "--a=2"}, []string{bin, "--a=2"}, nil},
		"equals in value": {
			[]string{bin, "--feature-gates=A=true"},
			[]string{bin, "--feature-gates", "A=false"},
			[]string{"--feature-gates: A=true → A=false"},
		},
		"bootstrap flags": {
			[]string{
				bin, "--initial-cluster-state=new", "--initial-cluster=a=x", "--initial-cluster-token=t",
				"--initial-advertise-peer-urls=u",
			},
			[]string{bin, "--initial-cluster-state=existing"},
			nil,
		},
		"end of flags": {[]string{bin, "--a=1", "--", "--b=2"}, []string{bin, "--a=1"}, nil},
		"binary":       {[]string{"/opt/1/etcd"}, []string{"/opt/2/etcd"}, []string{"binary: /opt/1/etcd → /opt/2/etcd"}},
		"not running":  {nil, []string{bin}, []string{"binary: (unset) → /opt/etcd"}},
		"all kinds": {
			[]string{bin, "--gone=1", "--same=x", "--quota-backend-bytes=2147483648", "--empty="},
			[]string{bin, "--same=x", "--quota-backend-bytes=8589934592", "--new=2"},
			[]string{
				`--empty: "" → (unset)`,
				"--gone: 1 → (unset)",
				"--new: (unset) → 2",
				"--quota-backend-bytes: 2147483648 → 8589934592",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := DiffArgs(c.running, c.wanted)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Of everything that a member is made of, only what a bootstrap needs may change under a running process.
func TestWhatAsksForARestart(t *testing.T) {
	base := prod("3.6.16")
	for name, c := range map[string]struct {
		change  func(*Member)
		restart bool
	}{
		"state": {func(m *Member) { m.State = "new" }, false},
		"token": {func(m *Member) { m.Token = "other" }, false},
		"one more member": {
			func(m *Member) { m.InitialCluster = append(m.InitialCluster, Peer{"etcd-4", "https://x:2380"}) },
			false,
		},
		"peer URL":        {func(m *Member) { m.AdvertisePeer = []string{"https://y:2380"} }, false},
		"client URL":      {func(m *Member) { m.AdvertiseClient = []string{"https://y:2379"} }, true},
		"binary":          {func(m *Member) { m.BinDir += "x" }, true},
		"trust":           {func(m *Member) { m.PeerTrust += "x" }, true},
		"no trust":        {func(m *Member) { m.PeerTrust = "" }, true},
		"revocation list": {func(m *Member) { m.ClientCRL = "/etc/etcd/prod/revoked-clients.crl" }, true},
		"quota":           {func(m *Member) { m.QuotaBackendBytes++ }, true},
		"flag":            {func(m *Member) { m.Flags = map[string]string{"log-level": "debug"} }, true},
	} {
		t.Run(name, func(t *testing.T) {
			changed := base
			changed.InitialCluster = slices.Clone(base.InitialCluster)
			c.change(&changed)
			if slices.Equal(Args(base), Args(changed)) {
				t.Fatal("the change does not reach the command line")
			}
			if restart := !same(Args(base), Args(changed)); restart != c.restart {
				t.Errorf("asks for a restart: %v, want %v", restart, c.restart)
			}
		})
	}
}

var (
	words1  = rapid.StringMatching(`[a-z][a-z0-9-]{0,8}`)
	values  = rapid.StringMatching(`[ -~]{0,12}`)
	someMap = rapid.MapOf(rapid.OneOf(words1, rapid.SampledFrom([]string{
		"name", "feature-gates", "experimental-initial-corrupt-check", "logger", "initial-cluster", "wal-dir",
	})), values)
	someMember = rapid.Custom(func(t *rapid.T) Member {
		m := prod(rapid.SampledFrom([]string{"3.5.21", "3.6.16", "3.7.3", "v3.7.0-rc.1", "nonsense", ""}).Draw(t, "version"))
		m.WALDir = rapid.SampledFrom([]string{"", "/wal"}).Draw(t, "wal")
		m.PeerTrust = rapid.SampledFrom([]string{"", "/peer.pem"}).Draw(t, "peer trust")
		m.ClientTrust = rapid.SampledFrom([]string{"", "/client.pem"}).Draw(t, "client trust")
		m.ClientCRL = rapid.SampledFrom([]string{"", "/crl"}).Draw(t, "revoked")
		m.SnapshotCount = rapid.IntRange(-1, 3).Draw(t, "snapshots")
		m.Flags = someMap.Draw(t, "flags")
		return m
	})
)

func TestArgsLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := someMember.Draw(t, "member")
		before := maps.Clone(m.Flags)
		args := Args(m)
		if !maps.Equal(before, m.Flags) {
			t.Fatal("Args changed the member's flags")
		}
		if !slices.Equal(args, Args(m)) {
			t.Fatal("Args differs from call to call")
		}
		seen := map[string]bool{}
		for _, a := range args[1:] {
			name, _, ok := strings.Cut(a, "=")
			if !ok || !strings.HasPrefix(name, "--") || seen[name] {
				t.Fatalf("%q is not the first --name=value of its name in %q", a, args)
			}
			seen[name] = true
		}
		for name := range m.Flags {
			if !seen["--"+name] && name != "wal-dir" { // a member without a WAL directory
				t.Fatalf("flag %q got lost: %q", name, args)
			}
		}
		if both := seen["--experimental-initial-corrupt-check"] &&
			strings.Contains(strings.Join(args, " "), "InitialCorruptCheck="); both &&
			!strings.Contains(before["feature-gates"], "InitialCorruptCheck=") {
			t.Fatalf("the check at start is asked for twice, which etcd refuses: %q", args)
		}
	})
}

// same says whether a member may go on running.
func same(running, wanted []string) bool { return len(DiffArgs(running, wanted)) == 0 }

func TestDiffArgsLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := Args(someMember.Draw(t, "a")), Args(someMember.Draw(t, "b"))
		if !same(a, a) {
			t.Fatalf("not the same as itself: %q", DiffArgs(a, a))
		}
		if same(a, b) != same(b, a) {
			t.Fatal("not symmetric")
		}
		mixed := slices.Concat(a[:1], rapid.Permutation(a[1:]).Draw(t, "order"))
		if !same(mixed, a) || same(mixed, b) != same(a, b) {
			t.Fatal("the order of flags matters")
		}
		for _, c := range [][]string{nil, {""}, rapid.SliceOf(values).Draw(t, "noise")} {
			if !same(c, c) {
				t.Fatalf("%q is not the same as itself", c)
			}
		}
	})
}
