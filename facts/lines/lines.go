package lines

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Bounds of what a host may say at once. An honest one comes nowhere near them.
const (
	maxAnswer = 16 << 20 // bytes
	maxLines  = 20_000   // of one answer
	maxUnread = 8        // notes about what could not be read
)

// ErrCutShort is an answer that did not come to its end.
var ErrCutShort = errors.New("the answer was cut short")

// Kind is how one kind of line is read.
type Kind[P any] struct {
	fields int
	plain  bool
	into   func(p P, f []string) error
}

// Of is a kind of line that say.sh writes, with this number of fields. into gets them decoded.
func Of[P any](fields int, into func(p P, f []string) error) Kind[P] {
	return Kind[P]{fields, false, into}
}

// Plain is a kind of line that a command writes itself. into gets its fields as they are.
func Plain[P any](fields int, into func(p P, f []string) error) Kind[P] {
	return Kind[P]{fields, true, into}
}

// Read passes each line of an answer to the reader of its kind. A line that cannot be read is noted in unread, and
// costs no other. An error means that the answer did not come to its end (ErrCutShort), or is longer than any honest
// one.
func Read[P any](answer []byte, kinds map[string]Kind[P], p P) (unread []string, err error) {
	if err := Bounded(answer); err != nil {
		return nil, err
	}
	if bytes.Count(answer, []byte("\n")) > maxLines {
		return nil, fmt.Errorf("the answer has more than %d lines", maxLines)
	}
	more, last := 0, ""
	for line := range strings.Lines(string(answer)) {
		line, whole := strings.CutSuffix(line, "\n")
		switch {
		case !whole:
			return nil, fmt.Errorf("%w at %q", ErrCutShort, Clip(line))
		case line == "end":
			if more > 0 {
				unread = append(unread, fmt.Sprintf("and %d more lines", more))
			}
			return unread, nil
		}
		last = line
		switch why := readLine(line, kinds, p); {
		case why == nil:
		case len(unread) < maxUnread:
			unread = append(unread, fmt.Sprintf("%q: %v", Clip(line), why))
		default:
			more++
		}
	}
	return nil, fmt.Errorf("%w after %q", ErrCutShort, Clip(last))
}

// Bounded is an error where an answer is longer than any honest one.
func Bounded(answer []byte) error {
	if len(answer) > maxAnswer {
		return fmt.Errorf("the answer has more than %d MiB", maxAnswer>>20)
	}
	return nil
}

func readLine[P any](line string, kinds map[string]Kind[P], p P) error {
	kind, rest, _ := strings.Cut(line, "\t")
	read, known := kinds[kind]
	if !known {
		return errors.New("no line of ours")
	}
	fields := strings.Split(rest, "\t")
	if len(fields) != read.fields {
		return fmt.Errorf("%d fields, want %d", len(fields), read.fields)
	}
	for i, field := range fields {
		if read.plain {
			break
		}
		var err error
		if fields[i], err = Decode(field); err != nil {
			return err
		}
	}
	return read.into(p, fields)
}

// Decode reads one field. It is the other side of encode in say.sh.
func Decode(field string) (string, error) {
	if !strings.Contains(field, `\`) {
		return field, nil
	}
	var b strings.Builder
	for i := 0; i < len(field); i++ {
		if field[i] != '\\' {
			b.WriteByte(field[i])
			continue
		}
		i++
		switch {
		case i < len(field) && field[i] == '\\':
			b.WriteByte('\\')
		case i < len(field) && field[i] == 't':
			b.WriteByte('\t')
		case i < len(field) && field[i] == 'n':
			b.WriteByte('\n')
		default:
			return "", errors.New("a backslash that stands for nothing")
		}
	}
	return b.String(), nil
}

// Clip is the beginning of a text that a host chose, for a note.
func Clip(s string) string {
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}

// Number reads digits without a sign: counts are never negative.
func Number(into *int, text string) error {
	v, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return fmt.Errorf("%q is no number", text)
	}
	*into = int(v)
	return nil
}

// Kilobytes reads a number of them as bytes.
func Kilobytes(into *int64, text string) error {
	v, err := strconv.ParseUint(text, 10, 53)
	if err != nil {
		return fmt.Errorf("%q kilobytes", text)
	}
	*into = int64(v) * 1024
	return nil
}
