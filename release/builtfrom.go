package release

import (
	"bytes"
	"regexp"
)

// versionFinder reads a program that passes through it and finds the etcd that it was built from. Go writes the modules
// of a program into it as text; every program of a release uses etcd's module api/v3, which carries the release's own
// version.
type versionFinder struct {
	found  string // "3.6.16"; empty: none yet, a version that is not a release's, or a program that does not say
	window []byte
}

var builtFrom = []byte("\tgo.etcd.io/etcd/api/v3\tv")

// builtVersion is the version of a release with what ends it in that text.
var builtVersion = regexp.MustCompile(`^(\d+\.\d+\.\d+)[\t\n]`)

// overlap is how much of one write is looked at again with the next: more than the text and a version.
const overlap = 128

func (v *versionFinder) Write(p []byte) (int, error) {
	if v.found != "" {
		return len(p), nil
	}
	v.window = append(v.window, p...)
	for rest := v.window; ; {
		at := bytes.Index(rest, builtFrom)
		if at < 0 {
			break
		}
		rest = rest[at+len(builtFrom):]
		if version := builtVersion.FindSubmatch(rest); version != nil {
			v.found = string(version[1])
			return len(p), nil
		}
	}
	v.window = append(v.window[:0], v.window[max(0, len(v.window)-overlap):]...)
	return len(p), nil
}
