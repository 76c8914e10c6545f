package apply

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

func stopUnit(unit string) string {
	return "systemctl disable --quiet --now " + quote(unit+".service") + "\n"
}

// moveAside renames directories to NAME.aside-WHEN. A mount point cannot be renamed, so there the content moves into a directory within.
func moveAside(paths []plan.Path, now time.Time) string {
	stamp := now.UTC().Format("20060102T150405Z")
	var b strings.Builder
	b.WriteString(`set -eu
aside() {
  [ -d "$1" ] || return 0
  if mountpoint -q "$1"; then
    within=$1/` + plan.AsidePrefix + stamp + `
    mkdir -m 0700 "$within"
    find "$1" -mindepth 1 -maxdepth 1 ! -name lost+found ! -name '` + plan.AsidePrefix + `*' -exec mv -t "$within" {} +
  else
    mv -T "$1" "$1.aside-` + stamp + `"
  fi
}
`)
	for _, p := range paths {
		fmt.Fprintf(&b, "aside %s\n", quote(p.Path))
	}
	return b.String()
}

// purge deletes what is in directories, and those that are no mount points themselves.
func purge(paths []plan.Path) string {
	var b strings.Builder
	b.WriteString("set -eu\n")
	for _, p := range paths {
		q := quote(p.Path)
		fmt.Fprintf(&b, "[ -d %s ] && find %s -mindepth 1 -delete\nmountpoint -q %s || rmdir %s 2>/dev/null || true\n", q, q, q, q)
	}
	return b.String()
}

// removeFiles removes what clusterup wrote for this cluster, and then releases that no unit of another one names.
func removeFiles(unit string, paths []plan.Path) string {
	var b strings.Builder
	b.WriteString("set -u\n")
	for _, p := range paths {
		fmt.Fprintf(&b, "rm -rf %s || exit\n", quote(p.Path))
	}
	fmt.Fprintf(&b, `systemctl daemon-reload || exit
systemctl reset-failed %s 2>/dev/null
for release in %s/*/; do
  [ -d "$release" ] || continue
  grep -qF "${release%%/}/" /etc/systemd/system/*.service 2>/dev/null || rm -rf "$release"
done
rmdir %s %s /etc/etcd 2>/dev/null
exit 0
`, quote(unit+".service"), facts.ReleaseDir, facts.ReleaseDir, path.Dir(facts.ReleaseDir))
	return b.String()
}
