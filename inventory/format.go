package inventory

import (
	"bytes"
	"encoding/json"

	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format returns src in the canonical layout: aligned equals signs, two spaces
// for each level, no byte order mark. Comments stay. Text that does not parse is refused.
func Format(src []byte, filename string) ([]byte, Diagnostics) {
	p := newProblems()
	if _, ok := p.parse(src, filename); !ok {
		return nil, p.diagnostics()
	}
	src = src[beginning(src).Byte:]
	if !isJSON(filename) {
		return hclwrite.Format(src), p.diagnostics()
	}
	var out bytes.Buffer
	if err := json.Indent(&out, bytes.TrimSpace(src), "", "  "); err != nil {
		p.errorf("not formatted", "%s: %s.", filename, err)
		return nil, p.diagnostics()
	}
	out.WriteByte('\n')
	return out.Bytes(), p.diagnostics()
}
