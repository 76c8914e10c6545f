package apply

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// longLine is where a line that is no JSON is cut.
const longLine = 300

// longText is where the text of one that is JSON is cut.
const longText = 2000

// Brief makes of the raw lines of a member's journal what a person reads: level, message and error of each that etcd
// wrote as JSON, others as they are, without the traces of a crash, and lines that say the same one after the other as
// one. No more than the last n.
func Brief(log []string, n int) []string {
	var brief []string
	last, times, trace := "", 0, false
	for _, line := range log {
		if trace = traces(line, trace); trace {
			continue
		}
		text := briefLine(line)
		switch {
		case text == "":
		case text == last:
			times++
			brief[len(brief)-1] = fmt.Sprintf("%s (%d times)", last, times)
		default:
			brief = append(brief, text)
			last, times = text, 1
		}
	}
	return brief[max(0, len(brief)-n):]
}

// frame is a line of the trace of a goroutine.
var frame = regexp.MustCompile(`^(\s|goroutine \d+ \[|created by |[\w./*()\-@]+\(.*\)$|exit status \d)`)

// traces says whether a line belongs to the trace of a crash: from the first goroutine on, while lines look like it.
func traces(line string, within bool) bool {
	return strings.HasPrefix(line, "goroutine ") && strings.Contains(line, " [") ||
		within && (line == "" || frame.MatchString(line))
}

// said are the parts of a line of etcd's (go.uber.org/zap, as etcd's logutil sets it up) that tell why something went
// wrong.
type said struct {
	Level, Msg    string
	Error, Reason string
	Remote        string `json:"remote-peer-id"`
}

func briefLine(line string) string {
	line = strings.TrimSpace(line)
	var s said
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &s) != nil || s.Msg == "" {
		return cut(line, longLine)
	}
	text := s.Msg
	if s.Level != "" {
		text = s.Level + ": " + text
	}
	for _, more := range []string{s.Error, s.Reason} {
		if more != "" && !strings.Contains(text, more) {
			text += ": " + more
		}
	}
	if s.Remote != "" {
		text += " (peer " + s.Remote + ")"
	}
	return cut(text, longText)
}

func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
