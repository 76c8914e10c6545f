package apply

import (
	"context"
	_ "embed"
	"fmt"
	"path"
	"strings"

	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/shellword"
	"github.com/clusterup/clusterup/units"
	"github.com/clusterup/clusterup/units/balancer"
)

// service does one step on the host of a balancer's node, of a kind that does not only write files.
func (r *Run) service(ctx context.Context, host Host, step plan.Step) error {
	script := func(text string) error {
		_, err := host.Script(ctx, text)
		return err
	}
	switch step.Kind {
	case plan.InstallPackages:
		return script(installPackages(step.Packages))
	case plan.PrepareService:
		if err := script(createUser(step.Account, "", "clusterup-node follow")); err != nil {
			return err
		}
		return script(makeDirs(step.Paths))
	case plan.PlaceProgram:
		return r.placeProgram(ctx, host, step)
	case plan.StartService, plan.RestartService, plan.ReloadService:
		return script(bringService(step))
	case plan.RemoveService:
		return script(removeService(step.Unit, namesOf(step.Paths)))
	}
	return fmt.Errorf("do %s: %w", step.Kind, errNoDoer)
}

//go:embed packages.sh
var packagesScript string

// installPackages installs packages of the distribution, and has apt leave them at their version: what runs is
// restarted by clusterup, one node after the other. What they bring is not started, since it has no configuration yet.
// Where apt's lists are out of date they are fetched anew. Files that somebody has changed stay as they are.
func installPackages(names []string) string {
	return "set -eu\nset -- " + shellword.Join(names) + "\n" + packagesScript
}

// placeProgram puts a program where its digest says, whole or not at all.
func (r *Run) placeProgram(ctx context.Context, host Host, step plan.Step) error {
	input, err := r.Operator.Program(ctx, *step.Program)
	if err != nil {
		return err
	}
	progress := func(done, total int64) {
		r.emit(Event{
			Type: StepProgress, Step: step.ID(), Kind: string(step.Kind), Host: step.Host, Done: done, Total: total,
		})
	}
	return host.Feed(ctx, placeProgram(*step.Program), Archive{Input: input}.only(step.Program.SHA256), progress)
}

// placeProgram is the script, whose input is the program. Runs of several clusters take turns.
func placeProgram(p plan.Program) string {
	return fmt.Sprintf(`set -eu
umask 022
at=%s sum=%s
dir=${at%%/*}
mkdir -p "$dir"
exec 8<"${dir%%/*}"
`+inTurn("/opt/clusterup")+`
new=$at.new
trap 'trap "" TERM HUP INT PIPE; rm -f "$new"' EXIT
trap 'exit 143' TERM HUP INT PIPE
rm -f "$new"
cat >"$new"
is=$(sha256sum <"$new")
if [ "${is%%%% *}" != "$sum" ]; then
  echo "what arrived has another digest than what was sent: ${is%%%% *}; run again" >&2
  exit 1
fi
chmod 0755 "$new"
sync "$new"
mv -fT "$new" "$at"
sync "$dir"
`, shellword.Quote(p.Path), shellword.Quote(p.SHA256))
}

// bringService starts, restarts or reloads a unit, has systemd start it at boot, and waits until it is active. What the
// unit has said is in the error where it is not. Where it matters which configuration it has read, the digest of that
// is noted: it is taken before, so that a file which changes meanwhile is read once more. Where it matters who takes
// clients, as before a reload of HAProxy, those who did have to do so again. Then nothing runs any more with what the
// step removes.
func bringService(step plan.Step) string {
	verb := map[plan.Kind]string{plan.RestartService: "restart", plan.ReloadService: "reload"}[step.Kind]
	if verb == "" {
		verb = "start"
	}
	text := fmt.Sprintf(`set -u
unit=%s verb=%s config=%s loaded=%s
`, shellword.Quote(step.Unit+".service"), verb, shellword.Quote(step.Config), shellword.Quote(step.Loaded))
	if len(step.Takes) == 2 {
		text += fmt.Sprintf("program=%s follow=%s\n", shellword.Quote(step.Takes[0]), shellword.Quote(step.Takes[1]))
	} else {
		text += "program=\n"
	}
	return text + `fail() {
  echo "$unit: $1" >&2
  journalctl --quiet --no-pager -o cat -n 20 -u "$unit" >&2
  exit 1
}
[ -z "$config" ] || sum=$(sha256sum <"$config") || exit
case $(systemctl show -p UnitFileState -p NeedDaemonReload "$unit") in *NeedDaemonReload=yes*) systemctl daemon-reload || exit ;; esac
case $(systemctl show -p UnitFileState --value "$unit") in
enabled) ;;
*) systemctl enable --quiet "$unit" || exit ;;
esac
took=
if [ -n "$program" ]; then took=$("$program" takes "$follow" 2>/dev/null) || took=; fi
if [ "$verb" = start ]; then systemctl reset-failed "$unit" 2>/dev/null; fi
systemctl "$verb" "$unit" || fail "it could not $verb"
# A unit that says when it has reloaded is on its way until then.
tries=0 state=
while state=$(systemctl show -p ActiveState --value "$unit"); do
  case $state in activating | reloading | deactivating) ;; *) break ;; esac
  [ "$tries" -lt 150 ] || break
  tries=$((tries + 1))
  sleep 0.2
done
[ "$state" = active ] || fail "it is $state"
[ -z "$took" ] || "$program" await "$follow" $took || exit
[ -z "$config" ] || {
  umask 022
  echo "${sum%% *}" >"$loaded.new" && sync "$loaded.new" && mv -fT "$loaded.new" "$loaded"
} || exit
` + removeSpent(namesOf(step.Paths))
}

