package inventory

import (
	"bytes"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
)

// byteOrderMark is what editors on Windows put in front of UTF-8.
const byteOrderMark = "\xef\xbb\xbf"

// unreadable reports text that is not UTF-8, once, at its first place; nil if it is. The parser finds a mistake in
// every word of UTF-16.
func unreadable(src []byte, filename string) *hcl.Diagnostic {
	at := hcl.Pos{Line: 1, Column: 1}
	mistake := func(detail string) *hcl.Diagnostic {
		return diagnosticAt(hcl.DiagError, hcl.Range{Filename: filename, Start: at, End: at}, "not UTF-8", detail)
	}
	if bytes.HasPrefix(src, []byte("\xff\xfe")) || bytes.HasPrefix(src, []byte("\xfe\xff")) ||
		bytes.IndexByte(src, 0) >= 0 {
		return mistake("The file is UTF-16, or no text. Save it as UTF-8; iconv -f UTF-16 -t UTF-8 turns one into the other.")
	}
	for rest := src; len(rest) > 0; {
		char, size := utf8.DecodeRune(rest)
		switch {
		case char == utf8.RuneError && size == 1:
			return mistake("The text is in another encoding from here on, such as Latin-1. Save the file as UTF-8.")
		case char == '\n':
			at.Line, at.Column = at.Line+1, 0
		}
		at.Column, rest = at.Column+1, rest[size:]
	}
	return nil
}

// beginning is where the text of src begins: behind its byte order mark, which JSON's parser does not know.
func beginning(src []byte) hcl.Pos {
	start := hcl.InitialPos
	if bytes.HasPrefix(src, []byte(byteOrderMark)) {
		start.Byte = len(byteOrderMark)
	}
	return start
}
