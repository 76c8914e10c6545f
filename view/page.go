package view

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"
)

// All text passes here on its way to a person. Formats are ours; arguments may be a stranger's, such as the name of a
// file on a host, and shall neither draw on a terminal nor begin a line. Colours are added by the painter, to what has
// passed.

// safe is text that has passed, with the colours in it.
type safe string

// sprintf is fmt.Sprintf with arguments that stay on their line: a line end in one reads \n, and whatever else would do
// something to a terminal reads U+FFFD. Arguments that are safe stay as they are.
func sprintf(format string, args ...any) safe {
	for i, arg := range args {
		args[i] = oneLine(arg)
	}
	return safe(fmt.Sprintf(format, args...))
}

// fprintf writes what sprintf makes. A reader that went away is noticed by the shell.
func fprintf(w io.Writer, format string, args ...any) {
	_, _ = io.WriteString(w, string(sprintf(format, args...)))
}

// Table begins a table on stdout with the heads of its columns.
func (c *Console) Table(heads ...string) Table {
	t := Table{tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)}
	t.Row(heads...)
	return t
}

// Table is a table whose columns are as wide as what is in them.
type Table struct{ w *tabwriter.Writer }

// Print writes a result to stdout.
func (c *Console) Print(format string, args ...any) { fprintf(c.Out, format, args...) }

// Stdout is a writer for the output of other programs, such as etcdctl: on a terminal it shows control characters as
// U+FFFD.
func (c *Console) Stdout() io.Writer { return shownTo(c.Out) }

// Stderr is the same for stderr.
func (c *Console) Stderr() io.Writer { return shownTo(c.Err) }

// Written has a text made and written by a package that knows how to make its own harmless.
func (c *Console) Written(write func(w io.Writer, columns int, colour bool) error) error {
	return write(c.Err, width(c.Err), color(c.Err))
}

// Row writes one row of a table.
func (t Table) Row(cells ...string) {
	for i, cell := range cells {
		cells[i] = strings.ReplaceAll(inline(cell), "\t", `\t`)
	}
	fprintf(t.w, "%s\n", safe(strings.Join(cells, "\t")))
}

// End writes the table.
func (t Table) End() error { return t.w.Flush() }

// text makes a text safe that may have several lines, whose ends are ours.
func text(s string) safe { return safe(strings.Map(visible, strings.ToValidUTF8(s, "\uFFFD"))) }

// oneLine is an argument of sprintf as it may be shown. Numbers, and what is made of them, are never a stranger's
// words.
func oneLine(arg any) any {
	switch a := arg.(type) {
	case safe:
		return a
	case error:
		return inline(a.Error())
	case []string:
		clean := make([]string, len(a))
		for i := range a {
			clean[i] = inline(a[i])
		}
		return clean
	}
	v := reflect.ValueOf(arg)
	stringer, speaks := arg.(fmt.Stringer)
	switch {
	case !v.IsValid():
		return arg
	case v.CanInt(), v.CanUint(), v.CanFloat(), v.Kind() == reflect.Bool:
		return arg
	case speaks:
		return inline(stringer.String())
	case v.Kind() == reflect.String:
		return inline(v.String())
	}
	return inline(fmt.Sprint(arg))
}

func inline(s string) string { return strings.ReplaceAll(string(text(s)), "\n", `\n`) }

// visible keeps what a terminal only shows. C0 and C1 steer it; bidirectional controls make it show another order.
func visible(r rune) rune {
	switch {
	case r == '\n', r == '\t':
		return r
	case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
		return utf8.RuneError
	}
	return r
}

// shownTo is w itself if that is no terminal, else a writer that makes safe what it passes on to w.
func shownTo(w io.Writer) io.Writer {
	if width(w) == 0 {
		return w
	}
	return &screen{w: w}
}

// screen passes on what another program writes, made safe by text.
type screen struct {
	w    io.Writer
	rest []byte // the first bytes of a character; the others come with the next Write
}

func (s *screen) Write(b []byte) (int, error) {
	s.rest = append(s.rest, b...)
	whole := len(s.rest)
	for i := 1; i < utf8.UTFMax && i <= whole; i++ {
		if tail := s.rest[whole-i:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				whole -= i
			}
			break
		}
	}
	_, err := io.WriteString(s.w, string(text(string(s.rest[:whole]))))
	s.rest = append(s.rest[:0], s.rest[whole:]...)
	return len(b), err
}

// escaped is JSON in which nothing steers a terminal: control characters that encoding/json leaves as they are become
// escapes of the same meaning.
func escaped(raw []byte) []byte {
	if strings.IndexFunc(string(raw), func(r rune) bool { return visible(r) != r }) < 0 {
		return raw
	}
	var b strings.Builder
	for _, r := range string(raw) {
		if visible(r) == r {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return []byte(b.String())
}
