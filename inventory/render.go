package inventory

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	styleReset = "\x1b[0m"
	styleBold  = "\x1b[1m"
	styleRed   = "\x1b[1;31m"
	styleAmber = "\x1b[1;33m"
	styleBlue  = "\x1b[34m"
)

// Write renders every diagnostic for people, with the source line it points
// at. Text is wrapped to width columns; 0 leaves it as it is.
func (d Diagnostics) Write(w io.Writer, width int, color bool) error {
	var b strings.Builder
	for i, x := range d.all {
		if i > 0 {
			b.WriteString("\n")
		}
		renderer{width: width, color: color, sources: d.sources}.one(&b, x)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// String is the rendering without colour and without wrapping.
func (d Diagnostics) String() string {
	var b strings.Builder
	_ = d.Write(&b, 0, false) // a strings.Builder does not fail
	return strings.TrimSuffix(b.String(), "\n")
}

type renderer struct {
	width   int
	color   bool
	sources map[string][]byte
}

func (r renderer) one(b *strings.Builder, d Diagnostic) {
	accent := styleRed
	if d.Severity == "warning" {
		accent = styleAmber
	}
	fmt.Fprintf(b, "%s %s\n", r.paint(accent, d.Severity+":"), r.paint(styleBold, printable(d.Summary)))
	gutter := "  "
	if d.Line > 0 {
		gutter = strings.Repeat(" ", len(fmt.Sprint(d.Line))) + " "
		fmt.Fprintf(b, "%s%s %s:%d:%d\n", gutter[1:], r.paint(styleBlue, "-->"), d.File, d.Line, d.Column)
		r.snippet(b, d, gutter, accent)
	}
	for _, paragraph := range strings.Split(strings.TrimSpace(d.Detail), "\n") {
		if paragraph == "" {
			continue
		}
		mark := r.paint(styleBlue, "=")
		for _, line := range wrap(printable(paragraph), r.width-len(gutter)-2) {
			fmt.Fprintf(b, "%s%s %s\n", gutter, mark, line)
			mark = " "
		}
	}
}

func (r renderer) snippet(b *strings.Builder, d Diagnostic, gutter, accent string) {
	line, ok := sourceLine(r.sources[d.File], d.Line)
	if !ok {
		return
	}
	bar := r.paint(styleBlue, "|")
	runes := []rune(line)
	start := min(max(d.Column-1, 0), len(runes))
	end := len(runes)
	if d.EndLine == d.Line {
		end = min(max(d.EndColumn-1, start), len(runes))
	}
	indent := strings.Map(func(c rune) rune {
		if c == '\t' {
			return c
		}
		return ' '
	}, string(runes[:start]))
	carets := strings.Repeat("^", max(end-start, 1))
	fmt.Fprintf(b, "%s%s\n", gutter, bar)
	fmt.Fprintf(b, "%s %s %s\n", r.paint(styleBlue, fmt.Sprint(d.Line)), bar, line)
	fmt.Fprintf(b, "%s%s %s%s\n", gutter, bar, indent, r.paint(accent, carets))
}

func (r renderer) paint(style, text string) string {
	if !r.color {
		return text
	}
	return style + text + styleReset
}

func sourceLine(src []byte, line int) (string, bool) {
	for i := 1; len(src) > 0; i++ {
		text, rest, _ := bytes.Cut(src, []byte("\n"))
		if i == line {
			return mask(printable(strings.TrimRight(string(text), "\r"))), true
		}
		src = rest
	}
	return "", false
}

var (
	userInfo  = regexp.MustCompile(`://[^/@\s"]+@`)
	secretKey = regexp.MustCompile(`(?i)AGE-SECRET-KEY-[a-z0-9-]+`)
	// of a user, in HCL or in JSON; not those that name where it comes from
	password = regexp.MustCompile(`(\bpassword"?\s*[=:]\s*)(\S.*)`)
)

// mask hides passwords, the user and password of a URL, and private keys,
// which do not belong on a screen or in a log, even when they stand in the
// file.
func mask(line string) string {
	if at := password.FindStringSubmatchIndex(line); at != nil {
		line = line[:at[4]] + strings.Repeat("*", utf8.RuneCountInString(line[at[4]:]))
	}
	line = secretKey.ReplaceAllStringFunc(line, func(s string) string { return strings.Repeat("*", len(s)) })
	return userInfo.ReplaceAllStringFunc(line, func(s string) string {
		return "://" + strings.Repeat("*", utf8.RuneCountInString(s)-len("://@")) + "@"
	})
}

// printable keeps escape sequences of a strange file off the terminal.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '\t' || unicode.IsPrint(c) {
			return c
		}
		return utf8.RuneError
	}, s)
}

func wrap(text string, width int) []string {
	if width < 20 {
		return []string{text}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
