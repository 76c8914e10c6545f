package units

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
)

// Form counts the forms in which clusterup writes units and birth markers. It grows when a newer clusterup writes one
// of them otherwise by itself, never because of its version alone. Form 1 did not say what it was.
const Form = 3

// Writer says who wrote a unit or birth marker. The zero value: nobody who says so.
type Writer struct {
	Form    int
	Version string // of clusterup, for people; may be empty
}

func (w Writer) String() string {
	if w.Version == "" {
		return fmt.Sprintf("form %d", w.Form)
	}
	return fmt.Sprintf("%s, form %d", w.Version, w.Form)
}

// formLine is the line of a unit that says who wrote it; systemd takes it for a comment.
var formLine = regexp.MustCompile(`(?m)^# clusterup-form: (\d{1,6})(?:, written by ([^\n]{1,80}))?\n`)

// WriterOf says who wrote a unit.
func WriterOf(unit []byte) Writer {
	match := formLine.FindSubmatch(unit[:min(len(unit), headSize)])
	if match == nil {
		return Writer{}
	}
	form, _ := strconv.Atoi(string(match[1])) // a few digits
	return Writer{form, string(match[2])}
}

// Settled is the unit that a host is to have: the one that it has, if that has the form of the wanted one and differs
// from it only in who wrote it. The same holds for other files that say so in a line of their own.
func Settled(wanted File, has []byte) File {
	if bytes.Equal(has, wanted.Data) || WriterOf(has).Form != WriterOf(wanted.Data).Form {
		return wanted
	}
	isBefore, isAfter := aroundForm(has)
	before, after := aroundForm(wanted.Data)
	if bytes.Equal(isBefore, before) && bytes.Equal(isAfter, after) {
		wanted.Data = has
	}
	return wanted
}

// headSize is how much of a unit is looked at for the line that says who wrote it: the second one.
const headSize = 1024

// aroundForm are the two parts of a unit around the line that says who wrote it; the second is empty where there is no
// such line.
func aroundForm(unit []byte) (before, after []byte) {
	at := formLine.FindIndex(unit[:min(len(unit), headSize)])
	if at == nil {
		return unit, nil
	}
	return unit[:at[0]], unit[at[1]:]
}
