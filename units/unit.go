package units

import (
	"bytes"
	_ "embed"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

//go:embed unit.tmpl
var unitText string

var unitTemplate = template.Must(template.New("unit").Funcs(template.FuncMap{
	"text":  Text,
	"word":  quote,
	"words": words,
}).Parse(unitText))

// Unit is the systemd unit of a member. It needs systemd 247 or newer, and holds no secret: the token of a bootstrap is
// none, since it lets nobody in. etcd only hashes it into the IDs of members and cluster, to keep clusters with the
// same addresses apart.
func Unit(m Member) File { return UnitOf(m, Args(m)) }

// UnitOf is the unit of a member that runs with a command line of its own, such as the one that it ran with before.
func UnitOf(m Member, args []string) File {
	dirs := []string{m.DataDir}
	if m.WALDir != "" {
		dirs = append(dirs, path.Dir(m.WALDir)) // etcd makes the WAL directory anew, beside the old one
	}
	view := struct {
		Member
		DataDirs       []string
		Unset          string
		Guard, Command string
		Stop, Note     string
		LowPort        bool
		Form           int
	}{
		Member: m, DataDirs: dirs, Unset: unsetLines(), Guard: guard(m, args), Command: CommandLines(args),
		Stop: stopCommand() + logArgs(m), Note: noteCommand() + logArgs(m), LowPort: listensLow(m), Form: Form,
	}

	var b bytes.Buffer
	b.Grow(len(unitText) + len(view.Unset) + len(view.Guard) + len(view.Command) + len(view.Stop) + len(view.Note))
	if err := unitTemplate.Execute(&b, view); err != nil {
		panic("units: unit.tmpl does not fit its data: " + err.Error()) // whatever the member is: a mistake in this file
	}
	return Plain(path.Join("/etc/systemd/system", m.Unit+".service"), b.Bytes())
}

// CommandLines is a command line as a setting of a unit takes it, one argument a line.
func CommandLines(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = quote(a)
		if i > 0 {
			quoted[i] = dollars(quoted[i])
		}
	}
	return strings.Join(quoted, " \\\n    ")
}

// listensLow tells whether a port below 1024 is asked for, which takes a capability.
func listensLow(m Member) bool {
	for _, listen := range slices.Concat(m.ListenPeer, m.ListenClient, []string{m.ListenMetrics}) {
		u, err := url.Parse(listen)
		if err != nil {
			continue
		}
		if port, err := strconv.Atoi(u.Port()); err == nil && port < 1024 {
			return true
		}
	}
	return false
}

var inText = strings.NewReplacer("%", "%%", "\n", " ", "\r", " ")

// Text keeps a % from being read as a systemd specifier, and text from reaching into the next line.
func Text(s string) string { return inText.Replace(s) }

// dollars keeps a $ from being read as a variable. systemd replaces variables in the arguments of a command, and
// nowhere else (systemd.service(5), "Command lines").
func dollars(s string) string { return strings.ReplaceAll(s, "$", "$$") }

var inQuotes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "%", "%%")

// quote makes a string one word of a systemd setting (systemd.syntax(7), "Quoting").
func quote(s string) string {
	special := func(r rune) bool { return r >= 0x80 || !plainByte[r] }
	if s != "" && !strings.ContainsFunc(s, special) {
		return s
	}
	return `"` + inQuotes.Replace(s) + `"`
}

// plainByte says which bytes stand for themselves in a word.
var plainByte = func() (plain [0x80]bool) {
	for _, b := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,@[]+") {
		plain[b] = true
	}
	return plain
}()

func words(all []string) string {
	quoted := make([]string, len(all))
	for i, s := range all {
		quoted[i] = quote(s)
	}
	return strings.Join(quoted, " ")
}

// header begins the first line of every unit that clusterup ever wrote, whatever that line goes on to say.
const header = "# Written by clusterup"

// Written says whether clusterup wrote a unit file.
func Written(unit []byte) bool { return bytes.HasPrefix(unit, []byte(header)) }
