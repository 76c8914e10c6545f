package release

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// name is one release for one architecture; its methods are etcd's naming scheme.
type name struct{ version, arch string }

var versionForm = regexp.MustCompile(`^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}(-[0-9A-Za-z]+(\.[0-9A-Za-z]+)*)?$`)

func newName(version, arch string) (name, error) {
	if !versionForm.MatchString(version) {
		return name{}, fmt.Errorf("read version %q: not of the form 3.6.16; write it without a leading v", version)
	}
	if _, ok := machines[arch]; !ok {
		return name{}, fmt.Errorf("find etcd %s for %q: no such architecture; etcd has releases for %s",
			version, arch, strings.Join(slices.Sorted(maps.Keys(machines)), ", "))
	}
	return name{version, arch}, nil
}

func (n name) dir() string  { return "etcd-v" + n.version + "-linux-" + n.arch }
func (n name) file() string { return n.dir() + ".tar.gz" }
func (n name) key() string  { return n.version + "/" + n.arch }

// CacheDir is the folder of clusterup's cache by the XDG base directory specification, which ignores a relative
// XDG_CACHE_HOME. It is empty when neither the variable nor home is known.
func CacheDir(env func(string) string, home string) string {
	if dir := env("XDG_CACHE_HOME"); strings.HasPrefix(dir, "/") {
		return dir + "/clusterup"
	}
	if home == "" {
		return ""
	}
	return home + "/.cache/clusterup"
}
