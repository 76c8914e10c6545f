package download

import (
	"bytes"
	"strings"
)

// HTMLPage is what [Instead] calls a page.
const HTMLPage = "an HTML page, as a login, a proxy or an index of files gives it"

// Instead says what a file is, by its first bytes, if it is plainly not what was asked for: servers, proxies and login
// portals give pages with status 200 in place of a file. Empty: that does not show. At most 512 bytes count.
func Instead(head []byte) string {
	text := strings.ToLower(string(bytes.TrimSpace(bytes.TrimPrefix(head[:min(len(head), 512)], []byte("\xef\xbb\xbf")))))
	for _, mark := range []string{"<!doctype html", "<html", "<head", "<body", "<!--"} {
		if strings.HasPrefix(text, mark) {
			return HTMLPage
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
