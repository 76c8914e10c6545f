package shellword

import (
	"os/exec"
	"strings"
	"testing"
)

func TestWordsInAShell(t *testing.T) {
	texts := []string{
		"", "a b", "it's", `"$(id)"`, "$HOME", "`id`", "\\", "a\nb", "new\nline\n", "*", "?", "~", "-n", "#", "!x", "ü", "''",
		"'''", "a\tb;c&d|e>f<g(h){i}",
	}
	for _, text := range texts {
		out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", "printf %s "+Quote(text)).Output()
		if err != nil || string(out) != text {
			t.Errorf("%q comes out as %q, %v", text, out, err)
		}
	}
	out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", `printf '%s\0' `+Join(texts)).Output()
	if want := strings.Join(texts, "\x00") + "\x00"; err != nil || string(out) != want {
		t.Errorf("together they come out as %q, %v", out, err)
	}
	if got := Join(nil); got != "" {
		t.Errorf("no texts are %q", got)
	}
}
