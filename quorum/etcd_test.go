package quorum

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/clusterup/clusterup/facts"
)

// patience is how long anything may take that a cluster on loopback does by itself.
const patience = 30 * time.Second

// TestRealEtcd has the same conversation with a cluster of three real members, when CLUSTERUP_ETCD names an etcd
// binary.
func TestRealEtcd(t *testing.T) {
	binary := os.Getenv("CLUSTERUP_ETCD")
	if binary == "" {
		t.Skip("CLUSTERUP_ETCD names no etcd binary; the acceptance tests cover real members too")
	}
	ca := newAuthority(t)
	members, start := startEtcd(t, binary, ca, 3)
	c := cluster(t, Config{TLS: ca.client(t)})
	ctx := t.Context()

	first := members[0].endpoint
	var leader, follower string
	status := map[string]facts.Status{}
	waitFor(t, "all members know a leader", func() bool {
		for _, m := range members {
			s, err := c.Status(ctx, m.endpoint)
			if err != nil || s.Leader == 0 {
				return false
			}
			status[m.endpoint] = s
			if s.Leader == s.MemberID {
				leader = m.endpoint
			} else {
				follower = m.endpoint
			}
		}
		return leader != "" && follower != ""
	})
	waitFor(t, "the cluster version is decided", func() bool {
		v, err := c.ClusterVersion(ctx, first)
		return err == nil && v != "" && strings.HasSuffix(v, ".0")
	})

	for _, linearizable := range []bool{true, false} {
		list, id, err := c.Members(ctx, first, linearizable)
		if err != nil || len(list) != len(members) || facts.ID(id) != status[first].ClusterID {
			t.Errorf("Members(linearizable %t) = %v, %x, %v", linearizable, list, id, err)
		}
	}
	for _, m := range members {
		if err := c.ReadLinearizable(ctx, m.endpoint); err != nil {
			t.Error(err)
		}
		if err := c.Canary(ctx, m.endpoint, canaryPrefix+"test/"+m.name, "v"); err != nil {
			t.Error(err)
		}
	}

	to := uint64(status[follower].MemberID)
	if err := c.MoveLeader(ctx, follower, to); !errors.Is(err, rpctypes.ErrNotLeader) {
		t.Errorf("MoveLeader at a follower: %v", err)
	}
	if err := c.MoveLeader(ctx, leader, to); err != nil {
		t.Error(err)
	}
	if s, err := c.Status(ctx, follower); err != nil || s.Leader != s.MemberID {
		t.Errorf("after MoveLeader: %+v, %v", s, err)
	}
	sameData(t, c, members)
	movesPeer(t, c, members, status[members[1].endpoint].MemberID)
	newcomer(t, c, members, start)
	copies(t, c, first, status[first].Version)
	follows(t, c, members)
	exchanges(t, c, members)
	downgrades(t, c, first, status[first].Version)
	raiseAlarm(t, c, first, status[first].MemberID)
	onlyCanariesWrite(t, c, first)

	for _, m := range members[1:] {
		m.stop()
	}
	waitFor(t, "the last member knows that it is alone", func() bool {
		return c.ReadLinearizable(ctx, first) != nil
	})
	if _, err := c.Status(ctx, first); err != nil {
		t.Errorf("Status without a quorum: %v", err)
	}
	if _, err := c.Status(ctx, members[1].endpoint); !errors.Is(err, errUnreachable) {
		t.Errorf("Status of a stopped member: %v", err)
	}
}

// raiseAlarm leaves the cluster with an alarm, and finds it in what this version says.
func raiseAlarm(t *testing.T, c *Cluster, endpoint string, of facts.ID) {
	t.Helper()
	n, err := c.conn(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	req := &pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE, MemberID: uint64(of), Alarm: pb.AlarmType_NOSPACE}
	if _, err := pb.NewMaintenanceClient(n.client.ActiveConnection()).Alarm(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	got, err := c.Alarms(t.Context(), endpoint)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]facts.Alarm{{Member: of, Type: "NOSPACE"}}, got); diff != "" {
		t.Error(diff)
	}
	if err := c.Canary(t.Context(), endpoint, canaryPrefix+"test/full", "v"); !errors.Is(err, facts.ErrNoSpace) {
		t.Errorf("Canary with the alarm raised: %v", err)
	}
}

