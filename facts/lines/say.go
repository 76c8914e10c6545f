package lines

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/clusterup/clusterup/shellword"
)

//go:embed say.sh
var sayScript string

// Program is what a host is sent for scripts that use say: say.sh and the scripts, without comments and indentation,
// since a shell reads its input a byte at a time.
func Program(scripts ...string) string { return slim(sayScript + strings.Join(scripts, "")) }

// Assign sets shell variables.
func Assign(variables [][2]string) string {
	var b strings.Builder
	for _, v := range variables {
		fmt.Fprintf(&b, "%s=%s\n", v[0], shellword.Quote(v[1]))
	}
	return b.String()
}

// slim takes comments and indentation out of a shell script. None of ours has text that would miss them.
func slim(script string) string {
	var b strings.Builder
	for line := range strings.Lines(script) {
		if line = strings.TrimLeft(line, " "); line != "\n" && !strings.HasPrefix(line, "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}
