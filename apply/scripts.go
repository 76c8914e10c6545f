package apply

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/shellword"
	"github.com/clusterup/clusterup/units"
)

// createUser makes a system user and its group. One that was removed gets back the number that its data has, unless
// another has it now. systemd-sysusers does that in one process, where useradd starts six more to tell daemons that may
// not be there; its lock falls with it, and it waits for those of others. useradd does what it cannot. The script
// ignores signals for the moment that it takes, so that a run that dies leaves no locks of the user database behind.
// Runs for other clusters stand in line: of two useradd at the same time one fails.
func createUser(name, dataDir, comment string) string {
	return fmt.Sprintf(`set -eu
user=%s data=%s comment=%s
trap '' TERM HUP
for shell in /usr/sbin/nologin /sbin/nologin /bin/false; do [ ! -x "$shell" ] || break; done
lists() { # FILE: it has an entry of that name
  while IFS=: read -r name _; do [ "$name" != "$user" ] || return 0; done <"$1"
  return 1
}
if [ ! -e "$data" ] && command -v systemd-sysusers >/dev/null; then
  systemd-sysusers - >/dev/null 2>&1 <<END || :
u $user - "$comment" /nonexistent $shell
END
  if lists /etc/passwd && lists /etc/group; then exit 0; fi
fi
exec 8</etc
`+inTurn("/etc")+`
add() {
  useradd --system $uid "$@" --home-dir /nonexistent --no-create-home --shell "$shell" --comment "$comment" "$user"
}
uid= gid=
if [ -e "$data" ]; then
  set -- $(stat -L -c '%%u %%g' "$data")
  [ "$1" = 0 ] || getent passwd "$1" >/dev/null || uid="--uid $1"
  [ "$2" = 0 ] || getent group "$2" >/dev/null || gid="--gid $2"
fi
# Both at once; where one of them is there, or the group has a number to get back, one after the other.
[ -n "$gid" ] || ! add --user-group 2>/dev/null || exit 0
getent group "$user" >/dev/null || groupadd --system $gid "$user"
getent passwd "$user" >/dev/null || add --gid "$user"
`, shellword.Quote(name), shellword.Quote(dataDir), shellword.Quote(comment))
}

// inTurn waits for runs of other clusters that do the same, and says so when that has taken too long.
func inTurn(what string) string {
	return "flock -w 600 8 || { echo 'another run has had " + what + " locked for ten minutes' >&2; exit 1; }"
}

const reloadUnits = "systemctl daemon-reload\n"

// reloadUnit has systemd read its units again unless it has this one as it is on disk. A unit that it never had loaded
// is read when it is asked for, and a reload reads all units of the host.
func reloadUnit(unit string) string {
	return fmt.Sprintf(`set -u
state=$(systemctl show -p LoadState -p NeedDaemonReload %s)
case $state in
*LoadState=loaded*NeedDaemonReload=no* | *NeedDaemonReload=no*LoadState=loaded*) ;;
*) systemctl daemon-reload ;;
esac
`, shellword.Quote(unit+".service"))
}

func namesOf(paths []plan.Path) []string {
	var names []string
	for _, p := range paths {
		names = append(names, p.Path)
	}
	return names
}

// alike are paths that get the same owner, group and mode.
type alike struct {
	first plan.Path
	paths []string
}

// byOwner puts paths together that are alike, in the order in which each kind first appears.
func byOwner(paths []plan.Path) []alike {
	var groups []alike
	for _, p := range paths {
		i := slices.IndexFunc(groups, func(g alike) bool {
			return g.first.Owner == p.Owner && g.first.Group == p.Group && g.first.Mode == p.Mode
		})
		if i < 0 {
			i, groups = len(groups), append(groups, alike{first: p})
		}
		groups[i].paths = append(groups[i].paths, p.Path)
	}
	return groups
}

