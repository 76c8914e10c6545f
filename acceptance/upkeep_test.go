package acceptance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// TestUpkeep has databases grow as they do over years, and made small again while clients write.
func TestUpkeep(t *testing.T) {
	t.Parallel()
	s := newSite(t, "upkeep", hosts(3)...)
	inv := s.inventory(t, "prod")
	inv.Settings = "\n  etcd {\n    quota_backend_bytes = \"160MiB\"\n" +
		"    flags = { \"compact-hash-check-time\" = \"1s\" }\n  }\n"
	file := s.write(t, "prod.hcl", inv)
	s.ok(t, "apply", "--yes", file)
	s.ok(t, "disarm", "--yes", file).says(t, "no alarm is raised")
	s.ok(t, "status", "--json", file).says(t,
		`"db_quota":167772160,"data_free":`, `"vitals":{"started":"20…"fsync_p99_seconds":0.`)
	s.ok(t, "status", file).says(t, "Until 99 of 100 writes…etcd-1 …etcd-3 ", "Changes of the leader…etcd-1 …etcd-3 ")
	t.Run("room in the databases", func(t *testing.T) { roomIsGivenBack(t, s, inv, file) })
	t.Run("a run that is killed", func(t *testing.T) { killedDefrag(t, s, inv, file) })
	t.Run("corrupt", func(t *testing.T) { corruptAlarm(t, s, inv, file) })
	t.Run("differing data", func(t *testing.T) { differing(t, s, inv, file) })
	if whole() {
		t.Run("unlike the others", func(t *testing.T) { unlike(t, s, inv, file) })
	}
	t.Run("no space", func(t *testing.T) { noSpace(t, s, inv, file) })
}

// admin is a client of the whole cluster.
func (s *site) admin(t *testing.T, inv inventory) *clientv3.Client {
	t.Helper()
	var urls []string
	for _, m := range inv.Members {
		urls = append(urls, inv.url(m))
	}
	return s.client(t, s.appTLS(t, inv), urls...)
}

var megabyte = strings.Repeat("x", 1000_000)

// leads is the member that leads.
func leads(t *testing.T, c *clientv3.Client, inv inventory) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, m := range inv.Members {
		status, err := c.Status(ctx, inv.url(m))
		must(t, err)
		if status.Leader == status.Header.MemberId {
			return m.Name
		}
	}
	t.Fatal("nobody leads")
	return ""
}

// databases are the sizes of the members' database files in MiB.
func (s *site) databases(t *testing.T, inv inventory) map[string]int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, sizes := s.admin(t, inv), map[string]int64{}
	for _, m := range inv.Members {
		status, err := c.Status(ctx, inv.url(m))
		must(t, err)
		sizes[m.Name] = status.DbSize >> 20
	}
	return sizes
}

// roomIsGivenBack deletes most of a database, and has it made small, the leader's last.
func roomIsGivenBack(t *testing.T, s *site, inv inventory, file string) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := s.admin(t, inv)
	for i := range 115 {
		_, err := c.Put(ctx, fmt.Sprintf("/fill/gone/%03d", i), megabyte)
		must(t, err)
	}
	gone, err := c.Delete(ctx, "/fill/gone/", clientv3.WithPrefix())
	must(t, err)
	_, err = c.Compact(ctx, gone.Header.Revision, clientv3.WithCompactPhysical())
	must(t, err)
	for name, size := range s.databases(t, inv) {
		if size < 100 {
			t.Fatalf("%s has %d MiB", name, size)
		}
	}
	leader := leads(t, c, inv)
	tr := startTraffic(t, s, inv, everybody)
	said := s.ok(t, "defrag", "--yes", file).says(t, "move-leader/"+leader, " given back")
	tr.stop(t).sound(t)
	var order []string
	for line := range strings.Lines(said.stderr) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name, ok := strings.CutPrefix(word, "defragment/"); ok && !strings.HasSuffix(name, ":") {
			order = append(order, name)
		}
	}
	if len(order) != 3 || order[2] != leader {
		t.Errorf("defragmented in the order %v, and %s led", order, leader)
	}
	for name, size := range s.databases(t, inv) {
		if size > 30 {
			t.Errorf("%s has %d MiB still", name, size)
		}
	}
	s.ok(t, "defrag", "--yes", file).says(t, "nothing is worth defragmenting: etcd-1 has ")
	s.ok(t, "check", file)
}

