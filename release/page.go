package release

import (
	"bytes"
	"fmt"
	"strings"
)

// htmlPage is what mirrors, proxies and login portals give with status 200 in place of a file.
const htmlPage = "an HTML page, as a login, a proxy or an index of files gives it"

// instead says what a file is, by its beginning, if it is plainly not what was asked for, such as an HTML page; empty:
// that does not show.
func instead(head []byte) string {
	text := strings.ToLower(string(bytes.TrimSpace(bytes.TrimPrefix(head[:min(len(head), 512)], []byte("\xef\xbb\xbf")))))
	for _, mark := range []string{"<!doctype html", "<html", "<head", "<body", "<!--"} {
		if strings.HasPrefix(text, mark) {
			return htmlPage
		}
	}
	switch {
	case len(head) == 0:
		return "empty"
	case strings.HasPrefix(text, "<?xml"):
		return "an XML document, as an object store gives it for an error"
	case strings.HasPrefix(text, "{"):
		return "a JSON document"
	}
	return ""
}

// noSums says what a file is that names no digest at all; empty: it names at least one.
func noSums(text []byte) string {
	for line := range bytes.Lines(text) {
		if hex, _, _ := strings.Cut(string(line), " "); digestForm.MatchString(strings.ToLower(hex)) {
			return ""
		}
	}
	if is := instead(text); is != "" {
		return is
	}
	first, _, _ := strings.Cut(string(bytes.TrimSpace(text)), "\n")
	return fmt.Sprintf("a file without any digest: it begins with %.60q", first)
}
