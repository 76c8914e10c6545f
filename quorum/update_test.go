package quorum

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/clusterup/clusterup/facts"
)

func TestUpdateMember(t *testing.T) {
	const one, two, old = "https://192.0.2.12:2380", "https://[2001:db8::12]:2380", "http://192.0.2.12:2380"
	for _, tc := range []struct {
		name    string
		have    []string // of the member a2
		id      uint64
		want    []string
		fail    map[string]error
		updates int
		kind    error
		text    string // of the error
	}{
		{name: "another", have: []string{old}, id: 0xa2, want: []string{one}, updates: 1},
		{name: "there already", have: []string{one}, id: 0xa2, want: []string{one}},
		{name: "there already, in another order", have: []string{one, two}, id: 0xa2, want: []string{two, one}},
		{name: "one more", have: []string{one}, id: 0xa2, want: []string{one, two}, updates: 1},
		{name: "one less", have: []string{one, two}, id: 0xa2, want: []string{two}, updates: 1},
		{
			name: "those of another member", have: []string{one}, id: 0xa3, want: []string{one}, updates: 1,
			kind: facts.ErrNoMember, text: "update member through " + epIPv4 + ": etcdserver: member not found",
		},
		{
			name: "none", have: []string{one}, id: 0xa2, // etcd would take it, and panic
			text: "update member through " + epIPv4 + ": no valid URLs given",
		},
		{
			name: "no URL", have: []string{one}, id: 0xa2, want: []string{"192.0.2.12:2380"},
			text: "update member through " + epIPv4 + ": parse ",
		},
		{
			name: "unhealthy", have: []string{old}, id: 0xa2, want: []string{one},
			fail: map[string]error{"MemberUpdate": rpctypes.ErrGRPCUnhealthy},
			text: "update member through " + epIPv4 + ": etcdserver: unhealthy cluster",
		},
		{
			name: "not allowed", have: []string{old}, id: 0xa2, want: []string{one},
			fail: map[string]error{"MemberUpdate": rpctypes.ErrGRPCPermissionDenied},
			kind: facts.ErrPermission, text: "update member through " + epIPv4 + ": etcdserver: permission denied",
		},
		{
			name: "no quorum", have: []string{one}, id: 0xa2, want: []string{one},
			fail: map[string]error{"MemberList": rpctypes.ErrGRPCTimeout},
			text: "list members through " + epIPv4 + ": etcdserver: request timed out",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := &fake{fail: tc.fail, members: &pb.MemberListResponse{Header: &pb.ResponseHeader{}, Members: []*pb.Member{
				{ID: 0xa1, PeerURLs: []string{"https://192.0.2.11:2380"}}, {ID: 0xa2, PeerURLs: tc.have},
			}}}
			c, _ := oneMember(t, f)
			err := c.UpdateMember(t.Context(), epIPv4, tc.id, tc.want)
			if text := errorText(err); !strings.HasPrefix(text, tc.text) || (text == "") != (tc.text == "") {
				t.Errorf("error %q, want %q", text, tc.text)
			}
			var e *Error
			if errors.As(err, &e) && !errors.Is(e.Kind, tc.kind) {
				t.Errorf("kind of %v is not %v", err, tc.kind)
			}
			if f.updates != tc.updates {
				t.Errorf("%d updates were asked for, want %d", f.updates, tc.updates)
			}
			if got := f.members.Members[1].PeerURLs; err == nil && !sameURLs(got, tc.want) {
				t.Errorf("the list says %q", got)
			}
		})
	}
}

// movesPeer gives a real member another peer URL, and its own back.
func movesPeer(t *testing.T, c *Cluster, members []*member, id facts.ID) {
	t.Helper()
	ctx, through, peer := t.Context(), members[0].endpoint, members[1].peer
	other := strings.Replace(peer, "127.0.0.1", "localhost", 1)
	for _, urls := range [][]string{{other}, {other, peer}, {peer}} {
		if err := c.UpdateMember(ctx, through, uint64(id), urls); err != nil {
			t.Fatalf("%q: %v", urls, err)
		}
		list, _, err := c.Members(ctx, through, true)
		at := slices.IndexFunc(list, func(m facts.Listed) bool { return m.ID == id })
		if err != nil || at < 0 {
			t.Fatalf("%v, %v", list, err)
		}
		if diff := cmp.Diff(urls, list[at].PeerURLs); diff != "" {
			t.Error(diff)
		}
		before := index(t, c, through)
		if err := c.UpdateMember(ctx, through, uint64(id), urls); err != nil {
			t.Errorf("%q once more: %v", urls, err)
		}
		if after := index(t, c, through); after != before {
			t.Errorf("%q once more: raft index went from %d to %d", urls, before, after)
		}
	}
	for why, got := range map[string]struct{ err, kind error }{
		"another member has it": {c.UpdateMember(ctx, through, uint64(id), []string{members[2].peer}), facts.ErrPeerURLs},
		"no such member":        {c.UpdateMember(ctx, through, 1, []string{other}), facts.ErrNoMember},
		"no URL":                {c.UpdateMember(ctx, through, uint64(id), nil), nil},
	} {
		var e *Error
		if !errors.As(got.err, &e) || !errors.Is(e.Kind, got.kind) {
			t.Errorf("%s: %v", why, got.err)
		}
	}
}
