package look

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
)

// A look at ports alone tells members that answer from those that do not, and from those that do not let us see.
func TestPorts(t *testing.T) {
	denied, refused := fmt.Errorf("status: %w", facts.ErrPermission), fmt.Errorf("handshake: %w", facts.ErrTLS)
	list := []facts.Listed{{ID: 1, Name: "a"}, {ID: 2, Name: "b"}, {ID: 3, Name: "c"}, {ID: 4, Name: "d"}}
	status := func(id facts.ID) facts.Status {
		return facts.Status{ClusterID: 7, MemberID: id, Leader: 1, Version: "3.6.16"}
	}
	etcd := &fakeEtcd{t: t, asked: map[string]int{}, routes: map[string]string{}, members: map[string]fakeMember{
		"https://a": {status: status(1), members: list, alarms: []facts.Alarm{{Member: 2, Type: "NOSPACE"}}},
		"https://b": {statusErr: errors.New("connection refused"), readErr: errors.New("connection refused")},
		"https://c": {statusErr: denied, listErr: denied},
		"https://d": {statusErr: refused, listErr: refused, readErr: refused},
	}}
	leaf := testLeaf(t, testCA(t, 1), "10.0.0.1")
	src := Source{
		Asks: map[string]facts.Ask{}, Etcd: etcd, Now: func() time.Time { return time.Unix(1795234534, 0) },
		Handshake: func(_ context.Context, k Knock) ([]*x509.Certificate, error) {
			if k.Role != "server" || k.CA != 0 || k.Address != k.From {
				t.Errorf("knocks as %+v", k)
			}
			return []*x509.Certificate{leaf}, nil
		},
	}
	for _, name := range []string{"a", "b", "c", "d"} {
		src.Asks[name] = facts.Ask{Endpoint: "https://" + name}
		etcd.route(name, "https://"+name)
	}
	s := Ports(t.Context(), src)
	a, b, c, d := s.Hosts["a"], s.Hosts["b"], s.Hosts["c"], s.Hosts["d"]
	if !a.Healthy() || a.Dark() || a.Data.MemberID != 1 || !a.Leaves["server"].NotAfter.Equal(leaf.NotAfter) {
		t.Errorf("one that answers: %+v", a)
	}
	if b.Unreachable == "" || b.Unasked != "" || b.Process != nil {
		t.Errorf("one that does not: %+v", b)
	}
	for name, host := range map[string]facts.Host{"does not let us see": c, "refuses our certificate": d} {
		if host.Unasked == "" || host.Unreachable != "" || host.Err == nil || !host.Dark() {
			t.Errorf("one that %s: %+v", name, host)
		}
	}
	if s.Cluster != 7 || len(s.Members) != 4 || len(s.Alarms) != 1 {
		t.Errorf("the cluster: %+v", s)
	}
}