func index(t *testing.T, c *Cluster, endpoint string) uint64 {
	t.Helper()
	s, err := c.Status(t.Context(), endpoint)
	if err != nil {
		t.Fatal(err)
	}
	return s.Index
}

// onlyCanariesWrite shows that looking at a cluster leaves nothing in its log, which every member writes to its disk.
func onlyCanariesWrite(t *testing.T, c *Cluster, endpoint string) {
	t.Helper()
	ctx := t.Context()
	before := index(t, c, endpoint)
	_, _, err := c.Members(ctx, endpoint, true)
	_, verr := c.ClusterVersion(ctx, endpoint)
	_, aerr := c.Alarms(ctx, endpoint)
	_, rerr := c.Revision(ctx, endpoint)
	_, herr := c.HashKV(ctx, endpoint, 0)
	_, serr := c.Snapshot(ctx, endpoint, io.Discard, nil)
	if err := errors.Join(err, verr, aerr, rerr, herr, serr, c.ReadLinearizable(ctx, endpoint)); err != nil {
		t.Error(err)
	}
	if after := index(t, c, endpoint); after != before {
		t.Errorf("raft index went from %d to %d by reading", before, after)
	}
}

type member struct {
	name, endpoint, peer string
	stop                 func()
}

// startEtcd starts some members with TLS towards clients, and says how to start others; they end with the test.
func startEtcd(t *testing.T, binary string, ca *authority, n int) (
	members []*member, start func(m *member, more ...string),
) {
	t.Helper()
	dir := t.TempDir()
	writePEM(t, filepath.Join(dir, "ca.pem"), "CERTIFICATE", ca.cert.Raw)
	leaf := ca.leaf(t, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} })
	writePEM(t, filepath.Join(dir, "cert.pem"), "CERTIFICATE", leaf.Certificate[0])
	key, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, filepath.Join(dir, "key.pem"), "PRIVATE KEY", key)

	start = func(m *member, more ...string) { m.start(t, binary, dir, more...) }
	var initial []string
	for i := range n {
		m := &member{name: fmt.Sprintf("m%d", i), endpoint: "https://" + closedPort(t), peer: "http://" + closedPort(t)}
		members = append(members, m)
		initial = append(initial, m.name+"="+m.peer)
	}
	for _, m := range members {
		start(m, "--initial-cluster="+strings.Join(initial, ","))
	}
	return members, start
}

func (m *member) start(t *testing.T, binary, dir string, more ...string) {
	t.Helper()
	args := []string{
		"--name=" + m.name, "--data-dir=" + filepath.Join(dir, m.name),
		"--listen-client-urls=" + m.endpoint, "--advertise-client-urls=" + m.endpoint,
		"--listen-peer-urls=" + m.peer, "--initial-advertise-peer-urls=" + m.peer,
		"--cert-file=" + filepath.Join(dir, "cert.pem"), "--key-file=" + filepath.Join(dir, "key.pem"),
		"--trusted-ca-file=" + filepath.Join(dir, "ca.pem"), "--client-cert-auth",
		// Enough time for the last member to notice that it is alone to be told from a slow machine.
		"--heartbeat-interval=100", "--election-timeout=1000",
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, binary, append(args, more...)...)
	// The members talk to each other on loopback, whatever the proxy of TestMain.
	cmd.Env = slices.DeleteFunc(os.Environ(),
		func(e string) bool { return strings.Contains(strings.ToUpper(e), "_PROXY=") })
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m.stop = func() { cancel(); _ = cmd.Wait() }
	t.Cleanup(func() {
		m.stop()
		if t.Failed() {
			t.Logf("%s said:\n%s", m.name, out.String())
		}
	})
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// waitFor asks again and again, until the deadline.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !done() {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("waited %s: %s", patience, what)
		}
	}
}
