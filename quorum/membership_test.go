package quorum

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/clusterup/clusterup/facts"
)

func TestChangeMembers(t *testing.T) {
	const one, two, other = "https://192.0.2.12:2380", "https://[2001:db8::12]:2380", "https://192.0.2.11:2380"
	add := func(urls ...string) func(context.Context, *Cluster) error {
		return func(ctx context.Context, c *Cluster) error { return c.AddLearner(ctx, epIPv4, urls) }
	}
	promote := func(id uint64) func(context.Context, *Cluster) error {
		return func(ctx context.Context, c *Cluster) error { return c.PromoteMember(ctx, epIPv4, id) }
	}
	remove := func(id uint64) func(context.Context, *Cluster) error {
		return func(ctx context.Context, c *Cluster) error { return c.RemoveMember(ctx, epIPv4, id) }
	}
	learner := &pb.Member{ID: 0xa2, PeerURLs: []string{one, two}, IsLearner: true}
	voter := &pb.Member{ID: 0xa2, PeerURLs: []string{one, two}}
	lost := status.Error(codes.Unavailable, "transport is closing")
	for _, tc := range []struct {
		name    string
		have    *pb.Member // beside a1
		do      func(context.Context, *Cluster) error
		fail    map[string]error
		amiss   map[string]error
		changes string // that were asked for
		kind    error
		text    string // of the error, in part
	}{
		{name: "add", do: add(one), changes: `add ["` + one + `"], learner true`},
		{name: "add one that is there", have: learner, do: add(two, one)},
		{name: "add one that has a vote", have: voter, do: add(one, two)},
		{
			name: "add, and the answer is lost", do: add(one), amiss: map[string]error{"MemberAdd": lost},
			changes: `add ["` + one + `"], learner true`,
		},
		{
			name: "add, and the client asks twice", do: add(one), changes: `add ["` + one + `"], learner true`,
			amiss: map[string]error{"MemberAdd": rpctypes.ErrGRPCPeerURLExist},
		},
		{
			name: "add at the URL of another", do: add(one, other), changes: `add ["` + one + `" "` + other + `"], learner true`,
			kind: facts.ErrPeerURLs, text: "Peer URLs already exists: another member",
		},
		{
			name: "add a second learner", have: learner, do: add("https://192.0.2.13:2380"),
			changes: `add ["https://192.0.2.13:2380"], learner true`,
			kind:    facts.ErrLearners, text: "too many learner members in cluster: promote or remove",
		},
		{
			name: "add too early", do: add(one), fail: map[string]error{"MemberAdd": rpctypes.ErrGRPCUnhealthy},
			text: "add learner through " + epIPv4 + ": etcdserver: unhealthy cluster: too few of the members that vote",
		},
		{name: "add no URL", do: add("192.0.2.12:2380"), text: "add learner through " + epIPv4 + ": parse "},
		{name: "add none", do: add(), text: "add learner through " + epIPv4 + ": no valid URLs given"},
		{
			name: "add without a quorum", do: add(one), fail: map[string]error{"MemberList": rpctypes.ErrGRPCTimeout},
			text: "list members through " + epIPv4 + ": etcdserver: request timed out",
		},
		{
			name: "add without the right", do: add(one), kind: facts.ErrPermission, text: "permission denied",
			fail: map[string]error{"MemberAdd": rpctypes.ErrGRPCPermissionDenied},
		},

		{name: "promote", have: learner, do: promote(0xa2), changes: "promote a2"},
		{name: "promote one that has a vote", have: voter, do: promote(0xa2)},
		{
			name: "promote, and the answer is lost", have: learner, do: promote(0xa2), changes: "promote a2",
			amiss: map[string]error{"MemberPromote": lost},
		},
		{
			name: "promote, and the client asks twice", have: learner, do: promote(0xa2), changes: "promote a2",
			amiss: map[string]error{"MemberPromote": rpctypes.ErrGRPCMemberNotLearner},
		},
		{
			name: "promote nobody", have: learner, do: promote(0xa3), changes: "promote a3",
			kind: facts.ErrNoMember, text: "member not found: the member list has changed",
		},
		{
			name: "promote too early", have: learner, do: promote(0xa2), text: "in sync with leader: it is still being sent",
			fail: map[string]error{"MemberPromote": rpctypes.ErrGRPCLearnerNotReady},
		},

		{name: "remove", have: voter, do: remove(0xa2), changes: "remove a2"},
		{name: "remove one that is not there", do: remove(0xa2)},
		{
			name: "remove, and the answer is lost", have: voter, do: remove(0xa2), changes: "remove a2",
			amiss: map[string]error{"MemberRemove": lost},
		},
		{
			name: "remove, and the client asks twice", have: voter, do: remove(0xa2), changes: "remove a2",
			amiss: map[string]error{"MemberRemove": rpctypes.ErrGRPCMemberNotFound},
		},
		{
			name: "remove when another has not started", have: voter, do: remove(0xa2),
			fail: map[string]error{"MemberRemove": rpctypes.ErrGRPCMemberNotEnoughStarted},
			text: "not enough started members: too few members that vote have ever started",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := &fake{fail: tc.fail, amiss: tc.amiss, members: &pb.MemberListResponse{
				Header: &pb.ResponseHeader{}, Members: []*pb.Member{{ID: 0xa1, PeerURLs: []string{other}}},
			}}
			if m := tc.have; m != nil {
				f.members.Members = append(f.members.Members,
					&pb.Member{ID: m.ID, PeerURLs: m.PeerURLs, IsLearner: m.IsLearner})
			}
			c, _ := oneMember(t, f)
			err := tc.do(t.Context(), c)
			if text := errorText(err); !strings.Contains(text, tc.text) || (text == "") != (tc.text == "") {
				t.Errorf("error %q, want %q", text, tc.text)
			}
			var e *Error
			if errors.As(err, &e) && (!errors.Is(e.Kind, tc.kind) || facts.Hopeless(err) != (tc.kind != nil)) {
				t.Errorf("%v is of kind %v, want %v", err, e.Kind, tc.kind)
			}
			if got := strings.Join(f.changes, "; "); got != tc.changes {
				t.Errorf("asked for %s, want %s", got, tc.changes)
			}
		})
	}
}

