// Package shellword owns how text becomes words of a POSIX shell, whatever is in it. Scripts that go to hosts are
// written with it.
package shellword

import "strings"

// Quote makes one word of a text, in which a shell expands nothing.
func Quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// Join makes one word of each text, with blanks between them.
func Join(texts []string) string {
	words := make([]string, len(texts))
	for i, text := range texts {
		words[i] = Quote(text)
	}
	return strings.Join(words, " ")
}
