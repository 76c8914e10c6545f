package look

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func FuzzParse(f *testing.F) {
	for _, name := range answers(f) {
		f.Add(answer(f, name))
	}
	f.Add([]byte("clock\t1.5\narch\tx\nprocess\t1\t\t\t\nlisten\tL 0 0 : x users:((\"\nend\n"))
	f.Add([]byte(
		"clock\t1.5\narch\tx\nfile\t81a4\ta\tb\t9 1 1.0\t/a\nfile\t81a4\ta\tb\t1 1 1.0\t/b\ncontent\t/a\ncontent\t/b\n" +
			"process\t1\t/a\t/a\t\nwal\tyes\nraw\n==> /a <==\nx\n==> /b <==\ny\n==> /proc/1/cmdline <==\nz\x00\nwal\n\x00\nend\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := parseHost(demo(""), raw)
		if err != nil {
			return
		}
		if _, err := json.Marshal(h); err != nil {
			t.Errorf("a host that cannot be written: %v", err)
		}
		if len(h.Unread) > 8+1 || len(h.Data.Entries) > maxEntries {
			t.Errorf("without bounds: %d notes, %d entries", len(h.Unread), len(h.Data.Entries))
		}
		for _, socket := range h.Sockets {
			if !slices.Contains(demo("").Ports, socket.Port) {
				t.Errorf("a socket that nobody asked for: %+v", socket)
			}
		}
	})
}

// A line of any bytes costs neither the host nor any fact of another line.
func FuzzParseLine(f *testing.F) {
	for _, name := range answers(f) {
		for line := range strings.Lines(string(answer(f, name))) {
			kind, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			f.Add(kind, rest)
		}
	}
	f.Add("entry", `x\nsystemd\t0\\`)
	f.Add("listen", `LISTEN 0 1 *:2379 *:* users:(("a",pid=1,fd=1),("b",pid=99999999999,fd=1))`)
	f.Fuzz(func(t *testing.T, kind, rest string) {
		switch {
		case kind == "end", kind == "clock", kind == "arch", strings.ContainsAny(kind, "\t\n"), strings.Contains(rest, "\n"):
			return
		}
		const text = "clock\t17.5\narch\tx86_64\n%s\t%s\nboot\tb\nend\n"
		h, err := parseHost(demo(""), fmt.Appendf(nil, text, kind, rest))
		if err != nil || h.Arch != "amd64" || kind != "boot" && h.BootID != "b" {
			t.Errorf("host %+v, %v", h, err)
		}
	})
}
