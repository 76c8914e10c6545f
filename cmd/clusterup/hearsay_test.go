package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
)

// A dark host's member that the cluster does not list is told of without asking anybody; where no member can be asked,
// nothing is told.
func TestHeard(t *testing.T) {
	s, _ := lockedSession(t)
	seen := *s.last.Load()
	seen.Hosts["etcd-3"] = facts.Host{Name: "etcd-3", Unreachable: "no route"}
	if got := s.heard(t.Context(), seen); len(got) != 0 {
		t.Errorf("nobody was asked, and yet %v", got)
	}
	one := seen.Hosts["etcd-1"]
	one.Etcd = &facts.Status{}
	seen.Hosts["etcd-1"] = one
	seen.Members = seen.Members[:2]
	if got := s.heard(t.Context(), seen); len(got) != 1 || got["etcd-3"].Listed {
		t.Errorf("heard %v", got)
	}
	seen.Hosts["etcd-3"] = facts.Host{Name: "etcd-3"}
	if got := s.heard(t.Context(), seen); len(got) != 0 {
		t.Errorf("no host is dark, and yet %v", got)
	}
}

// Members are asked about side by side, also where the cluster lists only some of them; and at the addresses of the
// inventory alone.
func TestHeardOfMany(t *testing.T) {
	s, _ := lockedSession(t)
	in, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	s.console, s.dir = &console{in: in, out: &bytes.Buffer{}, err: &bytes.Buffer{}}, t.TempDir()
	s.now, s.etcd = time.Now, newEtcdAPI(s)
	seen := *s.last.Load()
	for _, name := range []string{"etcd-2", "etcd-3"} {
		seen.Hosts[name] = facts.Host{Name: name, Unreachable: "no route"}
	}
	one := seen.Hosts["etcd-1"]
	one.Etcd = &facts.Status{}
	seen.Hosts["etcd-1"] = one
	for range 20 {
		seen.Members = seen.Members[:2]
		if got := s.heard(t.Context(), seen); len(got) != 2 || !got["etcd-2"].Listed || got["etcd-2"].Serves || got["etcd-3"].Listed {
			t.Fatalf("heard %v", got)
		}
	}
	m := s.cluster.Members[1]
	for said, want := range map[string]string{
		"http://10.0.0.12:2381": "http://10.0.0.12:2381", "https://10.9.9.9:2379": "https://10.0.0.12:2379", "://": "https://10.0.0.12:2379",
	} {
		if got := clientURL(s.cluster, m, facts.Member{ClientURLs: []string{said}}); got != want {
			t.Errorf("%s: asked at %s", said, got)
		}
	}
}

// Hearsay stands beside the member, in text and in JSON, and in the finding of check.
func TestHearsayIsTold(t *testing.T) {
	said := map[string]hearsay{
		"etcd-1": {}, "etcd-2": {Listed: true, Serves: true, From: "etcd-4", Version: "3.6.16"}, "etcd-3": {Listed: true, From: "etcd-4", Error: "refused"},
	}
	want := map[string]string{
		"etcd-1": "the cluster lists no such member", "etcd-2": "the cluster lists it, and it serves reads to etcd-4's host",
		"etcd-3": "the cluster lists it, and it serves no read to etcd-4's host: refused",
	}
	members := []memberStatus{{Member: "etcd-1"}, {Member: "etcd-2"}, {Member: "etcd-3"}, {Member: "etcd-4"}}
	tell(members, said)
	found := checked{Findings: []finding{{Kind: "drift", Host: "etcd-1", Text: "x"}}}
	for name := range said {
		found.Findings = append(found.Findings, finding{Kind: "unreachable", Host: name, Text: "no route"})
	}
	found.heard(said)
	var out bytes.Buffer
	s := &session{console: &console{out: &out, err: &bytes.Buffer{}}, now: time.Now}
	s.showStatus(members, clusterStatus{})
	for name, text := range want {
		if !strings.Contains(out.String(), name+": "+text+"\n") {
			t.Errorf("%q is missing in\n%s", text, out.String())
		}
	}
	for _, f := range found.Findings {
		if f.Kind == "unreachable" && f.Text != "no route; "+want[f.Host] || f.Kind == "drift" && f.Text != "x" {
			t.Errorf("check says %+v", f)
		}
	}
	raw, err := json.Marshal(members[1])
	if err != nil || !strings.Contains(string(raw), `"cluster_says":{"listed":true,"serves":true,"from":"etcd-4","version":"3.6.16"}`) {
		t.Errorf("%s, %v", raw, err)
	}
	if raw, err = json.Marshal(members[3]); err != nil || strings.Contains(string(raw), "cluster_says") {
		t.Errorf("%s, %v", raw, err)
	}
}
