package apply

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/plan"
)

// quote makes one word of any text, for a POSIX shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// createUser goes to its end in the moment that it takes, also when the run has died: otherwise locks of the user database stay behind.
const createUser = `set -eu
trap '' TERM HUP
getent group etcd >/dev/null || groupadd --system etcd
getent passwd etcd >/dev/null || useradd --system --gid etcd --home-dir /nonexistent --no-create-home \
  --shell "$(command -v nologin || echo /bin/false)" --comment 'etcd members' etcd
`

const reloadUnits = "systemctl daemon-reload\n"

// reloadUnit has systemd read its units again unless it has this one as it is on disk: one that it never had loaded is read when it is
// asked for, and a reload reads all units of the host.
func reloadUnit(unit string) string {
	return fmt.Sprintf(`set -u
state=$(systemctl show -p LoadState -p NeedDaemonReload %s | sort | tr '\n' ' ')
[ "$state" = "LoadState=loaded NeedDaemonReload=no " ] || systemctl daemon-reload
`, quote(unit+".service"))
}

// makeDirs makes directories with their owner and mode; parents that are missing are open to all, as they would be made by hand. Each
// has its mode from the start: a look takes shared ones such as /opt/clusterup for good as they are.
func makeDirs(paths []plan.Path) string {
	var b strings.Builder
	b.WriteString("set -eu\n")
	for _, p := range paths {
		fmt.Fprintf(&b, "(umask 022; mkdir -p %s)\n[ -d %s ] || (umask %04o; mkdir %s)\n",
			quote(path.Dir(p.Path)), quote(p.Path), 0o777&^uint32(p.Mode), quote(p.Path))
	}
	b.WriteString(owners(paths))
	return b.String()
}

func fixModes(paths []plan.Path) string { return "set -eu\n" + owners(paths) }

func owners(paths []plan.Path) string {
	var b strings.Builder
	for _, p := range paths {
		fmt.Fprintf(&b, "chown %s %s\nchmod %04o %s\n", quote(p.Owner+":"+p.Group), quote(p.Path), uint32(p.Mode), quote(p.Path))
	}
	return b.String()
}

// unpackRelease takes the binaries out of an archive, checks them, and moves them to where they belong: the whole directory at once
// when it is new, else file by file.
func unpackRelease(r plan.Release, dir, archive string) string {
	names := make([]string, 0, len(r.Binaries))
	for name := range r.Binaries {
		names = append(names, name)
	}
	slices.Sort(names)
	inside := fmt.Sprintf("etcd-v%s-linux-%s/", r.Version, r.Arch)
	var sums, members strings.Builder
	for _, name := range names {
		fmt.Fprintf(&sums, "%s  %s\n", r.Binaries[name], name)
		members.WriteString(" " + quote(inside+name))
	}
	return fmt.Sprintf(`set -eu
dir=%s archive=%s
# What a run left here that lost its host is removed; one that is at work, for another cluster, has its own locked.
for old in "$dir".??????; do
  [ ! -d "$old" ] || flock -n "$old" rm -rf "$old" || :
done
new=$(mktemp -d "$dir.XXXXXX")
exec 8<"$new"
flock 8
trap 'rm -rf "$new"' EXIT
trap 'exit 143' TERM HUP PIPE
tar -xzf "$archive" -C "$new" --strip-components=1 --no-same-owner%s
cd "$new"
sha256sum --quiet -c - <<'SUMS'
%sSUMS
chown root:root etcd*
chmod 0755 . etcd*
# manifest lets a later look tell an unchanged binary without reading it.
manifest() {
  while read -r sum name; do echo "$sum $(stat -c '%%s %%i %%.9Z' "$name") $name"; done >manifest.new <<'SUMS'
%sSUMS
  chmod 0644 manifest.new
  mv -f manifest.new manifest
}
rm -f "$archive" # before the binaries are where they belong: after that no look would find it
if [ -d "$dir" ]; then
  for name in etcd etcdctl etcdutl; do mv -fT $name "$dir/$name"; done
  chown root:root "$dir"; chmod 0755 "$dir"
  cd "$dir"; manifest
else
  manifest
  sync etcd etcdctl etcdutl manifest .
  mv -T "$new" "$dir"
fi
cd /
sync "$dir"/* "$dir" "${dir%%/*}"
`, quote(dir), quote(archive), members.String(), sums.String(), sums.String())
}

// swapLeaf points a role's link at another directory in one step, and then removes the pairs that it pointed at before.
func swapLeaf(link, target string) string {
	return fmt.Sprintf(`set -eu
link=%s target=%s
cd "$(dirname "$link")"
role=$(basename "$link")
sync "$target"/* "$target"
rm -f ".$role."*
if [ -d "$role" ] && [ ! -L "$role" ]; then mv -T "$role" "$role.aside.$$"; fi
ln -sfn "$target" ".$role.$$"
mv -fT ".$role.$$" "$role"
sync .
for old in "$role"-*; do
  if [ "$old" != "$target" ] && [ -d "$old" ]; then rm -rf "$old"; fi
done
`, quote(link), quote(target))
}

// startUnit starts the unit, and lets systemd do so at boot.
func startUnit(verb, unit string) string {
	u := quote(unit + ".service")
	return fmt.Sprintf(`set -u
systemctl enable --quiet %s || exit
systemctl reset-failed %s 2>/dev/null
exec systemctl %s %s
`, u, u, verb, u)
}

// journalScript shows what the unit said within the last seconds: older lines may speak of another failure.
func journalScript(unit string, seconds int) string {
	return fmt.Sprintf("journalctl --no-pager -o cat -n 30 --since=-%ds -u %s\n", seconds, quote(unit+".service"))
}
