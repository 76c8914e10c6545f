package facts

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Bounds of what a host may say at once. An honest one comes nowhere near them.
const (
	maxAnswer = 16 << 20 // bytes
	maxLines  = 20_000   // of one answer
	maxUnread = 8        // notes about what could not be read

	maxEntries = 8 // of the data directory
)

// plainLines are the kinds of lines that commands write themselves, with names as they are.
var plainLines = []string{"clock", "file", "free"}

var errCutShort = errors.New("the answer was cut short")

// lineKind is how one kind of line is read.
type lineKind[P any] struct {
	fields int
	into   func(p P, f []string) error
}

// readAnswer gives the lines of an answer, written by say.sh, to those who read their kinds. A line that cannot be read
// costs what it was to tell and no more: unread says so. An error is an answer that did not come to its end or is
// longer than any honest one.
func readAnswer[P any](answer []byte, kinds map[string]lineKind[P], p P) (unread []string, err error) {
	if err := bounded(answer); err != nil {
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
			return nil, fmt.Errorf("%w at %q", errCutShort, clip(line))
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
			unread = append(unread, fmt.Sprintf("%q: %v", clip(line), why))
		default:
			more++
		}
	}
	return nil, fmt.Errorf("%w after %q", errCutShort, clip(last))
}

func bounded(answer []byte) error {
	if len(answer) > maxAnswer {
		return fmt.Errorf("the answer has more than %d MiB", maxAnswer>>20)
	}
	return nil
}

func readLine[P any](line string, kinds map[string]lineKind[P], p P) error {
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
		var err error
		if slices.Contains(plainLines, kind) {
			break
		}
		if fields[i], err = decode(field); err != nil {
			return err
		}
	}
	return read.into(p, fields)
}

// decode is the other side of encode in say.sh.
func decode(field string) (string, error) {
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

func clip(s string) string {
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}