// killedDefrag kills a run in the middle of its step; the next one waits for the member and goes on.
func killedDefrag(t *testing.T, s *site, inv inventory, file string) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := s.admin(t, inv)
	for i := range 20 {
		_, err := c.Put(ctx, fmt.Sprintf("/fill/gone/%03d", i), megabyte)
		must(t, err)
	}
	_, err := c.Delete(ctx, "/fill/gone/", clientv3.WithPrefix())
	must(t, err)
	s.run(t, "defrag", "--yes", "--member=etcd-9", file).exits(t, 2).says(t, "etcd-9")
	p := s.start(t, "defrag", "--yes", "--member=etcd-1", file)
	p.await(t, "── defragment etcd-1")
	must(t, p.cmd.Process.Signal(syscall.SIGKILL))
	p.wait(t)
	s.ok(t, "defrag", "--yes", "--member=etcd-1", file).says(t, "defragment/etcd-1: ").saysNot(t, "defragment/etcd-2")
	s.ok(t, "check", file)
}

// corruptAlarm is raised although the data of all members are equal: that is compared, and it ends.
func corruptAlarm(t *testing.T, s *site, inv inventory, file string) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := s.admin(t, inv)
	status, err := c.Status(ctx, inv.url(inv.Members[1]))
	must(t, err)
	_, err = pb.NewMaintenanceClient(c.ActiveConnection()).Alarm(ctx, &pb.AlarmRequest{
		Action: pb.AlarmRequest_ACTIVATE, MemberID: status.Header.MemberId, Alarm: pb.AlarmType_CORRUPT,
	})
	must(t, err)
	s.run(t, "check", file).exits(t, 3).says(t, "etcd-2 has raised the alarm CORRUPT…[alarm]",
		"→ clusterup disarm INVENTORY")
	s.run(t, "defrag", "--yes", file).exits(t, 13).says(t, "CORRUPT…[alarm]", "→ clusterup disarm INVENTORY")
	s.ok(t, "disarm", "--yes", file).says(t, "disarm-alarm/CORRUPT/").saysNot(t, "defragment/", "compact/")
	s.ok(t, "check", file)
}

// noSpace fills the quota while others write, and goes the one way out that clusterup names. The writers go on.
func noSpace(t *testing.T, s *site, inv inventory, file string) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := s.admin(t, inv)
	for i := range 30 {
		_, err := c.Put(ctx, fmt.Sprintf("/fill/kept/%03d", i), megabyte)
		must(t, err)
	}
	tr := startTraffic(t, s, inv, nobody)
	var full error
	for range 300 {
		if _, full = c.Put(ctx, "/history", megabyte); full != nil {
			break
		}
	}
	if !errors.Is(full, rpctypes.ErrNoSpace) {
		t.Fatalf("the database takes all: %v", full)
	}
	const disarm = "clusterup disarm INVENTORY"
	s.run(t, "check", file).exits(t, 3).says(t, "NOSPACE…[alarm]", "→ "+disarm).saysNot(t, "[unhealthy]")
	s.ok(t, "status", file).says(t, disarm)
	s.ok(t, "plan", file).says(t, disarm)
	said := s.ok(t, "disarm", "--yes", file).says(t, "/fill/kept/ …MiB", "compact", "disarm-alarm/NOSPACE")
	if !tells(said.stdout+said.stderr, "That is not all: the time for it was over") { // as on a busy machine
		said.says(t, "/fill/kept/…30…28.6 MiB")
	}
	if at := strings.LastIndex(said.stderr, "disarm-alarm/"); at < strings.LastIndex(said.stderr, "defragment/") {
		t.Error("the alarm ends before there is room")
	}
	after, err := c.Put(ctx, "/after", "it goes on")
	must(t, err)
	r := tr.stop(t)
	r.sound(t)
	for i, writes := range tr.writes {
		if last := writes[len(writes)-1]; last.revision <= after.Header.Revision && last.err != nil {
			t.Errorf("writer %d ends with %+v", i, last)
		}
	}
	s.ok(t, "check", file)
}
