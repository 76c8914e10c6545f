package lines

import (
	"strings"
	"testing"
)

// A field of any bytes is read as it was said.
func FuzzDecode(f *testing.F) {
	f.Add("a\\b\tc\nd")
	encode := strings.NewReplacer("\\", `\\`, "\t", `\t`, "\n", `\n`)
	f.Fuzz(func(t *testing.T, field string) {
		if got, err := Decode(encode.Replace(field)); err != nil || got != field {
			t.Errorf("%q reads %q, %v", field, got, err)
		}
		if got, err := Decode(field); err == nil && len(got) > len(field) {
			t.Errorf("%q grows to %q", field, got)
		}
	})
}
