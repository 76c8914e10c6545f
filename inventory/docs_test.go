package inventory

import (
	"os"
	"strings"
	"testing"
)

// TestReference: docs/inventory.md names every block and attribute.
func TestReference(t *testing.T) {
	raw, err := os.ReadFile("../docs/inventory.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	for kind, schema := range schemas {
		attrs, blocks := namesOf(schema)
		for _, name := range append(attrs, blocks...) {
			if !strings.Contains(page, "`"+name+"`") && !strings.Contains(page, "`"+name+" ") {
				t.Errorf("%s of the %s block is not there", name, kind)
			}
		}
	}
}
