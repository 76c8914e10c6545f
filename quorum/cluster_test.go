package quorum

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/clusterup/clusterup/facts"
)

// Every test here runs with a proxy in the environment that leads nowhere, and asks endpoints of addresses and names
// that do not exist on this machine: whatever goes past the dial function fails.
func TestMain(m *testing.M) {
	for _, name := range []string{"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"} {
		os.Setenv(name, "http://127.0.0.1:1")
	}
	os.Exit(m.Run())
}

const (
	epIPv4 = "https://192.0.2.11:2379"
	epIPv6 = "https://[2001:db8::11]:2379"
	epName = "https://etcd-1.invalid:2379"
)

// dialer leads "host:port" of endpoints to fakes, and refuses everything else.
type dialer struct {
	routes map[string]string
	dials  atomic.Int64
}

func (d *dialer) dial(ctx context.Context, endpoint string) (net.Conn, error) {
	d.dials.Add(1)
	to, ok := d.routes[endpoint]
	if !ok {
		return nil, fmt.Errorf("no route to %s in this test", endpoint)
	}
	var nd net.Dialer
	return nd.DialContext(ctx, "tcp", to)
}

func cluster(t *testing.T, cfg Config) *Cluster {
	t.Helper()
	c := New(cfg)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// oneMember is a fake with TLS that every endpoint of this file leads to.
func oneMember(t *testing.T, f *fake) (*Cluster, *dialer) {
	t.Helper()
	ca := newAuthority(t)
	f.serve(t, ca.server(t, "192.0.2.11", "2001:db8::11", "etcd-1.invalid"))
	d := &dialer{routes: map[string]string{
		"192.0.2.11:2379": f.addr, "[2001:db8::11]:2379": f.addr,
		"etcd-1.invalid:2379": f.addr,
	}}
	return cluster(t, Config{TLS: ca.client(t), Dial: d.dial}), d
}

func aStatus() *pb.StatusResponse {
	return &pb.StatusResponse{
		Header:  &pb.ResponseHeader{ClusterId: 0xc1, MemberId: 0xa1},
		Version: "3.6.16", StorageVersion: "3.6.0", Leader: 0xa2, RaftIndex: 20, RaftAppliedIndex: 19, RaftTerm: 3,
		DbSize: 4096, DbSizeInUse: 2048, IsLearner: true, Errors: []string{"etcdserver: no leader"},
	}
}

func TestStatus(t *testing.T) {
	want := facts.Status{
		ClusterID: 0xc1, MemberID: 0xa1, Version: "3.6.16", StorageVersion: "3.6.0", Leader: 0xa2, Index: 20, Applied: 19,
		Term:   3,
		DBSize: 4096, DBInUse: 2048, Learner: true, Errors: []string{"etcdserver: no leader"},
	}
	for _, endpoint := range []string{epIPv4, epIPv6, epName} {
		t.Run(endpoint, func(t *testing.T) {
			c, _ := oneMember(t, &fake{status: aStatus()})
			got, err := c.Status(t.Context(), endpoint)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A target alone says nothing: etcd keeps it after the downgrade was cancelled.
func TestStatusDowngrade(t *testing.T) {
	for want, info := range map[string]*pb.DowngradeInfo{
		"3.5.0": {Enabled: true, TargetVersion: "3.5.0"},
		"":      {TargetVersion: "3.5.0"},
	} {
		status := aStatus()
		status.DowngradeInfo = info
		c, _ := oneMember(t, &fake{status: status})
		got, err := c.Status(t.Context(), epIPv4)
		if err != nil || got.Downgrade != want {
			t.Errorf("%v: Downgrade %q, %v; want %q", info, got.Downgrade, err, want)
		}
	}
}

func TestStatusWithoutTLS(t *testing.T) {
	f := (&fake{status: aStatus()}).serve(t, nil)
	c := cluster(t, Config{})
	got, err := c.Status(t.Context(), "http://"+f.addr)
	if err != nil || got.MemberID != 0xa1 {
		t.Errorf("Status() = %+v, %v", got, err)
	}
}

func TestMembers(t *testing.T) {
	f := &fake{members: &pb.MemberListResponse{
		Header: &pb.ResponseHeader{ClusterId: 0xc1},
		Members: []*pb.Member{
			{ID: 0xa1, Name: "etcd-1", PeerURLs: []string{"https://192.0.2.11:2380"}, ClientURLs: []string{epIPv4}},
			{ID: 0xa2, PeerURLs: []string{"https://192.0.2.12:2380"}, IsLearner: true},
		},
	}}
	c, _ := oneMember(t, f)
	want := []facts.Listed{
		{ID: 0xa1, Name: "etcd-1", PeerURLs: []string{"https://192.0.2.11:2380"}, ClientURLs: []string{epIPv4}},
		{ID: 0xa2, PeerURLs: []string{"https://192.0.2.12:2380"}, Learner: true},
	}
	for _, linearizable := range []bool{true, false} {
		got, id, err := c.Members(t.Context(), epIPv4, linearizable)
		if err != nil || id != 0xc1 {
			t.Errorf("linearizable %t: cluster %x, error %v", linearizable, id, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("linearizable %t: %s", linearizable, diff)
		}
	}

	f.mu.Lock()
	f.noLeader = true
	f.mu.Unlock()
	if _, _, err := c.Members(t.Context(), epIPv4, true); !errors.Is(err, rpctypes.ErrNoLeader) {
		t.Errorf("linearizable without a leader: %v", err)
	}
	if got, _, err := c.Members(t.Context(), epIPv4, false); err != nil || len(got) != 2 {
		t.Errorf("serializable without a leader: %v, %v", got, err)
	}
}

// The fake does not serve the alarm list, which would write.
func TestAlarms(t *testing.T) {
	for _, tc := range []struct {
		name   string
		errors []string
		want   []facts.Alarm
	}{
		{"none", nil, nil},
		{
			"etcd 3.5",
			[]string{"memberID:10276657743932975437 alarm:NOSPACE "},
			[]facts.Alarm{{Member: 10276657743932975437, Type: "NOSPACE"}},
		},
		{
			"etcd 3.7",
			[]string{(&pb.AlarmMember{MemberID: 7, Alarm: pb.AlarmType_CORRUPT}).String()},
			[]facts.Alarm{{Member: 7, Type: "CORRUPT"}},
		},
		{
			"two, and another complaint",
			[]string{"etcdserver: no leader", "memberID:1 alarm:NOSPACE", "memberID:2 alarm:CORRUPT"},
			[]facts.Alarm{{Member: 1, Type: "NOSPACE"}, {Member: 2, Type: "CORRUPT"}},
		},
		{"other complaints", []string{"etcdserver: no leader", "", "memberID:7"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status := aStatus()
			status.Errors = tc.errors
			c, _ := oneMember(t, &fake{status: status})
			got, err := c.Alarms(t.Context(), epIPv4)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadLinearizable(t *testing.T) {
	for _, tc := range []struct {
		name string
		fake *fake
		kind error // nil: healthy
	}{
		{"healthy", &fake{store: map[string]string{}}, nil},
		{"the key exists", &fake{store: map[string]string{"health": "x"}}, nil},
		{"permission denied is healthy", &fake{fail: map[string]error{"Range": rpctypes.ErrGRPCPermissionDenied}}, nil},
		{"no user is healthy", &fake{fail: map[string]error{"Range": rpctypes.ErrGRPCUserEmpty}}, nil},
		{"no leader", &fake{store: map[string]string{}, noLeader: true}, rpctypes.ErrNoLeader},
		{"no quorum", &fake{fail: map[string]error{"Range": rpctypes.ErrGRPCTimeout}}, rpctypes.ErrTimeout},
		{"a learner", &fake{fail: map[string]error{"Range": rpctypes.ErrGRPCNotSupportedForLearner}}, facts.ErrLearner},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := oneMember(t, tc.fake)
			if err := c.ReadLinearizable(t.Context(), epIPv4); !errors.Is(err, tc.kind) {
				t.Errorf("got %v, want %v", err, tc.kind)
			}
		})
	}
}

func TestMoveLeader(t *testing.T) {
	f := &fake{}
	c, _ := oneMember(t, f)
	if err := c.MoveLeader(t.Context(), epIPv4, 0xa2); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint64{0xa2}, f.moved); diff != "" {
		t.Error(diff)
	}
	f.mu.Lock()
	f.fail = map[string]error{"MoveLeader": rpctypes.ErrGRPCNotLeader}
	f.mu.Unlock()
	if err := c.MoveLeader(t.Context(), epIPv4, 0xa3); !errors.Is(err, rpctypes.ErrNotLeader) {
		t.Errorf("at a follower: %v", err)
	}
}

func TestClusterVersion(t *testing.T) {
	for _, tc := range []struct {
		name     string
		versions map[string]string
		want     string
		text     string // of the error
	}{
		{"decided", map[string]string{"etcdserver": "3.6.16", "etcdcluster": "3.5.0"}, "3.5.0", ""},
		{"not yet", map[string]string{"etcdserver": "3.6.16", "etcdcluster": "not_decided"}, "", ""},
		{"not there", nil, "", "ask cluster version of " + epIPv6 + ": GET /version: 404 Not Found"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := oneMember(t, &fake{versions: tc.versions})
			got, err := c.ClusterVersion(t.Context(), epIPv6)
			if text := errorText(err); got != tc.want || text != tc.text {
				t.Errorf("got %q, error %q", got, text)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// One connection carries everything, also when the first calls come all at once.
func TestOneConnection(t *testing.T) {
	c, d := oneMember(t, &fake{status: aStatus(), store: map[string]string{}})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := c.Status(t.Context(), epIPv4); err != nil {
				t.Error(err)
			}
			if err := c.ReadLinearizable(t.Context(), epIPv4); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := d.dials.Load(); n != 1 {
		t.Errorf("%d dials, want 1", n)
	}
}

func TestNewDialsNothing(t *testing.T) {
	_, d := oneMember(t, &fake{})
	if n := d.dials.Load(); n != 0 {
		t.Errorf("%d dials, want 0", n)
	}
}

func TestClosed(t *testing.T) {
	c, d := oneMember(t, &fake{status: aStatus()})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Status(t.Context(), epIPv4); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if n := d.dials.Load(); n != 0 {
		t.Errorf("%d dials, want 0", n)
	}
}
