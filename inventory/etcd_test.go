package inventory_test

import (
	"strings"
	"testing"

	"github.com/clusterup/clusterup/inventory"
)

// TestBounds tries each bound from both sides; want "" means that it is taken.
func TestBounds(t *testing.T) {
	for _, tt := range []struct{ block, want string }{
		{`etcd { heartbeat_interval = "200ms" }`, ""},
		{`etcd { heartbeat_interval = "201ms" }`, "election_timeout too short"},
		{`etcd { election_timeout = "500ms" }`, ""},
		{`etcd { election_timeout = "499ms" }`, "election_timeout too short"},
		{`etcd { election_timeout = "50s" }`, ""},
		{`etcd { election_timeout = "50s1ms" }`, "election_timeout too long"},
		{`etcd { heartbeat_interval = "0" }`, "heartbeat_interval out of range"},
		{`etcd { quota_backend_bytes = "8GiB" }`, ""},
		{`etcd { quota_backend_bytes = "8589934593" }`, "large quota"},
		{`etcd { quota_backend_bytes = 1048575 }`, "quota too small"},
		{`etcd { snapshot_count = 1.5 }`, "snapshot_count out of range"},
		{"pki {\n lifetime = \"1h\"\n ca_lifetime = \"1h1s\"\n}", ""},
		{"pki {\n lifetime = \"1h\"\n ca_lifetime = \"1h\"\n}", "lifetime too long"},
		{`pki { ca_lifetime = "1y" }`, "lifetime too long"},
		{`pki { ca_lifetime = "101y" }`, "ca_lifetime too long"},
		{`pki { lifetime = "59s" }`, "lifetime too short"},
		{`pki { renew_before = "364d" }`, ""},
		{`pki { renew_before = "1y" }`, "renew_before out of range"},
		{`pki { renew_before = "0" }`, "renew_before out of range"},
		{`ssh { connect_timeout = "999ms" }`, "connect_timeout out of range"},
		{`ssh { connect_timeout = "10m" }`, ""},
		{`client_port = 65535`, ""},
		{`client_port = 65536`, "client_port out of range"},
		{`metrics_port = 0`, ""},
		{`data_dir = null`, ""},
		{`tls {}`, ""},
		{"tls {\n peers = null\n clients = true\n http_client_port = 0\n}", ""},
		{"tls {\n clients = false\n http_client_port = 0\n}", "clients without TLS"},
		{`tls { http_client_port = 65535 }`, "http beside TLS"},
		{"client_port = 65536\n tls { http_client_port = 2379 }", "client_port out of range; http beside TLS"},
	} {
		_, diags := inventory.Parse([]byte("cluster \"a\" {\n  version = \"3.6.16\"\n  "+tt.block+
			"\n  member \"m\" { address = \"10.0.0.1\" }\n}\n"), "a.hcl", inventory.Options{})
		var got []string
		for _, d := range diags.All() {
			got = append(got, d.Summary)
		}
		if strings.Join(got, "; ") != tt.want {
			t.Errorf("%s: %q, want %q", tt.block, got, tt.want)
		}
	}
}

// TestFlagHints: nothing that cannot be set is suggested.
func TestFlagHints(t *testing.T) {
	for name, want := range map[string]string{
		"max-txn-op": `Did you mean "max-txn-ops"?`, "wal-dirr": "", "auto-tlss": "", "snapshot-coun": "",
		"dscovery-token": "",
	} {
		_, diags := inventory.Parse([]byte("cluster \"a\" {\n  version = \"3.6.16\"\n  etcd {\n    flags = { \""+name+
			"\" = 1 }\n  }\n  member \"m\" { address = \"10.0.0.1\" }\n}\n"), "a.hcl", inventory.Options{})
		got := diags.String()
		if !strings.Contains(got, "unknown flag") || !strings.Contains(got, want) ||
			want == "" && strings.Contains(got, "Did you mean") {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}

// TestMemberCounts: odd numbers up to seven are quiet.
func TestMemberCounts(t *testing.T) {
	for count, want := range map[string]string{
		"1": "", "2": "even number of members", "3": "", "7": "", "8": "even number of members", "9": "many members",
	} {
		_, diags := inventory.Parse([]byte(`
cluster "a" {
  version = "3.6.16"
  member "m" {
    for_each = { for n in range(`+count+`) : "${n}" => cidrhost("2001:db8::/64", n + 1) }
    address  = each.value
  }
}`), "a.hcl", inventory.Options{})
		got := ""
		if all := diags.All(); len(all) > 0 {
			got = all[0].Summary
		}
		if len(diags.All()) > 1 || got != want || diags.HasErrors() {
			t.Errorf("%s members: %s, want %q", count, diags, want)
		}
	}
}
