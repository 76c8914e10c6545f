package inventory_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/clusterup/clusterup/inventory"
)

func TestSetMember(t *testing.T) {
	for _, tt := range []struct{ name, file, was, attribute, value, want string }{
		{
			"one line", "a.hcl", `  member "m" { address = "10.0.0.1" } # the first`, "state", "absent",
			"  member \"m\" {\n    address = \"10.0.0.1\"\n    state   = \"absent\"\n  } # the first",
		},
		{
			"one line with a comment", "a.hcl", "\tmember \"m\" { address=\"10.0.0.1\" /* here } */ }", "state", "absent",
			"",
		},
		{
			"tabs", "a.hcl", "\tmember \"m\" {address=\"10.0.0.1\"}", "state", "absent",
			"\tmember \"m\" {\n\t\taddress=\"10.0.0.1\"\n\t\tstate  = \"absent\"\n\t}",
		},
		{
			"several lines", "a.hcl", "  member \"m\" {\n    # rack 4\n    address     = \"10.0.0.1\" # here\n" +
				"    ssh_address = \"192.0.2.1\"\n    ssh {\n      port = 1\n    }\n  }", "state", "absent",
			"  member \"m\" {\n    # rack 4\n    address     = \"10.0.0.1\" # here\n    state       = \"absent\"\n" +
				"    ssh_address = \"192.0.2.1\"\n    ssh {\n      port = 1\n    }\n  }",
		},
		{
			"carriage returns", "a.hcl", "  member \"m\" {\r\n    address = \"10.0.0.1\"\r\n  }", "state", "absent",
			"  member \"m\" {\r\n    address = \"10.0.0.1\"\r\n    state   = \"absent\"\r\n  }",
		},
		{
			"replaced", "a.hcl", "  member \"m\" {\n    state   = \"present\" # since May\n" +
				"    address = \"10.0.0.1\"\n  }",
			"state", "absent",
			"  member \"m\" {\n    state   = \"absent\" # since May\n    address = \"10.0.0.1\"\n  }",
		},
		{
			"address", "a.hcl", `  member "m" { address = "10.0.0.1" } # was 10.0.0.1`, "address", "2001:db8::1",
			`  member "m" { address = "2001:db8::1" } # was 10.0.0.1`,
		},
		{
			"the same", "a.hcl", `  member "m" { address = "10.0.0.1" }`, "address", "10.0.0.1",
			`  member "m" { address = "10.0.0.1" }`,
		},
		{
			"JSON on one line", "a.hcl.json", `"m": {"address": "10.0.0.1"}`, "state", "absent",
			`"m": {"address": "10.0.0.1", "state": "absent"}`,
		},
		{
			"JSON in lines", "a.hcl.json", "\"m\": {\n    \"address\": \"10.0.0.1\",\n    \"ssh_port\": 1\n" +
				"  }", "state", "absent",
			"\"m\": {\n    \"address\": \"10.0.0.1\",\n    \"state\": \"absent\",\n    \"ssh_port\": 1\n  }",
		},
		{
			"JSON replaced", "a.hcl.json", `"m": {"state": "present", "address": "10.0.0.1"}`, "state", "absent",
			`"m": {"state": "absent", "address": "10.0.0.1"}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := around(tt.file, tt.was)
			got, err := inventory.SetMember([]byte(src), tt.file, "b", "m", tt.attribute, tt.value)
			if tt.want == "" {
				if left := new(*inventory.EditError); !errors.As(err, left) || !(*left).Add || (*left).Edit != `state = "absent"` {
					t.Errorf("got %s, error %v", got, err)
				}
				return
			}
			if diff := cmp.Diff(around(tt.file, tt.want), string(got)); err != nil || diff != "" {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// around puts a member into a file with another cluster, which has a member of that name as well.
func around(file, member string) string {
	if strings.HasSuffix(file, ".json") {
		return `{"cluster": {"a": {"version": "3.6.4", "member": {"m": {"address": "10.0.0.1"}}},
  "b": {"version": "3.6.4", "member": {"n": {"address": "10.0.0.2"}, ` + member + `}}}}`
	}
	other := "cluster \"a\" {\n  version = \"3.6.4\"\n  member \"m\" { address = \"10.0.0.1\" }\n}\n"
	return other + "cluster \"b\" {\n  version = \"3.6.4\"\n  member \"n\" { address = \"10.0.0.2\" }\n" +
		member + "\n}\n"
}

// TestEditsByHand does what an EditError says.
func TestEditsByHand(t *testing.T) {
	const head = "cluster \"a\" {\n  version = \"3.6.4\"\n"
	for _, tt := range []struct {
		name, src, attribute, value string
		says                        []string
	}{
		{
			"for_each", head + "  member \"m\" {\n    for_each = { x = \"10.0.0.1\", y = \"10.0.0.2\" }\n" +
				"    address  = each.value\n  }\n}\n",
			"state", "absent",
			[]string{`member "m" in line 3`, "for_each", `line 3: state = each.key == "x" ? "absent" : "present"`},
		},
		{
			"for_each with a state", head + "  member \"m\" {\n    for_each = toset([\"x\", \"y\"])\n" +
				"    address  = \"${each.key}.example.com\"\n" +
				"    state    = each.key == \"z\" ? \"absent\" : \"present\"\n  }\n}\n",
			"state", "absent",
			[]string{"line 6: state = each.key == \"x\" ? \"absent\" : each.key == \"z\" ? \"absent\" : \"present\""},
		},
		{
			"address of for_each", head + "  member \"n\" {\n" +
				"    for_each = { \"\\\"\" = \"10.0.0.1\", y = \"10.0.0.2\" }\n" +
				"    name = each.key == \"y\" ? \"n\" : \"m-x\"\n    address  = each.value\n  }\n}\n",
			"address", "10.0.0.9",
			[]string{`line 6: address = each.key == "\"" ? "10.0.0.9" : each.value`},
		},
		{
			"another address of for_each", head + "  member \"m\" {\n" +
				"    for_each = { x = \"10.0.0.1\", y = \"10.0.0.2\" }\n    address  = each.value\n  }\n}\n",
			"peer_address", "10.0.0.9",
			[]string{`line 3: peer_address = each.key == "x" ? "10.0.0.9" : null`},
		},
		{
			"keys from elsewhere", "variable \"hosts\" { type = map(string) }\n" + head + "  member \"m\" {\n" +
				"    for_each = var.hosts\n    address  = each.value\n  }\n}\n",
			"state", "absent",
			[]string{`line 4: state = each.key == "x" ? "absent" : "present"`},
		},
		{
			"names from elsewhere", "variable \"hosts\" { type = map(string) }\n" + head + "  member \"n\" {\n" +
				"    for_each = var.hosts\n    name = \"m-${each.key}\"\n" +
				"    address  = each.value\n  }\n}\n",
			"state", "absent",
			[]string{"KEY is the key that m-x has", `line 4: state = each.key == "KEY" ? "absent" : "present"`},
		},
		{
			"variable", "variable \"x\" {\n  default = \"10.0.0.1\"\n}\n" +
				"" + head + "  member \"m-x\" { address = var.x }\n}\n",
			"address", "10.0.0.9",
			[]string{"the address of m-x is var.x, which is set at a.hcl:2", `line 6: address = "10.0.0.9"`},
		},
		{
			"local", "locals {\n  x = { y = \"10.0.0.1\" }\n}\n" + head + "  member \"m-x\" {\n" +
				"    address = local.x.y\n  }\n}\n",
			"address", "10.0.0.9",
			[]string{"is local.x.y, which is set at a.hcl:2", `line 7: address = "10.0.0.9"`},
		},
		{
			"variable without a value", "variable \"x\" {}\n" + head + "  member \"m-x\" {\n    address = var.x\n" +
				"  }\n}\n",
			"address", "10.0.0.9",
			[]string{"is var.x, which has no value in this file"},
		},
		{
			"computed", "locals {\n  x = 1\n}\n" + head + "  member \"m-x\" {\n    address = \"10.0.0.${local.x}\"\n" +
				"  }\n}\n",
			"address", "10.0.0.9",
			[]string{"the address of m-x is computed"},
		},
		{
			"function", head + "  member \"m-x\" {\n    address = trimspace(\"10.0.0.1 \")\n  }\n}\n",
			"address", "10.0.0.9",
			[]string{"not written as plain text"},
		},
		{
			"null", head + "  member \"m-x\" {\n    address = \"10.0.0.1\"\n    state = null\n  }\n}\n",
			"state", "absent",
			[]string{"not written as plain text", `line 5: state = "absent"`},
		},
		{
			"escaped", head + "  member \"m-x\" {\n    address = \"10.0.0.\\u0031\"\n  }\n}\n",
			"address", "10.0.0.9",
			[]string{"not written as plain text"},
		},
		{
			"wrong branch", head + "  member \"m-x\" {\n" +
				"    address = \"10.0.0.1\" == \"10.0.0.2\" ? \"10.0.0.3\" : \"10.0.0.1\"\n  }\n}\n",
			"address", "10.0.0.9",
			[]string{"no safe place"},
		},
		{
			"comment of several lines", head + "  member \"m-x\" {\n    address = \"10.0.0.1\" /* one\n    two */\n" +
				"  }\n}\n",
			"state", "absent",
			[]string{"no safe place", `add to the block in line 3: state = "absent"`},
		},
		{
			"JSON for_each", "{\"cluster\": {\"a\": {\"version\": \"3.6.4\", \"member\": {\"m\": {\n" +
				"\"for_each\": {\"x\": \"10.0.0.1\"},\n" +
				"\"address\": \"${each.value}\"\n}}}}}\n",
			"address", "10.0.0.9",
			[]string{
				`line 3: "address": "%{ if each.key == \"x\" }10.0.0.9%{ else }${each.value}%{ endif }"`,
			},
		},
		{
			"JSON for_each without a state", "{\"cluster\": {\"a\": {\"version\": \"3.6.4\", \"member\": {\"n\": {\"address\": \"10.0.0.3\"}, \"m\": {\n" +
				"\"for_each\": {\"x\": \"10.0.0.1\"},\n\"address\": \"${each.value}\"\n}}}}}\n",
			"state", "absent",
			[]string{`add to the block in line 1: "state": "${each.key == \"x\" ? \"absent\" : \"present\"}"`},
		},
		{
			"JSON variable", "{\"variable\": {\"x\": {\"default\": \"10.0.0.1\"}}, \"cluster\": {\"a\": {\"version\": \"3.6.4\", \"member\": {\"m-x\": {\n" +
				"\"address\": \"${var.x}\"\n}}}}}\n",
			"address", "10.0.0.9",
			[]string{"is var.x, which is set at a.hcl.json:1", `line 2: "address": "10.0.0.9"`},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := "a.hcl"
			if tt.src[0] == '{' {
				file += ".json"
			}
			got, err := inventory.SetMember([]byte(tt.src), file, "", "m-x", tt.attribute, tt.value)
			var left *inventory.EditError
			if got != nil || !errors.As(err, &left) || left.File != file {
				t.Fatalf("got %s, error %v", got, err)
			}
			for _, want := range tt.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in: %v", want, err)
				}
			}
			edited := edit(tt.src, left)
			vars := map[string]string{}
			if strings.Contains(edited, "var.hosts") {
				vars["hosts"] = `{ x = "10.0.0.1", y = "10.0.0.2" }`
			}
			if strings.Contains(edited, `variable "x" {}`) {
				vars["x"] = "10.0.0.1"
			}
			f, diags := inventory.Parse([]byte(strings.Replace(edited, "KEY", "x", 1)), file, inventory.Options{Vars: vars})
			if diags.HasErrors() && !strings.Contains(diags.String(), "no member is present") {
				t.Fatalf("%s\n%s", diags, edited)
			}
			if f == nil {
				return
			}
			for _, m := range f.Clusters[0].Members {
				if is := valueOf(m, tt.attribute) == tt.value; is != (m.Name == "m-x") {
					t.Errorf("%s of %s is %q:\n%s", tt.attribute, m.Name, valueOf(m, tt.attribute), edited)
				}
			}
		})
	}
}

// edit is src as somebody leaves it who does as an EditError says.
func edit(src string, left *inventory.EditError) string {
	lines := strings.Split(src, "\n")
	line := lines[left.Line-1]
	name, _, _ := strings.Cut(left.Edit, " ")
	name, _, _ = strings.Cut(name, ":")
	switch before, behind, found := strings.Cut(line, name); {
	case left.Add && strings.HasSuffix(left.File, ".json"):
		lines[left.Line-1] += left.Edit + ","
	case left.Add:
		lines[left.Line-1] += "\n" + left.Edit
	case found && strings.HasSuffix(behind, " }"):
		lines[left.Line-1] = before + left.Edit + " }"
	default:
		lines[left.Line-1] = left.Edit
	}
	return strings.Join(lines, "\n")
}

func valueOf(m inventory.Member, attribute string) string {
	return map[string]string{
		"state":   map[bool]string{true: "absent", false: "present"}[m.Absent],
		"address": m.Address, "ssh_address": m.SSHAddress, "peer_address": m.PeerAddress,
		"client_address": m.ClientAddress, "data_dir": m.DataDir, "wal_dir": m.WALDir,
	}[attribute]
}

func TestSetMemberRefusals(t *testing.T) {
	plain := "cluster \"a\" {\n  version = \"3.6.4\"\n  member \"m\" { address = \"10.0.0.1\" }\n}\n"
	for _, tt := range []struct{ src, cluster, member, attribute, value, want string }{
		{plain, "a", "m", "state", "gone", `write "absent"`},
		{plain, "a", "m", "address", "10.0.0.1:2380", "without the port"},
		{plain, "a", "m", "data_dir", "/", "shared with others"},
		{plain, "a", "m", "names", "a", "none of the texts of a member"},
		{plain, "a", "n", "state", "absent", `"n" of cluster a in a.hcl: it has m`},
		{plain, "b", "m", "state", "absent", "it holds a"},
		{"cluster {", "a", "m", "state", "absent", "error"},
	} {
		got, err := inventory.SetMember([]byte(tt.src), "a.hcl", tt.cluster, tt.member, tt.attribute, tt.value)
		if err == nil || got != nil || !strings.Contains(err.Error(), tt.want) || errors.As(err, new(*inventory.EditError)) {
			t.Errorf("%v: got %s, error %v", tt, got, err)
		}
	}
}

// TestSetMemberProperties: one attribute is set, twice is as once, and everything else stays.
func TestSetMemberProperties(t *testing.T) {
	values := map[string][]string{
		"state": {"absent", "present"}, "address": {"10.9.9.9", "2001:db8::9"}, "ssh_address": {"host.example.com"},
		"peer_address": {"10.9.9.9"}, "client_address": {"10.9.9.8"}, "data_dir": {"/srv/etcd"}, "wal_dir": {"/srv/wal"},
	}
	rapid.Check(t, func(t *rapid.T) {
		file, src := drawInventory(t)
		member := fmt.Sprintf("m%d", rapid.IntRange(1, 3).Draw(t, "member"))
		attribute := rapid.SampledFrom([]string{
			"state", "address", "ssh_address", "peer_address", "client_address", "data_dir",
			"wal_dir",
		}).Draw(t, "attribute")
		value := rapid.SampledFrom(values[attribute]).Draw(t, "value")
		out, err := inventory.SetMember([]byte(src), file, "a", member, attribute, value)
		if err != nil {
			t.Fatalf("%v\n%s", err, src)
		}
		again, err := inventory.SetMember(out, file, "a", member, attribute, value)
		if err != nil || string(again) != string(out) {
			t.Fatalf("%v; twice is not as once:\n%s\n%s", err, out, again)
		}
		was, is := members(t, src, file), members(t, string(out), file)
		if got := valueOf(is[member], attribute); got != value {
			t.Fatalf("it is %s, want %s:\n%s", got, value, out)
		}
		delete(was, member)
		delete(is, member)
		if diff := cmp.Diff(was, is, cmpopts.IgnoreTypes(inventory.Range{})); diff != "" {
			t.Fatalf("others have changed (-was +is):\n%s", diff)
		}
		before, after := words(src), words(string(out))
		for len(before) > 0 && before[0] == after[0] {
			before, after = before[1:], after[1:]
		}
		for len(before) > 0 && len(after) > 0 && before[len(before)-1] == after[len(after)-1] {
			before, after = before[:len(before)-1], after[:len(after)-1]
		}
		if len(before) > 1 || len(after) > 3 || len(before) == 1 && len(after) != 1 {
			t.Fatalf("%q became %q:\n%s\n%s", before, after, src, out)
		}
		if formatted, _ := inventory.Format([]byte(src), file); string(formatted) == src && attribute == "state" &&
			strings.Count(src, "#")+strings.Count(src, "//") < 2 { // comments of lines in a row are aligned
			if formatted, _ = inventory.Format(out, file); string(formatted) != string(out) {
				t.Fatalf("the layout was canonical, and is no more:\n%s", out)
			}
		}
	})
}

// words are those of a file, without the space between them.
func words(src string) []string {
	return strings.Fields(strings.NewReplacer("{", " { ", "}", " } ", ",", " , ", "\":", "\": ", "=", " = ").Replace(src))
}

func members(t *rapid.T, src, file string) map[string]inventory.Member {
	f, diags := inventory.Parse([]byte(src), file, inventory.Options{})
	if diags.HasErrors() {
		t.Fatalf("%s\n%s", diags, src)
	}
	out := map[string]inventory.Member{}
	for _, m := range f.Clusters[0].Members {
		out[m.Name] = m
	}
	return out
}

// drawInventory gives an inventory with members m1 to m3, and m9, in some layout.
func drawInventory(t *rapid.T) (file, src string) {
	json := rapid.Bool().Draw(t, "json")
	eol := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "eol")
	mark := rapid.SampledFrom([]string{"", "\ufeff"}).Draw(t, "mark")
	comment := func() string {
		return rapid.SampledFrom([]string{"", "", " # address = \"10.9.9.9\"", " // { }"}).Draw(t, "comment")
	}
	var blocks []string
	for _, n := range []int{1, 2, 3, 9} {
		attrs := [][2]string{{"address", fmt.Sprintf("10.0.0.%d", n)}}
		if rapid.Bool().Draw(t, "more") {
			attrs = append(attrs, [2]string{"state", "present"}, [2]string{"client_address", fmt.Sprintf("10.0.1.%d", n)})
		}
		if rapid.Bool().Draw(t, "turned") {
			slices.Reverse(attrs)
		}
		blocks = append(blocks, drawMember(t, n, attrs, json, eol, comment))
	}
	if json {
		return "a.hcl.json", mark + `{"cluster": {"a": {"version": "3.6.4", "member": {` + strings.Join(blocks, ", ") + "}}}}" + eol
	}
	return "a.hcl", mark + "# members" + eol + "cluster \"a\" {" + eol + "  version = \"3.6.4\"" + comment() + eol + eol +
		strings.Join(blocks, "") + "}" + eol
}

func drawMember(t *rapid.T, n int, attrs [][2]string, json bool, eol string, comment func() string) string {
	if json {
		between := rapid.SampledFrom([]string{"", " ", eol + "  "}).Draw(t, "between")
		var parts []string
		for _, a := range attrs {
			parts = append(parts, fmt.Sprintf("%s%q: %q", between, a[0], a[1]))
		}
		return fmt.Sprintf("\"m%d\": {%s}", n, strings.Join(parts, ","))
	}
	if len(attrs) == 1 && rapid.Bool().Draw(t, "one line") {
		return fmt.Sprintf("  member \"m%d\" { address = %q }%s%s", n, attrs[0][1], comment(), eol)
	}
	width := 0
	for _, a := range attrs {
		width = max(width, len(a[0]))
	}
	text := fmt.Sprintf("  member \"m%d\" {%s%s", n, comment(), eol)
	for i, a := range attrs {
		text += fmt.Sprintf("    %-*s = %q", width, a[0], a[1])
		if i == len(attrs)-1 {
			text += comment()
		}
		text += eol
	}
	if rapid.Bool().Draw(t, "ssh") {
		text += eol + "    ssh { user = \"root\" }" + eol
	}
	return text + "  }" + eol
}
