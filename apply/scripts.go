package apply

import (
	"fmt"
	"path"
	"strings"

	"github.com/clusterup/clusterup/plan"
)

// quote makes one word of any text, for a POSIX shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// createUser makes a system user and its group. One that was removed gets back the number that its data has, unless
// another has it now. It goes to its end in the moment that it takes, also when the run has died: otherwise locks of
// the user database stay behind. Runs for other clusters stand in line: of two useradd at the same time one fails.
func createUser(name, dataDir string) string {
	return fmt.Sprintf(`set -eu
user=%s data=%s
trap '' TERM HUP
exec 8</etc
flock -w 600 8
number() { # number DATABASE OPTION FORMAT
  n=$(stat -L -c "$3" "$data" 2>/dev/null) && [ "$n" != 0 ] && ! getent "$1" "$n" >/dev/null && echo "$2 $n" || true
}
getent group "$user" >/dev/null || groupadd --system $(number group --gid %%g) "$user"
getent passwd "$user" >/dev/null || useradd --system $(number passwd --uid %%u) --gid "$user" --home-dir /nonexistent --no-create-home \
  --shell "$(command -v nologin || echo /bin/false)" --comment 'etcd members' "$user"
`, quote(name), quote(dataDir))
}

const reloadUnits = "systemctl daemon-reload\n"

// reloadUnit has systemd read its units again unless it has this one as it is on disk: one that it never had loaded is
// read when it is asked for, and a reload reads all units of the host.
func reloadUnit(unit string) string {
	return fmt.Sprintf(`set -u
state=$(systemctl show -p LoadState -p NeedDaemonReload %s | sort | tr '\n' ' ')
[ "$state" = "LoadState=loaded NeedDaemonReload=no " ] || systemctl daemon-reload
`, quote(unit+".service"))
}

// makeDirs makes directories with their owner and mode; parents that are missing are open to all, as they would be made
// by hand. Each has its mode from the start: a look takes shared ones such as /opt/clusterup for good as they are.
// Another run may make those at the same time.
func makeDirs(paths []plan.Path) string {
	var b strings.Builder
	b.WriteString("set -eu\n")
	for _, p := range paths {
		fmt.Fprintf(&b, "(umask 022; mkdir -p %s)\n[ -d %[2]s ] || (umask %04o; mkdir %[2]s) || [ -d %[2]s ]\n",
			quote(path.Dir(p.Path)), quote(p.Path), 0o777&^uint32(p.Mode))
	}
	b.WriteString(owners(paths))
	return b.String()
}

func fixModes(paths []plan.Path) string { return "set -eu\n" + owners(paths) }

// own gives a path to somebody. An operator may have made it a symbolic link, which is followed; one that somebody else
// than root can have made is not: it may lead anywhere.
const own = `own() { # own OWNER:GROUP MODE PATH [OPTION]
  at=$3
  if [ -L "$at" ]; then
    [ "$(stat -L -c %u "$(dirname "$at")")" = 0 ] || { echo "$at is a symbolic link in a directory that is not root's" >&2; exit 1; }
    if [ -d "$at" ]; then at=$at/.; fi
  fi
  chown ${4-} "$1" "$at"
  chmod "$2" "$at"
}
`

// owners gives a member's directory to its user with all that is in it: after somebody else had it, the member could
// not use the rest.
func owners(paths []plan.Path) string {
	var b strings.Builder
	b.WriteString(own)
	for _, p := range paths {
		all := ""
		if p.Owner != "root" {
			all = " -Rh"
		}
		fmt.Fprintf(&b, "own %s %04o %s%s\n", quote(p.Owner+":"+p.Group), uint32(p.Mode), quote(p.Path), all)
	}
	return b.String()
}

// swapLeaf points a role's link at another directory in one step, and then removes the pairs that it pointed at before,
// with whatever killed runs have left under names that clusterup gives.
func swapLeaf(link, target string) string {
	return fmt.Sprintf(`set -eu
link=%s target=%s
cd "$(dirname "$link")"
role=$(basename "$link")
sync "$target"/* "$target"
rm -f ".$role."[0-9]*
if [ -d "$role" ] && [ ! -L "$role" ]; then mv -T "$role" "$role.aside.$$"; fi
ln -sfn "$target" ".$role.$$"
mv -fT ".$role.$$" "$role"
sync .
for old in "$role"-*; do
  serial=${old#"$role"-}
  case $serial in *[!0-9a-f]*) continue ;; esac
  if [ "$old" != "$target" ] && [ ${#serial} -ge 16 ] && [ ${#serial} -le %d ] && [ -d "$old" ]; then rm -rf "$old"; fi
done
`, quote(link), quote(target), serialDigits)
}

// pruneTrust removes bundles, each unless the unit has come to name it meanwhile.
func pruneTrust(unit string, paths []plan.Path) string {
	var b strings.Builder
	b.WriteString("set -u\n")
	for _, p := range paths {
		fmt.Fprintf(&b, "grep -qF %s %s || rm -f %[1]s || exit\n", quote(p.Path),
			quote("/etc/systemd/system/"+unit+".service"))
	}
	return b.String()
}

// serialDigits is the greatest length of a certificate's serial number (RFC 5280: 20 bytes), which the name of its
// directory ends in; a cfssl server draws its own, which may be shorter.
const serialDigits = 40

// startUnit starts the unit, and lets systemd do so at boot. systemctl takes a start that the guard refused for done.
func startUnit(verb, unit string) string {
	u := quote(unit + ".service")
	return fmt.Sprintf(`set -u
systemctl enable --quiet %s || exit
systemctl reset-failed %s 2>/dev/null
systemctl %s %s || exit
systemctl is-active --quiet %s && exit
echo "the unit was not started, or has ended already" >&2
exit 1
`, u, u, verb, u, u)
}

// processAge says for how many milliseconds the process that a restart began has run, or what runs before it: 0 while
// the one before ends. Both times are of the same clock of the kernel; a tick of it lasts 10 ms wherever Linux tells.
func processAge(unit string) string {
	return fmt.Sprintf(`set -eu
unit=%s
started() { set -- $(sed 's/.*) //' "/proc/$1/stat"); echo "${20}"; }
show() { systemctl show -p "$1" "$unit" | cut -d= -f2; }
pid=$(show MainPID)
[ "$pid" != 0 ] || pid=$(show ControlPID)
if [ "$(show ActiveState)" = deactivating ] || [ "$pid" = 0 ]; then echo 0; exit; fi
echo $((($(started self) - $(started "$pid")) * 10))
`, quote(unit+".service"))
}

// journalScript shows what the unit said since it was last started, and after a line of its own what it said within the
// last seconds, in which it may have been started again and again: what is older may speak of another failure. A
// process that is still ending was not started now. A panic is followed by a trace of up to a hundred lines.
func journalScript(unit string, seconds int) string {
	u := quote(unit + ".service")
	return fmt.Sprintf(`journalctl --sync 2>/dev/null # what was said last may not have been written yet
show() { journalctl --quiet --no-pager -o cat -n 300 "$@"; }
run=$(systemctl show -p InvocationID %s | cut -d= -f2)
state=$(systemctl show -p ActiveState %[1]s | cut -d= -f2)
[ -z "$run" ] || [ "$state" = deactivating ] || show "_SYSTEMD_INVOCATION_ID=$run" + "INVOCATION_ID=$run"
echo '%[2]s'
show --since=-%[3]ds -u %[1]s
`, u, journalParts, seconds)
}

// journalParts stands between the parts of a journal.
const journalParts = "-- within the last seconds --"
