package apply

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// stopUnit stops first: a unit whose file is gone cannot be disabled, but its process may well run.
func stopUnit(unit string) string {
	u := quote(unit + ".service")
	return fmt.Sprintf(`systemctl stop %s || exit
[ ! -e "$(systemctl show -p FragmentPath --value %s)" ] || systemctl disable --quiet %s
`, u, u, u)
}

// moveAside renames directories to NAME.aside-WHEN. A mount point cannot be renamed, so there the content moves into a
// directory within.
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

// purge deletes what is in directories, and those that are no mount points themselves. What an earlier destroy put
// aside stays.
func purge(paths []plan.Path) string {
	var b strings.Builder
	b.WriteString("set -eu\n")
	for _, p := range paths {
		fmt.Fprintf(&b, `dir=%s
[ ! -d "$dir" ] || find "$dir"/ -mindepth 1 -maxdepth 1 ! -name lost+found ! -name '%s*' -exec rm -rf {} +
mountpoint -q "$dir" || rmdir "$dir" 2>/dev/null || true
`, quote(p.Path), plan.AsidePrefix)
	}
	return b.String()
}

// removeFiles removes what clusterup wrote for this cluster: the unit, then releases that no unit of another one names,
// and the rest last, since the next look finds what is left to do by it. Of uploads for this cluster nothing stays
// either.
func removeFiles(cluster, unit string, paths []plan.Path) string {
	var b, rest strings.Builder
	b.WriteString("set -u\n")
	for _, p := range paths {
		into := &rest
		if path.Ext(p.Path) == ".service" {
			into = &b
		}
		fmt.Fprintf(into, "rm -rf %s || exit\n", quote(p.Path))
	}
	fmt.Fprintf(&b, `systemctl daemon-reload || exit
systemctl reset-failed %s 2>/dev/null
if cd %s 2>/dev/null; then
  exec 8<.
  flock -w 600 8 || exit # an installation for another cluster is finished first
  %s
  for release in "$PWD"/*/; do
    [ -d "$release" ] || continue
    grep -qF "${release%%/}/" /etc/systemd/system/*.service 2>/dev/null ||
      ls -l /proc/[0-9]*/exe 2>/dev/null | grep -qF " ${release%%/}/" || rm -rf "$release"
  done
  cd /
fi
%srmdir %s %s /etc/etcd 2>/dev/null
exit 0
`, quote(unit+".service"), facts.ReleaseDir, removeUploads(facts.ReleaseDir, cluster), rest.String(),
		facts.ReleaseDir, path.Dir(facts.ReleaseDir))
	return b.String()
}

// pruneReleases removes releases, each unless a unit has come to name it meanwhile.
func pruneReleases(paths []plan.Path) string {
	var b strings.Builder
	fmt.Fprintf(&b, "set -u\ncd %s || exit\nexec 8<.\nflock -w 600 8 || exit # an installation for another cluster is finished first\nfor release in", quote(facts.ReleaseDir))
	for _, p := range paths {
		b.WriteString(" " + quote(p.Path))
	}
	b.WriteString(`; do
  grep -qF "$release/" /etc/systemd/system/*.service 2>/dev/null ||
    ls -l /proc/[0-9]*/exe 2>/dev/null | grep -qF " $release/" || rm -rf "$release" || exit
done
`)
	return b.String()
}
