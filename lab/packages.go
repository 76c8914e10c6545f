package lab

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
)

// packagesAt is where a host has the repository of its packages, read-only.
const packagesAt = "/srv/packages"

// sourcesFile makes the repository the only one that a host knows. It is trusted without a signature: apt has verified
// the packages on the machine, and only the machine's root can change them on their way to the host. With the scheme
// copy they go through apt's cache, as downloads do.
func sourcesFile() file {
	return file{path: "etc/apt/sources.list", mode: 0o644, data: "deb [trusted=yes] copy:" + packagesAt + " ./\n"}
}

// packageName fits no word that apt-get reads as more than a name: an option, a version, or "NAME-", which removes.
var packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]*[a-z0-9+]$`)

// packageSet sorts names and leaves out what is named twice.
func packageSet(names []string) ([]string, error) {
	set := slices.Compact(slices.Sorted(slices.Values(names)))
	for _, n := range set {
		if !packageName.MatchString(n) {
			return nil, fmt.Errorf("package %q: not the name of a Debian package", n)
		}
	}
	return set, nil
}

// takePackages puts the packages that were asked for into the state. A lab that is up keeps those that it began with.
func (s *state) takePackages(names []string) error {
	set, err := packageSet(names)
	switch {
	case err != nil || len(set) == 0:
		return err
	case len(s.Hosts) > 0 && !slices.Equal(set, s.Packages):
		return fmt.Errorf("it is up with packages %q, not %q; take the lab down to change that", s.Packages, set)
	}
	s.Packages = set
	return nil
}

// ensurePackages returns the repository for hosts on an image, and makes it when nobody has. Without names it is "".
func ensurePackages(ctx context.Context, suite, image string, names []string, log *progress) (string, error) {
	if len(names) == 0 {
		return "", nil
	}
	if lookTool("apt-get") == "" {
		return "", errors.New("packages for hosts come by apt-get, which is missing: use a Debian machine")
	}
	r := repository{
		suite: suite, image: image, packages: names, cache: filepath.Join(cacheDir, "packages"),
		source: "deb [signed-by=" + keyring + " lang=none target=Packages] " + machineMirror() + " " + suite + " main",
	}
	return r.dir(), r.ensure(ctx, log)
}
