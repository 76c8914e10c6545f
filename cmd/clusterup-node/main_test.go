package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/node"
	"github.com/clusterup/clusterup/units/balancer"
)

// The configuration that clusterup writes is one that this program takes.
func TestWrittenConfiguration(t *testing.T) {
	for name, tls := range map[string]bool{"TLS": true, "no TLS": false} {
		t.Run(name, func(t *testing.T) {
			n := balancer.Node{
				Cluster: "prod", Balancer: "front", Name: "lb-1", TLS: tls,
				Listens:   []balancer.Listen{{Name: "write", Port: 5000, PostgresUser: "check"}, {Name: "web", Port: 80}},
				Endpoints: []string{"http://10.0.0.11:2379", "http://[fd00::12]:2379"},
			}
			if tls {
				n.Endpoints = []string{"https://10.0.0.11:2379", "https://[fd00::12]:2379"}
			}
			path := filepath.Join(t.TempDir(), "config.json")
			if err := os.WriteFile(path, balancer.Follow(n).Data, 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := node.LoadConfig(path)
			if err != nil {
				t.Fatal(err)
			}
			if c.Balancer != "front" || c.Node != "lb-1" || !slices.Equal(c.Endpoints, n.Endpoints) || len(c.Backends) != 2 ||
				c.HAProxy != balancer.HAProxySocket || (c.CA == balancer.TrustPath("front")) != tls {
				t.Errorf("%+v", c)
			}
		})
	}
}

// What the program says when it is asked wrongly, and how it ends.
func TestRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	n := balancer.Node{
		Cluster: "prod", Balancer: "front", Name: "lb-1", Endpoints: []string{"http://10.0.0.11:2379"},
		Listens: []balancer.Listen{{Name: "write", Port: 5000}},
	}
	none := filepath.Join(t.TempDir(), "none.sock")
	text := strings.ReplaceAll(string(balancer.Follow(n).Data), balancer.HAProxySocket, none)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		code int
	}{
		{nil, 2},
		{[]string{"follow"}, 2},
		{[]string{"takes"}, 2},
		{[]string{"takes", path, "write"}, 2},
		{[]string{"await", path}, 2},
		{[]string{"takes", path + ".none"}, 2},
		{[]string{"await", path + ".none", "write"}, 2},
		{[]string{"takes", path}, 1}, // there is no HAProxy
		{[]string{"version"}, 0},
	} {
		if code := run(test.args); code != test.code {
			t.Errorf("%q: exit %d, want %d", test.args, code, test.code)
		}
	}
}
