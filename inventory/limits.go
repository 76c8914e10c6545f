package inventory

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Bounds on the text of an inventory. The parser below us recurses on nesting
// and computes with numbers of any size, so without them a few hostile bytes
// overflow the stack, which cannot be recovered from, or fill the memory.
const (
	maxBytes     = 1 << 20
	maxDepth     = 100
	maxOperators = 10000
	maxNumber    = 40 // characters of a number
)

// tooMuch reports the first place where src goes over a bound, nil if none.
func tooMuch(src []byte, filename string) *hcl.Diagnostic {
	start := hcl.Range{Filename: filename, Start: hcl.InitialPos, End: hcl.InitialPos}
	if len(src) > maxBytes {
		return diagnosticAt(hcl.DiagError, start, "inventory too large", "Inventories end at 1 MiB.")
	}
	if !isJSON(filename) {
		tokens, _ := hclsyntax.LexConfig(src, filename, hcl.InitialPos) // the parser reports what does not lex
		return tokensTooMuch(tokens)
	}
	if jsonDepth(src) > maxDepth {
		return diagnosticAt(hcl.DiagError, start, "nested too deeply", "Brackets may be nested 100 deep.")
	}
	return jsonTooMuch(src, start)
}

func tokensTooMuch(tokens hclsyntax.Tokens) *hcl.Diagnostic {
	depth, operators := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote,
			hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote,
			hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
			depth = max(depth-1, 0)
		case hclsyntax.TokenNumberLit:
			if numberTooBig(string(t.Bytes)) {
				return diagnosticAt(hcl.DiagError, t.Range, "number too large", "No setting needs such a number.")
			}
		case hclsyntax.TokenBang, hclsyntax.TokenMinus, hclsyntax.TokenPlus, hclsyntax.TokenStar, hclsyntax.TokenSlash,
			hclsyntax.TokenPercent, hclsyntax.TokenQuestion, hclsyntax.TokenAnd, hclsyntax.TokenOr, hclsyntax.TokenEqualOp,
			hclsyntax.TokenNotEqual, hclsyntax.TokenLessThan, hclsyntax.TokenLessThanEq, hclsyntax.TokenGreaterThan,
			hclsyntax.TokenGreaterThanEq, hclsyntax.TokenDot:
			operators++
		}
		if depth > maxDepth {
			return diagnosticAt(hcl.DiagError, t.Range, "nested too deeply", "Brackets and templates may be nested 100 deep.")
		}
		if operators > maxOperators {
			return diagnosticAt(hcl.DiagError, t.Range, "too many operators", "An inventory may have 10000 of them.")
		}
	}
	return nil
}

// numberTooBig also covers the exponent: 1e99999999 takes a hundred megabytes
// to write out.
func numberTooBig(s string) bool {
	_, exponent, _ := strings.Cut(strings.ToLower(s), "e")
	return len(s) > maxNumber || len(strings.TrimLeft(exponent, "+-0")) > 2
}

func jsonDepth(src []byte) int {
	depth, deepest, inString := 0, 0, false
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// jsonTooMuch looks at the numbers and at the templates in the strings.
func jsonTooMuch(src []byte, at hcl.Range) *hcl.Diagnostic {
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.UseNumber()
	// An error is the end, or what the parser will complain about.
	for tok, err := dec.Token(); err == nil; tok, err = dec.Token() {
		switch v := tok.(type) {
		case json.Number:
			if numberTooBig(v.String()) {
				return diagnosticAt(hcl.DiagError, at, "number too large", "No setting needs the number "+clip(v.String())+".")
			}
		case string:
			if !strings.Contains(v, "${") && !strings.Contains(v, "%{") {
				continue
			}
			tokens, _ := hclsyntax.LexTemplate([]byte(v), at.Filename, hcl.InitialPos)
			if d := tokensTooMuch(tokens); d != nil {
				return diagnosticAt(hcl.DiagError, at, d.Summary, d.Detail+" It is in the string "+clip(v)+".")
			}
		}
	}
	return nil
}
