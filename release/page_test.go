package release

import (
	"net/http"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/download"
)

// TestInstead gives something else with status 200 in place of SHA256SUMS, of the archive, and of both.
func TestInstead(t *testing.T) {
	for _, tt := range []struct{ given, want string }{
		{"<!DOCTYPE html>\n<html><title>Sign in</title>", download.HTMLPage},
		{"\xef\xbb\xbf\n <HTML>", download.HTMLPage},
		{"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "an XML document"},
		{`{"errors": [{"status": 404}]}`, "a JSON document"},
		{"", "empty"},
		{"moved\nto elsewhere", `it begins with "moved"`},
	} {
		s := fakeMirror(t, amd64, 1000)
		s.files["/etcd/v3.6.16/"+sumsName] = []byte(tt.given)
		_, err := Resolve(t.Context(), s.source(t), "3.6.16", "amd64")
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), sumsName+": it is ") {
			t.Errorf("%q in place of %s: %v", tt.given, sumsName, err)
		}
		if tt.given == "" || strings.HasPrefix(tt.given, "moved") { // which its digest tells of
			continue
		}
		s = fakeMirror(t, amd64, 1000)
		s.misbehave(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(tt.given)) })
		_, err = Resolve(t.Context(), s.source(t), "3.6.16", "amd64")
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "sha256") {
			t.Errorf("%q in place of the archive: %v", tt.given, err)
		}
		path := writeTemp(t, "mine.tar.gz", []byte(tt.given))
		_, err = Resolve(t.Context(), Source{Archives: map[string]string{"": path}}, "3.6.16", "amd64")
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q in a local archive: %v", tt.given, err)
		}
	}
}
