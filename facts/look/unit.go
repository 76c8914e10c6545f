package look

import (
	"strings"

	"github.com/clusterup/clusterup/facts"
)

// readProperty reads what systemctl shows of any unit. ok is false if it is none of that.
func readProperty(u *facts.Unit, shown string) (key, value string, ok bool) {
	key, value, _ = strings.Cut(shown, "=")
	switch key {
	case "LoadState":
		u.Load = value
	case "ActiveState":
		u.Active = value
	case "UnitFileState":
		u.Enabled = value
	case "FragmentPath":
		u.Fragment = value
	case "NeedDaemonReload":
		u.NeedsReload = value == "yes"
	case "DropInPaths":
		u.DropIns = strings.Fields(value)
	case "Result":
		u.Result = value
	default:
		return key, value, false
	}
	return key, value, true
}

func (p *parser) readUnit(f []string) error {
	switch key, value, _ := readProperty(&p.host.Unit, f[0]); key {
	case "ExecStart":
		p.start().Command = command(value)
	case "ExecCondition", "ExecStartPre":
		start := p.start()
		start.Guarded = start.Guarded || strings.Contains(value, p.ask.ConfigDir+"/born.json")
	case "UnsetEnvironment":
		p.start().Unset = strings.Fields(value)
	case "User", "Group", "WorkingDirectory", "RootDirectory", "RootImage":
		if value != "" {
			p.start().Settings[key] = value
		}
	}
	return nil
}

// start is what systemd would start next. Only a host whose unit has drop-ins tells it.
func (p *parser) start() *facts.Start {
	if p.host.Unit.Start == nil {
		p.host.Unit.Start = &facts.Start{Settings: map[string]string{}}
	}
	return p.host.Unit.Start
}

// command reads what systemctl shows of a command: { path=/bin/x ; argv[]=/bin/x --y ; ignore_errors=no ; … }. The path
// that it executes comes first, where argv[0] is another.
func command(shown string) string {
	_, shown, _ = strings.Cut(shown, "path=")
	file, rest, _ := strings.Cut(shown, " ; argv[]=")
	if end := strings.LastIndex(rest, " ; ignore_errors="); end >= 0 {
		rest = rest[:end]
	}
	argv := strings.Fields(rest)
	if len(argv) > 0 && argv[0] != file {
		argv = append([]string{file}, argv...)
	}
	return strings.Join(argv, " ")
}

func (p *parser) readVariable(f []string) error {
	switch whose, name := f[0], f[1]; whose {
	case "process":
		return add(&p.variables, name)
	case "unit":
		p.start().Variables = append(p.start().Variables, facts.Variable{Name: name})
	default:
		p.start().Variables = append(p.start().Variables, facts.Variable{Name: name, File: whose})
	}
	return nil
}
