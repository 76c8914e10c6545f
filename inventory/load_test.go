package inventory_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/clusterup/clusterup/inventory"
)

// mustParse reads text that has no mistake.
func mustParse(t *testing.T, src string, o inventory.Options) *inventory.Cluster {
	t.Helper()
	f, diags := inventory.Parse([]byte(src), "/inv/test.hcl", o)
	if len(diags.All()) > 0 {
		t.Fatalf("%s\n%s", diags, src)
	}
	c, err := f.Cluster("")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestFull reads every attribute there is, from both syntaxes.
func TestFull(t *testing.T) {
	t.Chdir("testdata/good")
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	o := inventory.Options{Home: "/home/ops"}
	load := func(name string) *inventory.File {
		f, diags := inventory.Load(name, o)
		if all := diags.All(); f == nil || len(all) != 1 || all[0].Summary != "http beside TLS" { // cannot be had without
			t.Fatal(diags)
		}
		return f
	}
	native, other := load("full.hcl"), load("full.hcl.json")
	places := cmp.Options{
		cmpopts.IgnoreFields(inventory.File{}, "Path"), cmpopts.IgnoreTypes(inventory.Range{}),
		cmpopts.EquateComparable(netip.Addr{}),
	}
	if diff := cmp.Diff(native, other, places); diff != "" {
		t.Errorf("the JSON syntax says something else (-native +json):\n%s", diff)
	}
	got, err := json.MarshalIndent(native, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "full.golden", strings.ReplaceAll(string(got), wd, "DIR")+"\n")
}

func TestDefaults(t *testing.T) {
	c := mustParse(t, `
cluster "a" {
  version = "3.7.3"
  member "m" { address = "10.0.0.1" }
}`, inventory.Options{Home: "/home/ops"})
	ssh := inventory.SSH{
		Port:           22,
		KnownHosts:     []string{"/inv/.clusterup/a/known_hosts", "/home/ops/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts"},
		Agent:          true,
		ConnectTimeout: 10 * time.Second,
	}
	want := &inventory.Cluster{
		Name: "a", Version: "3.7.3", User: "etcd-a", DataDir: "/var/lib/etcd-a", UnitName: "etcd-a",
		PeerPort: 2380, ClientPort: 2379, MetricsPort: 2381, SSH: ssh,
		PKI: inventory.PKI{
			CALifetime: 3650 * 24 * time.Hour, Lifetime: 365 * 24 * time.Hour,
			RenewBefore: 365 * 24 * time.Hour / 3, Algorithm: "ecdsa-p256",
		},
		TLS: inventory.TLS{Peers: true, Clients: true},
		Etcd: inventory.Etcd{
			QuotaBackendBytes: 8 << 30, AutoCompaction: time.Hour,
			HeartbeatInterval: 100 * time.Millisecond, ElectionTimeout: time.Second,
		},
		Members: []inventory.Member{{
			Name: "m", Address: "10.0.0.1", SSHAddress: "10.0.0.1", SSHPort: 22, PeerAddress: "10.0.0.1",
			ClientAddress: "10.0.0.1",
			SSH:           ssh, DataDir: "/var/lib/etcd-a", Range: inventory.Range{File: "/inv/test.hcl", Line: 4, Column: 3},
		}},
		Dir: "/inv", Range: inventory.Range{File: "/inv/test.hcl", Line: 2, Column: 1},
	}
	if diff := cmp.Diff(want, c, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestVariablePrecedence(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one.hcl"), filepath.Join(dir, "two.json")
	write(t, one, "port = 3001\n")
	write(t, two, `{"port": 3002}`)
	src := `
variable "port" { default = 3000 }
cluster "a" {
  version     = "3.6.16"
  client_port = var.port
  member "m" { address = "10.0.0.1" }
}`
	env := []string{"CLUSTERUP_VAR_port=3003", "PATH=/bin", "CLUSTERUP_VAR_elsewhere=1"}
	for _, tt := range []struct {
		o    inventory.Options
		want int
	}{
		{inventory.Options{}, 3000},
		{inventory.Options{Env: env}, 3003},
		{inventory.Options{Env: env, VarFiles: []string{one}}, 3001},
		{inventory.Options{Env: env, VarFiles: []string{one, two}}, 3002},
		{inventory.Options{Env: env, VarFiles: []string{two, one}}, 3001},
		{inventory.Options{Env: env, VarFiles: []string{two, one}, Vars: map[string]string{"port": "3004"}}, 3004},
	} {
		if got := mustParse(t, src, tt.o).ClientPort; got != tt.want {
			t.Errorf("%+v: port %d, want %d", tt.o, got, tt.want)
		}
	}
}

func TestVariableTypes(t *testing.T) {
	src := `
variable "free" {}
variable "text" { type = string }
variable "list" { type = list(string) }
variable "object" {
  type = object({ path = string, depth = optional(number, 2) })
}
cluster "a" {
  version  = "3.6.16"
  data_dir = "/srv/${var.free}/${var.text}/${join("-", var.list)}/${var.object.path}${var.object.depth}"
  member "m" { address = "10.0.0.1" }
}`
	c := mustParse(t, src, inventory.Options{Vars: map[string]string{
		"free": "1.50", "text": "x", "list": `["a", "b"]`, "object": `{ path = "p" }`,
	}})
	if c.DataDir != "/srv/1.50/x/a-b/p2" {
		t.Errorf("data_dir is %s", c.DataDir)
	}
}

func TestVariableMistakes(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "vars.hcl")
	write(t, file, "prot = 1\n")
	src := `
variable "port" { default = 3000 }
cluster "a" {
  version     = "3.6.16"
  client_port = var.port
  member "m" { address = "10.0.0.1" }
}`
	for _, tt := range []struct {
		name, severity string
		o              inventory.Options
		want           []string
	}{
		{
			"unknown", "error",
			inventory.Options{Vars: map[string]string{"prot": "1"}},
			[]string{"--var prot", `Did you mean "port"?`},
		},
		{
			"not a number", "error",
			inventory.Options{Vars: map[string]string{"port": "http"}},
			[]string{"--var port:1:1", "is a number"},
		},
		{"function", "error", inventory.Options{Vars: map[string]string{"port": "max(1, 2)"}}, []string{"--var port:1:1"}},
		{
			"huge", "error",
			inventory.Options{Vars: map[string]string{"port": "1e999999999"}},
			[]string{"value too large"},
		},
		{
			"list", "error",
			inventory.Options{Env: []string{"CLUSTERUP_VAR_port=[1]"}},
			[]string{"environment CLUSTERUP_VAR_port"},
		},
		{
			"close to the name", "warning",
			inventory.Options{Env: []string{"CLUSTERUP_VAR_prot=1"}},
			[]string{`Did you mean "port"?`},
		},
		{
			"unknown in a file", "error",
			inventory.Options{VarFiles: []string{file}},
			[]string{"vars.hcl:1:1", `Did you mean "port"?`},
		},
		{
			"no file", "error",
			inventory.Options{VarFiles: []string{filepath.Join(dir, "none")}},
			[]string{"variable file not read"},
		},
		{"a directory", "error", inventory.Options{VarFiles: []string{dir}}, []string{"not a regular file"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, diags := inventory.Parse([]byte(src), "/inv/test.hcl", tt.o)
			if all := diags.All(); len(all) != 1 || all[0].Severity != tt.severity {
				t.Fatalf("want one %s, got:\n%s", tt.severity, diags)
			}
			for _, want := range tt.want {
				if !strings.Contains(diags.String(), want) {
					t.Errorf("no %q in:\n%s", want, diags)
				}
			}
		})
	}
}

// TestFlagsAreTranslated: one inventory lives through an upgrade, and the way back.
func TestFlagsAreTranslated(t *testing.T) {
	src := `
cluster "a" {
  version = "3.5.35"
  etcd {
    flags = {
      "experimental-compact-hash-check-enabled" = true
      "experimental-initial-corrupt-check"      = false
      "corrupt-check-time"                      = "4h"
    }
  }
  member "m" { address = "10.0.0.1" }
}`
	for _, tt := range []struct {
		version  string
		warnings int
		want     map[string]string
	}{
		{"3.5.35", 1, map[string]string{
			"experimental-compact-hash-check-enabled": "true", "experimental-initial-corrupt-check": "false",
			"experimental-corrupt-check-time": "4h",
		}},
		{"3.6.16", 2, map[string]string{
			"experimental-compact-hash-check-enabled": "true", "experimental-initial-corrupt-check": "false",
			"corrupt-check-time": "4h",
		}},
		{"3.7.3", 2, map[string]string{
			"feature-gates":      "CompactHashCheck=true,InitialCorruptCheck=false",
			"corrupt-check-time": "4h",
		}},
	} {
		edited, err := inventory.SetVersion([]byte(src), "/inv/test.hcl", "", tt.version)
		if err != nil {
			t.Fatal(err)
		}
		f, diags := inventory.Parse(edited, "/inv/test.hcl", inventory.Options{})
		if diags.HasErrors() || len(diags.All()) != tt.warnings {
			t.Fatalf("%s: want %d warnings, got:\n%s", tt.version, tt.warnings, diags)
		}
		if diff := cmp.Diff(tt.want, f.Clusters[0].Etcd.Flags); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.version, diff)
		}
	}
}