// makeDirs makes directories with their owner and mode; parents that are missing are open to all, as they would be made
// by hand. Each of root's has its mode from the start: a look takes shared ones such as /opt/clusterup for good as they
// are. One of somebody else's is closed to all others until it is theirs. What is there already is put right. Another
// run may make those at the same time.
func makeDirs(paths []plan.Path) string {
	var b strings.Builder
	b.WriteString("set -eu\numask 022\n" + own + `make() { # make OWNER GROUP MODE PATH...
  owner=$1 group=$2 mode=$3
  shift 3
  for dir; do
    shift
    if [ -d "$dir" ]; then own "$owner:$group" "$mode" "$dir"; else set -- "$@" "$dir"; fi
  done
  [ $# -gt 0 ] || return 0
  if [ "$owner:$group" = root:root ]; then
    mkdir -p -m "$mode" "$@"
  else
    install -d -o "$owner" -g "$group" -m "$mode" "$@"
  fi
}
`)
	for _, g := range byOwner(paths) {
		fmt.Fprintf(&b, "make %s %04o %s\n", shellword.Join([]string{g.first.Owner, g.first.Group}), uint32(g.first.Mode),
			shellword.Join(g.paths))
	}
	return b.String()
}

// fixModes gives paths their owner and mode.
func fixModes(paths []plan.Path) string {
	var b strings.Builder
	b.WriteString("set -eu\n" + own)
	for _, g := range byOwner(paths) {
		fmt.Fprintf(&b, "own %s %04o %s\n", shellword.Quote(g.first.Owner+":"+g.first.Group), uint32(g.first.Mode),
			shellword.Join(g.paths))
	}
	return b.String()
}

// own is a shell function that gives paths to somebody. A member's directory goes to its user with all that is in it,
// since the member could not use files that somebody else has had. An operator may have made one a symbolic link, which
// is followed. A link that somebody else than root can have made is refused: it may lead anywhere.
const own = `own() { # own OWNER:GROUP MODE PATH...
  whose=$1 bits=$2
  shift 2
  for at; do
    shift
    if [ -L "$at" ]; then
      [ "$(stat -L -c %u "${at%/*}/")" = 0 ] || { echo "$at is a symbolic link in a directory that is not root's" >&2; exit 1; }
      if [ -d "$at" ]; then at=$at/.; fi
    fi
    set -- "$@" "$at"
  done
  case $whose in
  root:*) chown "$whose" "$@" ;;
  *) chown -Rh "$whose" "$@" ;;
  esac
  chmod "$bits" "$@"
}
`

// swapLeaf points a role's link at another directory in one step, and then removes the pairs that it pointed at before,
// with whatever killed runs have left under names that clusterup gives. The pair was brought to the disk when it was
// written.
func swapLeaf(link, target string) string {
	return fmt.Sprintf(`set -eu
cd %s
role=%s target=%s
[ -d "$target" ] || { echo "there is no pair $target" >&2; exit 1; }
if [ -d "$role" ] && [ ! -L "$role" ]; then mv -T "$role" "$role.aside.$$"; fi
if [ -e "$role" ] || [ -L "$role" ]; then
  ln -sfn "$target" ".$role.$$"
  mv -fT ".$role.$$" "$role"
else
  ln -s "$target" "$role"
fi
sync .
set --
for old in ".$role."[0-9]*; do
  if [ -e "$old" ] || [ -L "$old" ]; then set -- "$@" "$old"; fi
done
for old in "$role"-*; do
  serial=${old#"$role"-}
  case $serial in *[!0-9a-f]*) continue ;; esac
  if [ "$old" != "$target" ] && [ ${#serial} -ge 16 ] && [ ${#serial} -le %d ] && [ -d "$old" ]; then set -- "$@" "$old"; fi
done
[ $# -eq 0 ] || rm -rf "$@"
`, shellword.Quote(path.Dir(link)), shellword.Quote(path.Base(link)), shellword.Quote(target), units.SerialDigits)
}