// newcomer has a real member join, vote and leave again, and says each of it twice: what is done is not done again.
func newcomer(t *testing.T, c *Cluster, members []*member, start func(m *member, more ...string)) {
	t.Helper()
	ctx, through := t.Context(), members[0].endpoint
	m := &member{name: "m3", endpoint: "https://" + closedPort(t), peer: "http://" + closedPort(t)}
	// until is what apply does about errors that pass.
	until := func(what string, do func() error) {
		t.Helper()
		waitFor(t, what, func() bool {
			err := do()
			if facts.Hopeless(err) {
				t.Fatal(err)
			}
			return err == nil
		})
		if err := c.ReadLinearizable(ctx, through); err != nil { // a follower hears of what was done a moment later
			t.Fatal(err)
		}
		before := index(t, c, through)
		if err := do(); err != nil {
			t.Errorf("%s once more: %v", what, err)
		}
		if after := index(t, c, through); after != before {
			t.Errorf("%s once more: raft index went from %d to %d", what, before, after)
		}
	}
	listed := func() *facts.Listed {
		t.Helper()
		list, _, err := c.Members(ctx, through, true)
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(list, func(l facts.Listed) bool { return slices.Equal(l.PeerURLs, []string{m.peer}) })
		if at < 0 {
			return nil
		}
		return &list[at]
	}

	until("a learner joins", func() error { return c.AddLearner(ctx, through, []string{m.peer}) })
	l := listed()
	if l == nil || !l.Learner || l.Name != "" {
		t.Fatalf("the list says %+v of a learner that has not started", l)
	}
	id := uint64(l.ID)
	if err := c.AddLearner(ctx, through, []string{"http://" + closedPort(t)}); !errors.Is(err, facts.ErrLearners) {
		t.Errorf("a second learner: %v", err)
	}
	taken := []string{members[1].peer, "http://localhost:1"}
	if err := c.AddLearner(ctx, through, taken); !errors.Is(err, facts.ErrPeerURLs) {
		t.Errorf("a learner at the URL of another: %v", err)
	}
	if err := c.PromoteMember(ctx, through, id); err == nil || facts.Hopeless(err) || facts.Stubborn(err) {
		t.Errorf("a learner that has not started gets a vote: %v", err)
	}

	initial := []string{m.name + "=" + m.peer}
	for _, other := range members {
		initial = append(initial, other.name+"="+other.peer)
	}
	start(m, "--initial-cluster="+strings.Join(initial, ","), "--initial-cluster-state=existing")
	waitFor(t, "the learner knows a leader", func() bool {
		s, err := c.Status(ctx, m.endpoint)
		return err == nil && s.Leader != 0 && s.Learner
	})
	if err := c.ReadLinearizable(ctx, m.endpoint); !errors.Is(err, facts.ErrLearner) {
		t.Errorf("a linearizable read through a learner: %v", err)
	}
	until("it gets a vote", func() error { return c.PromoteMember(ctx, through, id) })
	waitFor(t, "it serves reads", func() bool { return c.ReadLinearizable(ctx, m.endpoint) == nil })
	want := &facts.Listed{ID: facts.ID(id), Name: m.name, PeerURLs: []string{m.peer}, ClientURLs: []string{m.endpoint}}
	if d := cmp.Diff(want, listed()); d != "" {
		t.Error(d)
	}
	until("it leaves", func() error { return c.RemoveMember(ctx, through, id) })
	if l := listed(); l != nil {
		t.Errorf("the list says %+v of a member that was removed", l)
	}
	if err := c.PromoteMember(ctx, through, id); !errors.Is(err, facts.ErrNoMember) {
		t.Errorf("a member that was removed gets a vote: %v", err)
	}
}
