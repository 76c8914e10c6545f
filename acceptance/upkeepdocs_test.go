package acceptance

import (
	"context"
	"errors"
	"fmt"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// crowd are the clients of a cluster, as a page tells of them.
type crowd struct {
	site *site
	inv  inventory
	*clientv3.Client
}

func (r *reader) clients(t *testing.T) crowd {
	t.Helper()
	inv := r.site.inventory(t, "prod")
	return crowd{r.site, inv, r.site.admin(t, inv)}
}

// portion is a tenth of a megabyte: what is larger leaves much room between pages of the database file.
var portion = megabyte[:len(megabyte)/10]

// writes puts n keys of a portion below a prefix.
func (c crowd) writes(t *testing.T, prefix string, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i := range n {
		_, err := c.Put(ctx, fmt.Sprintf("%s/%03d", prefix, i), portion)
		must(t, err)
	}
}

// deletes deletes all keys below a prefix, and compacts them away on every member. It returns when each says so, which
// it does as it writes next.
func (c crowd) deletes(t *testing.T, prefix string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	gone, err := c.Delete(ctx, prefix+"/", clientv3.WithPrefix())
	must(t, err)
	for _, m := range c.inv.Members { // each answers when it has freed the room
		_, err = c.site.client(t, c.site.appTLS(t, c.inv), c.inv.url(m)).
			Compact(ctx, gone.Header.Revision, clientv3.WithCompactPhysical())
		if !errors.Is(err, rpctypes.ErrCompacted) {
			must(t, err)
		}
	}
	for _, m := range c.inv.Members {
		until(t, m.Name+" to have free room", func() bool {
			_, err := c.Put(ctx, "written", "last")
			must(t, err)
			status, err := c.Status(ctx, c.inv.url(m))
			return err == nil && status.DbSizeInUse < status.DbSize/10
		})
	}
	_, err = c.Delete(ctx, "written")
	must(t, err)
}

// fills puts portions, each by the name that key gives it, until the alarm NOSPACE is raised.
func (c crowd) fills(t *testing.T, key func(n int) string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for n := range 10_000 {
		switch _, err := c.Put(ctx, key(n), portion); {
		case errors.Is(err, rpctypes.ErrNoSpace):
			return
		case err != nil:
			t.Fatal(err)
		}
	}
	t.Fatal("the database takes all")
}

// rots changes a value on the disk of a member, and raises the alarm, as etcd does within a minute of the next
// compaction.
func (c crowd) rots(t *testing.T, host string) {
	t.Helper()
	c.site.rots(t, c.Client, host, "/rot")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	at := c.site.host(t, host).IPv4.String()
	status, err := c.Status(ctx, c.inv.url(member{Address: at}))
	must(t, err)
	_, err = pb.NewMaintenanceClient(c.ActiveConnection()).Alarm(ctx, &pb.AlarmRequest{
		Action: pb.AlarmRequest_ACTIVATE, MemberID: status.Header.MemberId, Alarm: pb.AlarmType_CORRUPT,
	})
	must(t, err)
}