// pruneTrust removes bundles, each unless the unit has come to name it meanwhile, and directories of pairs, each unless
// a link beside it has come to point at it.
func pruneTrust(unit string, paths []plan.Path) string {
	return fmt.Sprintf(`set -u
named=
if [ -e %[1]s ]; then
  named=$(cat %[1]s) || exit
fi
set -- %[2]s
for bundle; do
  shift
  case $named in *"$bundle"*) continue ;; esac
  for link in "${bundle%%/*}"/*; do
    [ -L "$link" ] && [ "$link" -ef "$bundle" ] && continue 2
  done
  set -- "$@" "$bundle"
done
[ $# -eq 0 ] || rm -rf "$@"
`, shellword.Quote("/etc/systemd/system/"+unit+".service"), shellword.Join(namesOf(paths)))
}

// startUnit starts the unit, and has systemd start it at boot. It makes the link of systemctl enable by itself: that
// command also has systemd read all units and run all generators of the host, or from version 250 on calls each unit
// out of date. A reload follows only where systemd had loaded the unit before. Only a drop-in can limit how often the
// unit may start; then the count is reset, and the start tried again. The state is asked at the end, since systemctl
// takes a start that the guard refused for done.
func startUnit(verb, unit string) string {
	return fmt.Sprintf(`set -u
unit=%s units=/etc/systemd/system
wants=$units/multi-user.target.wants
if [ ! -e "$wants/$unit" ]; then
  [ -d "$wants" ] || mkdir -p -m 0755 "$wants" || exit
  ln -sfn "$units/$unit" "$wants/$unit" || exit
fi
bring() { systemctl %s "$unit"; }
bring || {
  [ "$(systemctl show -p Result "$unit")" = Result=start-limit-hit ] && systemctl reset-failed "$unit" && bring
} || exit
state=$(systemctl show -p ActiveState -p UnitFileState "$unit")
case $state in *UnitFileState=enabled*) ;; *) systemctl daemon-reload || exit ;; esac
case $state in *ActiveState=active*) exit ;; esac
echo "the unit was not started, or has ended already" >&2
exit 1
`, shellword.Quote(unit+".service"), verb)
}

// processAge says for how many milliseconds the process that a restart began has run, or one of ExecStartPre before it;
// 0 while the old process ends. Both times are of the same clock of the kernel, whose tick lasts 10 ms in what Linux
// tells.
func processAge(unit string) string {
	return fmt.Sprintf(`set -eu
started() {
  read -r line <"/proc/$1/stat"
  set -- ${line##*) }
  echo "${20}"
}
pid=0 control=0
for line in $(systemctl show -p MainPID -p ControlPID -p ActiveState %s); do
  case $line in
  MainPID=*) pid=${line#*=} ;;
  ControlPID=*) control=${line#*=} ;;
  ActiveState=deactivating) echo 0; exit ;;
  esac
done
[ "$pid" != 0 ] || pid=$control
if [ "$pid" = 0 ]; then echo 0; exit; fi
now=$(started self) # of the process that says so
echo $(((now - $(started "$pid")) * 10))
`, shellword.Quote(unit+".service"))
}

// journalScript shows what the unit said since it was last started, and after a line of its own what it said within the
// last seconds, in which it may have been started again and again: what is older may speak of another failure. A
// process that is still ending was not started now. A panic is followed by a trace of up to a hundred lines.
func journalScript(unit string, seconds int) string {
	u := shellword.Quote(unit + ".service")
	return fmt.Sprintf(`journalctl --sync 2>/dev/null # what was said last may not have been written yet
show() { journalctl --quiet --no-pager -o cat -n 300 "$@"; }
run= state=
for line in $(systemctl show -p InvocationID -p ActiveState %s); do
  case $line in InvocationID=*) run=${line#*=} ;; ActiveState=*) state=${line#*=} ;; esac
done
[ -z "$run" ] || [ "$state" = deactivating ] || show "_SYSTEMD_INVOCATION_ID=$run" + "INVOCATION_ID=$run"
echo '%[2]s'
show --since=-%[3]ds -u %[1]s
`, u, journalParts, seconds)
}

// journalParts stands between the parts of a journal.
const journalParts = "-- within the last seconds --"