func TestLoadMissing(t *testing.T) {
	f, diags := inventory.Load(filepath.Join(t.TempDir(), "none.hcl"), inventory.Options{})
	var typed *inventory.Error
	if f != nil || !errors.As(diags.Err(), &typed) || !strings.Contains(typed.Error(), "no such file") {
		t.Errorf("file %v, error %v", f, diags.Err())
	}
}

func TestFileFunction(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "address"), "10.0.0.7\n")
	path := filepath.Join(dir, "test.hcl")
	write(t, path, `
cluster "a" {
  version  = env("ETCD", "3.6.16")
  data_dir = "/srv/${env("SITE")}"
  member "m" { address = trimspace(file("address")) }
}`)
	f, diags := inventory.Load(path, inventory.Options{Env: []string{"SITE=berlin"}})
	if len(diags.All()) > 0 {
		t.Fatal(diags)
	}
	c := f.Clusters[0]
	if c.Members[0].Address != "10.0.0.7" || c.DataDir != "/srv/berlin" || c.Version != "3.6.16" || c.Dir != dir {
		t.Errorf("%+v", c)
	}
}

func TestClusterChoice(t *testing.T) {
	f := &inventory.File{Path: "x.hcl", Clusters: []*inventory.Cluster{{Name: "a"}, {Name: "b"}}}
	if c, err := f.Cluster("b"); err != nil || c.Name != "b" {
		t.Error(c, err)
	}
	for _, name := range []string{"", "c"} {
		if _, err := f.Cluster(name); err == nil || !strings.Contains(err.Error(), "a, b") {
			t.Errorf("Cluster(%q): %v", name, err)
		}
	}
	f.Clusters = f.Clusters[:1]
	if c, err := f.Cluster(""); err != nil || c.Name != "a" {
		t.Error(c, err)
	}
}

