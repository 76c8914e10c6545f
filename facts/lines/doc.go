// Package lines owns the form in which scripts on hosts say what they found: lines of fields separated by TABs, written
// by say.sh and read by Read. It says nothing of what the lines mean.
//
// A host is a stranger: nothing that it says forges a line, none of it is longer than Read's bounds, and a line that
// cannot be read costs no other.
package lines
