package remote

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/clusterup/clusterup/shellword"
)

// afterwards takes back the options, umask and directory that a caller's script may have set.
const afterwards = "\nset +euCf; umask 077; cd /\n"

// fileLimit is how many bytes a file may have: it is part of a script, and a shell takes no script well that is longer.
const fileLimit = 1 << 20

// putting is one Put under way.
type putting struct {
	parts []Part
	files []File // of all parts
	part  []int  // of each file
	token string
	aside string // directory in which secret content lies already; "": none
	first int    // index of the first file that could not be placed; -1: none
}

// temp is where a file is written.
func (p *putting) temp(i int) string {
	if p.files[i].New {
		return p.files[i].Path
	}
	return p.files[i].Path + "." + p.token + ".tmp"
}

// script does all parts, in few processes. Its output has a line "at PART" when it comes to a part, a line "done PART"
// when that is done, and a line "E INDEX WHAT TEXT", without any path, for each file that could not be placed.
func (p *putting) script() string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if p.aside != "" {
		say("put_aside=%s", shellword.Quote(p.aside))
		say(trapped, `rm -rf -- "$put_aside"`)
	}
	for i, part := range p.parts {
		if part.Before != "" {
			say("echo at %d\n%s%s", i, part.Before, afterwards)
		}
	}
	if len(p.files) > 0 {
		p.write(say)
	}
	next := 0
	for i, part := range p.parts {
		say("echo at %d", i)
		if len(part.Files) > 0 {
			p.rename(say, next, next+len(part.Files))
			next += len(part.Files)
			p.trap(say, next)
		}
		if part.Then != "" {
			say("%s\nput_status=$?; [ $put_status = 0 ] || exit $put_status%s", part.Then, afterwards)
		}
		say("echo done %d", i)
	}
	return b.String()
}

// trap has the files from an index on removed when the shell ends, since they are not in place yet.
func (p *putting) trap(say func(string, ...any), from int) {
	if from == len(p.files) {
		say("trap - EXIT TERM HUP PIPE")
		return
	}
	leave := "rm -f -- " + p.temps(p.indices(from, len(p.files)))
	if p.aside != "" {
		leave += `; rm -rf -- "$put_aside"`
	}
	say(trapped, leave)
}

// trapped has a command run when the shell ends, also by a signal.
const trapped = "trap 'trap \"\" TERM HUP PIPE; %s' EXIT\ntrap 'exit 143' TERM HUP PIPE"

