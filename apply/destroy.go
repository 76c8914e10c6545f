package apply

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/shellword"
)

// stopUnit stops first: a unit whose file is gone cannot be disabled, but its process may well run.
func stopUnit(unit string) string {
	u := shellword.Quote(unit + ".service")
	return fmt.Sprintf(`systemctl stop %s || exit
[ ! -e "$(systemctl show -p FragmentPath --value %s)" ] || systemctl disable --quiet %s
`, u, u, u)
}

// moveAside renames directories and files to NAME.aside-WHEN. A mount point cannot be renamed, so there the content
// moves into a directory within.
func moveAside(paths []plan.Path, now time.Time) string {
	stamp := now.UTC().Format("20060102T150405Z")
	var b strings.Builder
	b.WriteString(`set -eu
aside() {
  [ -e "$1" ] || return 0
  if mountpoint -q "$1"; then
    within=$1/` + etcd.AsidePrefix + stamp + `
    mkdir -m 0700 "$within"
    find "$1" -mindepth 1 -maxdepth 1 ! -name lost+found ! -name '` + etcd.AsidePrefix + `*' -exec mv -t "$within" {} +
  else
    mv -T "$1" "$1.aside-` + stamp + `"
  fi
}
`)
	for _, p := range paths {
		fmt.Fprintf(&b, "aside %s\n", shellword.Quote(p.Path))
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
if [ -d "$dir" ]; then
  find "$dir"/ -mindepth 1 -maxdepth 1 ! -name lost+found ! -name '%s*' -exec rm -rf {} +
  mountpoint -q "$dir" || rmdir "$dir" 2>/dev/null || true
fi
`, shellword.Quote(p.Path), etcd.AsidePrefix)
	}
	return b.String()
}

// removeFiles removes what clusterup wrote for this cluster: the unit, then releases that no unit of another one names,
// then the rest. The rest is last, since the next look goes by it to find what is left to do.
func removeFiles(unit string, paths []plan.Path) string {
	var unitFiles, rest []string
	for _, name := range namesOf(paths) {
		if path.Ext(name) == ".service" {
			unitFiles = append(unitFiles, name)
		} else {
			rest = append(rest, name)
		}
	}
	return fmt.Sprintf(`set -u
%srm -rf %s || exit
systemctl daemon-reload || exit
systemctl reset-failed %s 2>/dev/null
if cd %s 2>/dev/null; then
  exec 8<.
  `+inTurn(facts.ReleaseDir)+` # an installation for another cluster is finished first
  set --
  for release in "$PWD"/*/; do
    [ ! -d "$release" ] || set -- "$@" "${release%%/}"
  done
  unnamed "$@"
  cd /
fi
rm -rf %s || exit
rmdir %[4]s %[6]s /etc/etcd 2>/dev/null
exit 0
`, unnamed, shellword.Join(unitFiles), shellword.Quote(unit+".service"), facts.ReleaseDir,
		shellword.Join(rest), path.Dir(facts.ReleaseDir))
}

// unnamed is a shell function that removes releases, but those that a unit names or a process runs.
const unnamed = `unnamed() { # unnamed RELEASE...
  used=$(
    cat /etc/systemd/system/*.service 2>/dev/null
    exec ls -l /proc/[0-9]*/exe 2>/dev/null
  )
  case $used in *' -> '*) ;; *) echo "what runs on the host cannot be read" >&2; exit 1 ;; esac
  for release; do
    shift
    case $used in *"$release/"*) ;; *) set -- "$@" "$release" ;; esac
  done
  [ $# -eq 0 ] || rm -rf "$@" || exit
}
`

// pruneReleases removes releases, each unless a unit has come to name it meanwhile.
func pruneReleases(paths []plan.Path) string {
	return fmt.Sprintf(`set -u
%scd %s || exit
exec 8<.
`+inTurn(facts.ReleaseDir)+` # an installation for another cluster is finished first
unnamed %s
`, unnamed, shellword.Quote(facts.ReleaseDir), shellword.Join(namesOf(paths)))
}
