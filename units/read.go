package units

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// Command is the command line that the text of a unit starts; nil: it has none.
func Command(unit []byte) []string {
	text, found := bytes.CutPrefix(unit, []byte("ExecStart="))
	if !found {
		_, text, _ = bytes.Cut(unit, []byte("\nExecStart="))
	}
	var args []string
	for line := range strings.Lines(string(text)) {
		line, more := strings.CutSuffix(strings.TrimSpace(line), "\\")
		if word, err := strconv.Unquote(strings.TrimSpace(line)); err == nil {
			args = append(args, strings.ReplaceAll(word, "%%", "%"))
		} else {
			args = slices.AppendSeq(args, strings.FieldsSeq(line))
		}
		if !more {
			break
		}
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "$$", "$")
	}
	return args
}

// Reader reads the command lines of units, each text once: a decision asks for the same ones again and again. Nil reads
// anew each time. Neither the texts nor what it returns are to be changed, and it is not for concurrent use.
type Reader map[*byte][]string

// Command is Command of that text.
func (r Reader) Command(unit []byte) []string {
	if r == nil || len(unit) == 0 {
		return Command(unit)
	}
	args, known := r[&unit[0]]
	if !known {
		args = Command(unit)
		r[&unit[0]] = args
	}
	return args
}

// Flag is the value of a flag in a command line as Args writes them, or in a unit's ExecStart; "": it is not there.
func Flag(args []string, name string) string {
	prefix := "--" + name + "="
	for _, word := range args {
		if value, ok := strings.CutPrefix(word, prefix); ok {
			return strings.Trim(value, `"'`)
		}
	}
	return ""
}