func (p *putting) indices(from, to int) []int {
	var all []int
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

// write brings the content of all files to the disk, with its owner and mode, but under its temporary names.
func (p *putting) write(say func(string, ...any)) {
	all := p.temps(p.indices(0, len(p.files)))
	for i := range p.files {
		say("put_%d=%s", i, shellword.Quote(p.temp(i)))
	}
	say(`put_failed=
put_fail() { put_failed=1; printf 'E %%s\n' "$*"; }`)
	for i, f := range p.files {
		say("[ -d %s ] || put_fail %d nodir", shellword.Quote(path.Dir(f.Path)), i)
		say("[ ! -d %[1]s ] || [ -L %[1]s ] || put_fail %[2]d isdir", shellword.Quote(f.Path), i)
		if f.New { // what is there is somebody's, and the trap must not remove it
			say("[ ! -e %[1]s ] && [ ! -L %[1]s ] || put_fail %[2]d exists", shellword.Quote(f.Path), i)
			continue
		}
		// A run that was killed has not tidied up.
		say(`for put_old in %s.????????????????????????.tmp; do
[ ! -f "$put_old" ] || [ -L "$put_old" ] || rm -f -- "$put_old"
done`, shellword.Quote(f.Path))
	}
	say(`[ -z "$put_failed" ] || exit 1`)
	p.trap(say, 0)
	say("set -C")
	for i, f := range p.files {
		say(`%s >"$put_%d" || put_fail %d write "$(df -Pk -- %s | tail -n 1)"`, p.content(i), i, i,
			shellword.Quote(path.Dir(f.Path)))
	}
	say(`set +C
[ -z "$put_failed" ] || exit 1`)
	if p.aside != "" {
		say(`rm -rf -- "$put_aside"`)
	}
	say(`put_check() { case ${1#\\} in "$2 "*) ;; *) put_fail "$3" digest "${1%%%% *}" ;; esac; }
put_sums=$(sha256sum -- %s)
set -f; IFS=${IFS#??}; set -- $put_sums; unset IFS; set +f`, all)
	for i, f := range p.files {
		sum := sha256.Sum256(f.Content)
		say(`put_check "${%d-}" %s %d`, i+1, hex.EncodeToString(sum[:]), i)
	}
	say("set --")
	p.owners(say)
	fresh := map[string]bool{}
	for _, f := range p.files {
		if f.New {
			fresh[" "+dirOf(f)] = true
		}
	}
	say(`[ -z "$put_failed" ] || exit 1
sync -- %s%s || sync || exit`, all, strings.Join(sorted(fresh), ""))
}

// rename puts some files in their places.
func (p *putting) rename(say func(string, ...any), from, to int) {
	dirs := map[string]bool{}
	for i := from; i < to; i++ {
		if f := p.files[i]; !f.New {
			dirs[dirOf(f)] = true
			say(`mv -fT -- "$put_%d" %s || { put_fail %d write; exit 1; }`, i, shellword.Quote(f.Path), i)
		}
	}
	if len(dirs) > 0 {
		say("sync -- %s || sync || exit", strings.Join(sorted(dirs), " "))
	}
}

// dirOf is a word of a shell.
func dirOf(f File) string { return shellword.Quote(path.Dir(f.Path) + "/.") }

// content is a command that writes a file's content. It has printf of the shell do that, so that no content stands in
// the argument list of a process.
func (p *putting) content(i int) string {
	if p.aside != "" && p.files[i].Secret {
		return `cat <"$put_aside"/` + strconv.Itoa(i)
	}
	escaped := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\x00", `\0000`).Replace(string(p.files[i].Content))
	return "printf %b " + shellword.Quote(escaped)
}

// owners gives the files their owners and modes, in one process for all that have the same, and in none for the owner
// that they have already.
func (p *putting) owners(say func(string, ...any)) {
	owners, modes := map[string][]int{}, map[string][]int{}
	for i, f := range p.files {
		owner := f.Owner
		if f.Group != "" {
			owner += ":" + f.Group
		}
		if owner != "" {
			owners[owner] = append(owners[owner], i)
		}
		mode := fmt.Sprintf("%04o", uint32(f.Mode)) // a default ACL of the directory may have changed that of a new file
		modes[mode] = append(modes[mode], i)
	}
	for _, owner := range sorted(owners) {
		has := ""
		if owner == "root:root" { // files of root's shell are, unless the directory gives them another group
			has = "[ -O / ] && [ -G / ]"
			for _, i := range owners[owner] {
				has += fmt.Sprintf(` && [ -G "$put_%d" ]`, i)
			}
			has = "{ " + has + "; } || "
		}
		say(`%sput_words=$(chown -- %s %s 2>&1) || put_fail %d owner "$put_words"`, has, shellword.Quote(owner),
			p.temps(owners[owner]),
			owners[owner][0])
	}
	for _, mode := range sorted(modes) {
		say("chmod -- %s %s || put_fail %d write", mode, p.temps(modes[mode]), modes[mode][0])
	}
}

// temps are words of a shell command.
func (p *putting) temps(of []int) string {
	words := make([]string, len(of))
	for n, i := range of {
		words[n] = fmt.Sprintf(`"$put_%d"`, i)
	}
	return strings.Join(words, " ")
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// at reads a line that says at which part the script is, or which one it has done; "": it says something else.
func (p *putting) at(line string) (part int, is string) {
	is, number, _ := strings.Cut(line, " ")
	part, err := strconv.Atoi(number)
	if is != "at" && is != "done" || err != nil || part < 0 || part >= len(p.parts) {
		return 0, ""
	}
	return part, is
}

// explain turns one line of the script's answer into the operator's words; nil: it is none.
func (p *putting) explain(h *Host, line string, failed error) error {
	words := strings.SplitN(line, " ", 4)
	if len(words) < 3 || words[0] != "E" {
		return nil
	}
	i, err := strconv.Atoi(words[1])
	if err != nil || i < 0 || i >= len(p.files) {
		return nil
	}
	if p.first < 0 || i < p.first {
		p.first = i
	}
	text := ""
	if len(words) == 4 {
		text = words[3]
	}
	f := p.files[i]
	e := h.fail("put "+f.Path, errFile, nil)
	switch words[2] {
	case "nodir":
		e.Err = fmt.Errorf("there is no directory %s", path.Dir(f.Path))
	case "isdir":
		e.Err = errors.New("a directory is in its place")
		e.Remedy = "move it away if it is not needed"
	case "exists":
		e.Err = errors.New("it is there already")
		e.Remedy = "run again"
	case "digest":
		e.Err = errors.New("what arrived has another digest than what was sent")
		e.Remedy = "run again; if it comes back, check the disk and memory of the host"
	case "owner":
		e.Stderr = text
		e.Err = fmt.Errorf("cannot give it to %s:%s", f.Owner, f.Group)
	default:
		if avail, mount, ok := room(text); ok && avail <= int64(len(f.Content)) {
			e.Kind, e.Err = errNoSpace, fmt.Errorf("no space left on %s", mount)
			e.Remedy = "make room on " + mount + ", then run again"
			return e
		}
		var said *Error
		if errors.As(failed, &said) {
			e.Stderr = said.Stderr
		}
	}
	return e
}

// room reads a line of df -Pk: how many bytes are free, on which mount.
func room(line string) (avail int64, mount string, ok bool) {
	words := strings.Fields(line)
	if len(words) < 6 {
		return 0, "", false
	}
	kib, err := strconv.ParseInt(words[3], 10, 53)
	return kib << 10, strings.Join(words[5:], " "), err == nil && kib >= 0
}
