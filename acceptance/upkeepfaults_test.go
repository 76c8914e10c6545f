package acceptance

import (
	"context"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// TestUpkeepFaults has runs die that make databases small, and that end an alarm. They are of one stand: points have
// the IDs of members in their names.
func TestUpkeepFaults(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	s := standsOf(t, "flt-upkeep", 3, 1)[0]
	s.inv.Settings += "\n  etcd { quota_backend_bytes = \"16MiB\" }\n"
	s.file = s.write(t, "prod.hcl", s.inv)
	t.Run("defrag", func(t *testing.T) { disturb(t, defragging, s) })
	t.Run("disarm", func(t *testing.T) { disturb(t, disarming, s) })
}

// crowd are the clients of a stand's cluster.
func (s *stand) crowd(t *testing.T) crowd {
	t.Helper()
	return crowd{s.site, s.inv, s.admin(t, s.inv)}
}

// defragging makes the databases of three members small.
var defragging = operation{
	name: "defrag of 3 members", args: []string{"defrag", "--yes"}, telling: only("after defragment/etcd-2"),
	prepare: func(t *testing.T, s *stand) {
		s.ok(t, "apply", "--yes", s.file)
		s.crowd(t).writes(t, "/gone", 140)
		s.crowd(t).deletes(t, "/gone")
		s.lead(t, s.inv.Members[2])
	},
	ends: func(t *testing.T, s *stand, end []picture) {
		s.served(t, end)
		for name, size := range s.databases(t, s.inv) {
			if size > 4 {
				t.Errorf("%s has %d MiB still", name, size)
			}
		}
	},
	whole: ofThree, part: partOfThree,
}

// disarming leads three members out of NOSPACE, which all have raised.
var disarming = operation{
	name: "disarm of NOSPACE, 3 members", args: []string{"disarm", "--yes"}, telling: only("after compact/etcd-3"),
	prepare: func(t *testing.T, s *stand) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		s.ok(t, "apply", "--yes", s.file)
		c := s.crowd(t)
		c.writes(t, "/kept", 50)
		c.fills(t, func(int) string { return "/history" })
		for _, m := range s.inv.Members {
			status, err := c.Status(ctx, s.inv.url(m))
			must(t, err)
			_, err = pb.NewMaintenanceClient(c.ActiveConnection()).Alarm(ctx, &pb.AlarmRequest{
				Action: pb.AlarmRequest_ACTIVATE, MemberID: status.Header.MemberId, Alarm: pb.AlarmType_NOSPACE,
			})
			must(t, err)
		}
		s.lead(t, s.inv.Members[2])
	},
	ends: func(t *testing.T, s *stand, end []picture) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		s.served(t, end)
		c := s.crowd(t)
		_, err := c.Put(ctx, "/after", "it goes on")
		must(t, err)
		kept, err := c.Get(ctx, "/kept/", clientv3.WithPrefix(), clientv3.WithCountOnly())
		must(t, err)
		if kept.Count != 50 {
			t.Errorf("%d of 50 keys are left", kept.Count)
		}
	},
	whole: ofThree, part: partOfThree,
}