// removeService stops a unit, so that it does not start again, and removes what it ran with: first its file, so that
// programs which nobody else uses go as well, and last what the next look goes by.
func removeService(unit string, paths []string) string {
	var unitFiles, rest []string
	for _, at := range paths {
		if path.Ext(at) == ".service" {
			unitFiles = append(unitFiles, at)
		} else {
			rest = append(rest, at)
		}
	}
	remove := ""
	if len(unitFiles) > 0 {
		remove = "rm -f -- " + shellword.Join(unitFiles) + " || exit\n"
	}
	if len(paths) > 0 {
		remove += "systemctl daemon-reload || exit\n"
	}
	return "set -u\n" + endService(unit) + remove + removeSpent(rest) +
		"systemctl reset-failed " + shellword.Quote(unit+".service") + " 2>/dev/null\nexit 0\n"
}

// removeSpent removes files and directories: programs unless a unit of another cluster names them, then the rest.
func removeSpent(paths []string) string {
	var programs, rest []string
	for _, at := range paths {
		if path.Dir(at) == balancer.Programs {
			programs = append(programs, at)
		} else {
			rest = append(rest, at)
		}
	}
	text := ""
	if len(programs) > 0 {
		text = fmt.Sprintf(`%sif cd %s 2>/dev/null; then
  exec 8<.
  `+inTurn("/opt/clusterup")+` # a program for another cluster is put in place first
  unnamed %s
  cd /
fi
`, unnamed, balancer.Programs, shellword.Join(programs))
	}
	if len(rest) > 0 {
		text += "rm -rf -- " + shellword.Join(rest) + " || exit\n"
	}
	return text
}

// config is what a step that writes files of a service writes. A file that has to be tried lies beside its place until
// the service has accepted it.
func config(step plan.Step) Part {
	part := Part{Files: changed(step.Changes)}
	if step.Unit != "" {
		part.Then = reloadUnit(step.Unit)
	}
	if len(step.Try) == 0 {
		return part
	}
	var then strings.Builder
	then.WriteString("set -u\n")
	for i := range part.Files {
		at := part.Files[i].Path
		part.Files[i].Path += candidate
		fmt.Fprintf(&then, `said=$(%s %s 2>&1) || { rm -f -- %[2]s; echo "$said" >&2; exit 1; }
mv -fT -- %[2]s %s || exit
sync -- %s || exit
`, shellword.Join(step.Try), shellword.Quote(at+candidate), shellword.Quote(at), shellword.Quote(path.Dir(at)+"/."))
	}
	part.Then = then.String() + part.Then
	return part
}

// candidate ends the name of a file that is to be tried.
const candidate = ".clusterup-new"

// clientLeaf is a new pair for a service that asks etcd, as leaf has them for members.
func (r *Run) clientLeaf(ctx context.Context, step plan.Step) (Part, error) {
	cert, key, serial, err := r.Operator.IssueClient(ctx, step.Client, *step.Leaf)
	if err != nil {
		return Part{}, err
	}
	dir := units.LeafDir(step.Leaf.ConfigDir, step.Leaf.Role, serial)
	return Part{
		Before: makeDirs([]plan.Path{{Path: dir, Owner: "root", Group: step.Account, Mode: 0o750}}),
		Files:  units.Leaf(dir, step.Account, cert, key),
		Then:   swapLeaf(units.LeafLink(step.Leaf.ConfigDir, step.Leaf.Role), path.Base(dir)),
	}, nil
}

// endService stops a unit, and has systemd not start it at boot. One that is not there, or masked, is as it is to be.
func endService(unit string) string {
	return fmt.Sprintf(`case $(systemctl show -p LoadState --value %[1]s) in
not-found | masked) ;;
*) { systemctl stop %[1]s && systemctl disable --quiet %[1]s; } || exit ;;
esac
`, shellword.Quote(unit+".service"))
}
