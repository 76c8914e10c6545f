package inventory_test

import (
	"strings"
	"testing"

	"github.com/clusterup/clusterup/inventory"
)

func TestSetVersion(t *testing.T) {
	const member = "\n  member \"m\" { address = \"10.0.0.1\" } # here\n}\n"
	for _, tt := range []struct{ name, file, cluster, src, want string }{
		{
			"attribute", "a.hcl", "", "cluster \"a\" {\n  # which etcd\n  version = \"3.6.4\" # pinned 3.6.4" + member,
			`version = "3.6.16" # pinned 3.6.4`,
		},
		{"variable", "a.hcl", "a", "variable \"v\" {\n  default = \"3.6.4\" # old\n}\ncluster \"a\" {\n  version = var.v" +
			member, `default = "3.6.16" # old`},
		{"template", "a.hcl", "", "variable \"v\" { default = \"3.6.4\" }\ncluster \"a\" {\n  version = \"${var.v}\"" +
			member, `default = "3.6.16" }`},
		{
			"local", "a.hcl", "",
			"variable \"v\" { default = \"3.6.4\" }\nlocals {\n  w = var.v\n}\ncluster \"a\" {\n  version = local.w" + member,
			`default = "3.6.16" }`,
		},
		{
			"json", "a.hcl.json", "a", `{"cluster": {"a": {"version": "3.6.4", "member": {"m": {"address": "10.0.0.1"}}}}}`,
			`"version": "3.6.16"`,
		},
		{
			"json variable", "a.hcl.json", "a",
			`{"variable": {"v": {"default": "3.6.4"}}, "cluster": {"a": {"version": "${var.v}", "member": {"m": {"address": "10.0.0.1"}}}}}`,
			`"default": "3.6.16"`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := inventory.SetVersion([]byte(tt.src), tt.file, tt.cluster, "3.6.16")
			if err != nil {
				t.Fatal(err)
			}
			if undone := strings.Replace(string(got), tt.want, strings.Replace(tt.want, "3.6.16", "3.6.4", 1),
				1); undone != tt.src || !strings.Contains(string(got), tt.want) {
				t.Errorf("got:\n%s", got)
			}
			f, diags := inventory.Parse(got, tt.file, inventory.Options{})
			if diags.HasErrors() || f.Clusters[0].Version != "3.6.16" {
				t.Errorf("the result does not say 3.6.16: %s", diags)
			}
		})
	}
}

func TestSetVersionRefusals(t *testing.T) {
	plain := "cluster \"a\" {\n  version = \"3.6.4\"\n}\n"
	for _, tt := range []struct{ name, src, cluster, version, want string }{
		{"bad version", plain, "", "3.6", "all three numbers"},
		{"unknown minor", plain, "", "3.9.0", "knows etcd"},
		{"no such cluster", plain, "b", "3.6.16", `it holds a`},
		{"two clusters", plain + strings.Replace(plain, `"a"`, `"b"`, 1), "", "3.6.16", "a, b"},
		{"broken", "cluster {", "", "3.6.16", "error"},
		{"no version", "cluster \"a\" {}\n", "", "3.6.16", "no version attribute"},
		{
			"computed", "variable \"v\" { default = \"4\" }\ncluster \"a\" {\n  version = \"3.6.${var.v}\"\n}\n", "", "3.6.16",
			"computed",
		},
		{"function", "cluster \"a\" {\n  version = join(\".\", [\"3.6\", \"4\"])\n}\n", "", "3.6.16", "not a plain string"},
		{"choice", "cluster \"a\" {\n  version = false ? \"3.6.4\" : upper(\"3.6.4\")\n}\n", "", "3.6.16", "by hand"},
		{
			"wrong branch", "cluster \"a\" {\n  version = \"3.6.4\" == \"3.6.5\" ? \"3.6.1\" : \"3.6.4\"\n}\n", "", "3.6.16",
			"computed",
		},
		{"no default", "variable \"v\" {}\ncluster \"a\" {\n  version = var.v\n}\n", "", "3.6.16", "no value in this file"},
		{"circle", "locals {\n  v = local.v\n}\ncluster \"a\" {\n  version = local.v\n}\n", "", "3.6.16", "computed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := inventory.SetVersion([]byte(tt.src), "a.hcl", tt.cluster, tt.version)
			if err == nil || got != nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, error %v; want an error with %q", got, err, tt.want)
			}
		})
	}
}

func TestFormat(t *testing.T) {
	got, diags := inventory.Format([]byte("cluster \"a\" {\nversion=\"3.6.16\" # why\n  data_dir = \"/srv\"\n}\n"),
		"a.hcl")
	want := "cluster \"a\" {\n  version  = \"3.6.16\" # why\n  data_dir = \"/srv\"\n}\n"
	if diags.HasErrors() || string(got) != want {
		t.Errorf("%s\n%s", diags, got)
	}
	got, diags = inventory.Format([]byte(`{"b":1,"a":[2]}`), "a.hcl.json")
	if want := "{\n  \"b\": 1,\n  \"a\": [\n    2\n  ]\n}\n"; diags.HasErrors() || string(got) != want {
		t.Errorf("%s\n%s", diags, got)
	}
	for name, src := range map[string]string{"a.hcl": "cluster {", "a.hcl.json": "{"} {
		if got, diags := inventory.Format([]byte(src), name); got != nil || !diags.HasErrors() {
			t.Errorf("%s: broken input became %q", name, got)
		}
	}
}

func TestRender(t *testing.T) {
	src := "cluster \"a\" {\n\tversion = \"\x1b[31m3.6\"\n\tmember \"m\" { address = \"10.0.0.1\" }\n}\n"
	_, diags := inventory.Parse([]byte(src), "a.hcl", inventory.Options{})
	if strings.Contains(diags.String(), "\x1b") {
		t.Errorf("an escape sequence of the file reaches the terminal: %q", diags)
	}
	if !strings.Contains(diags.String(), "\n  | \t          ^^") {
		t.Errorf("the carets do not stand below what they point at:\n%s", diags)
	}
	var b strings.Builder
	if err := diags.Write(&b, 40, true); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "\x1b[1;31merror:\x1b[0m") {
		t.Errorf("no colour in %q", b.String())
	}
	for line := range strings.Lines(text(t, diags)) {
		if strings.Contains(line, "=") && len(line) > 200 {
			t.Errorf("line too long: %s", line)
		}
	}
	b.Reset()
	if err := diags.Write(&b, 40, false); err != nil {
		t.Fatal(err)
	}
	details := 0
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "  = ") || strings.HasPrefix(line, "    ") {
			details++
			if len([]rune(line)) > 41 {
				t.Errorf("line wider than 40: %q", line)
			}
		}
	}
	if details < 2 {
		t.Errorf("the detail is not wrapped:\n%s", b.String())
	}
}
