package inventory_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/clusterup/clusterup/inventory"
)

// TestEncodings proves that text in another encoding is one mistake, and that a byte order mark of UTF-8 is none.
func TestEncodings(t *testing.T) {
	wide := func(order binary.AppendByteOrder, mark string) func(string) []byte {
		return func(s string) []byte {
			var out []byte
			for _, unit := range utf16.Encode([]rune(mark + s)) {
				out = order.AppendUint16(out, unit)
			}
			return out
		}
	}
	latin1 := func(s string) []byte {
		var out []byte
		for _, r := range s {
			out = append(out, byte(r))
		}
		return out
	}
	const hcl = "# Größe\ncluster \"prod\" {\n  version = \"3.6.4\"\n  member \"a\" { address = \"10.0.0.1\" }\n}\n"
	const json = `{"cluster": {"prod": {"version": "3.6.4", "member": {"a": {"address": "10.0.0.1"}}}}}`
	for name, tt := range map[string]struct {
		encode func(string) []byte
		say    string
	}{
		"UTF-8":                  {func(s string) []byte { return []byte(s) }, ""},
		"UTF-8 with its mark":    {func(s string) []byte { return []byte("\ufeff" + s) }, ""},
		"UTF-16 LE":              {wide(binary.LittleEndian, "\ufeff"), "UTF-16"},
		"UTF-16 BE":              {wide(binary.BigEndian, "\ufeff"), "UTF-16"},
		"UTF-16 LE without mark": {wide(binary.LittleEndian, ""), "UTF-16"},
		"UTF-16 BE without mark": {wide(binary.BigEndian, ""), "UTF-16"},
		"Latin-1":                {latin1, "a.hcl:1:5"},
	} {
		for file, src := range map[string]string{"a.hcl": hcl, "a.hcl.json": json} {
			if name == "Latin-1" && file != "a.hcl" { // which is ASCII
				continue
			}
			t.Run(name+" "+file, func(t *testing.T) {
				text := tt.encode(src)
				_, diags := inventory.Parse(text, file, inventory.Options{})
				said, want := diags.All(), min(len(tt.say), 1)
				if len(said) != want || want == 1 && (said[0].Summary != "not UTF-8" || !strings.Contains(diags.String(), tt.say)) {
					t.Errorf("%d diagnostics, want %d:\n%s", len(said), want, diags)
				}
				again, formatted := inventory.Format(text, file)
				if formatted.HasErrors() != (want == 1) || bytes.HasPrefix(again, []byte("\ufeff")) {
					t.Errorf("formatted %q: %s", again, formatted)
				}
				edited, err := inventory.SetVersion(text, file, "", "3.6.16")
				switch {
				case want == 1 && err == nil:
					t.Errorf("the version of a file in another encoding was set: %q", edited)
				case want == 0 && !slices.Equal(edited, bytes.Replace(text, []byte("3.6.4"), []byte("3.6.16"), 1)):
					t.Errorf("with another version: %q, %v", edited, err)
				}
			})
		}
	}
}