// TestSharedHosts takes two clusters of one member each.
func TestSharedHosts(t *testing.T) {
	ports := "peer_port = 12380\n client_port = 12379\n metrics_port = 12381\n"
	for _, tt := range []struct {
		name, one, two, settings string
		clash                    bool
	}{
		{"other hosts", `address = "10.0.0.1"`, `address = "10.0.0.2"`, "", false},
		{"same host", `address = "10.0.0.1"`, `address = "10.0.0.1"`, "", true},
		{"same host, other ports", `address = "10.0.0.1"`, `address = "10.0.0.1"`, ports, false},
		{"same host, one port shared", `address = "10.0.0.1"`, `address = "10.0.0.1"`, ports + "client_port = 2381\n", true},
		{"same unit", `address = "10.0.0.1"`, `address = "10.0.0.1"`, ports + "unit_name = \"etcd-one\"\n", true},
		{
			"data inside data", `address = "10.0.0.1"`, `address = "10.0.0.1"`, ports + "data_dir = \"/var/lib/etcd-one/two\"\n",
			true,
		},
		{
			"same SSH address", "address = \"10.0.0.1\"\n ssh_address = \"192.0.2.1\"",
			"address = \"10.0.0.2\"\n ssh_address = \"192.0.2.1\"", "", true,
		},
		{
			"forwarded SSH ports", "address = \"10.0.0.1\"\n ssh_address = \"192.0.2.1\"\n ssh_port = 2201",
			"address = \"10.0.0.2\"\n ssh_address = \"192.0.2.1\"\n ssh_port = 2202", "", false,
		},
		{
			"same address behind other jump hosts", `address = "10.0.0.1"`,
			"address = \"10.0.0.1\"\n ssh {\n jump { address = \"192.0.2.9\" }\n}", "", false,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			settings := tt.settings
			if strings.Count(settings, "client_port") == 2 {
				settings = strings.Replace(settings, " client_port = 12379\n", "", 1)
			}
			_, diags := inventory.Parse([]byte(`
cluster "one" {
  version = "3.6.16"
  member "m" {
    `+tt.one+`
  }
}
cluster "two" {
  version = "3.6.16"
  `+settings+`
  member "m" {
    `+tt.two+`
  }
}`), "test.hcl", inventory.Options{})
			all := diags.All()
			clash := len(all) == 1 && all[0].Summary == "host shared by two clusters"
			if clash != tt.clash || !tt.clash && len(all) > 0 {
				t.Errorf("clash %v, want %v:\n%s", clash, tt.clash, diags)
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
