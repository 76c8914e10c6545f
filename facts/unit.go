package facts

import "strings"

// Unit is systemd's view of the member's unit.
type Unit struct {
	Load        string   `json:"load"`   // LoadState: loaded, not-found, masked, …
	Active      string   `json:"active"` // ActiveState: active, inactive, failed, activating, …
	Sub         string   `json:"sub"`
	Enabled     string   `json:"enabled"`            // UnitFileState: enabled, disabled, masked, …
	Fragment    string   `json:"fragment,omitempty"` // the unit file that systemd has read; empty: none
	NeedsReload bool     `json:"needs_reload"`       // files on disk differ from what systemd has read
	DropIns     []string `json:"drop_ins,omitempty"` // the files that systemd has read besides
	Restarts    int      `json:"restarts"`
	Result      string   `json:"result"`

	// Start is what systemd would start, after all drop-ins; nil: there are none, and the unit file alone decides.
	Start *Start `json:"start,omitempty"`
}

// Start is what the next start of a unit would be, as systemd has it.
type Start struct {
	Command   string            `json:"command"`             // of ExecStart, its words joined by spaces
	Guarded   bool              `json:"guarded"`             // something that is run before it looks at the birth marker
	Unset     []string          `json:"unset,omitempty"`     // UnsetEnvironment
	Settings  map[string]string `json:"settings,omitempty"`  // User, Group, WorkingDirectory, RootDirectory, RootImage; those that are set
	Variables []Variable        `json:"variables,omitempty"` // that may matter to a member, and that the unit sets
}

// Variable is an environment variable that a unit sets. Its value stays on the host.
type Variable struct {
	Name string `json:"name"`
	File string `json:"file,omitempty"` // that an EnvironmentFile names; empty: Environment
}

// Process is a running etcd, as /proc shows it: what it really runs with, whatever the files say by now.
type Process struct {
	PID       int      `json:"pid"`
	Exe       string   `json:"exe"`                 // target of /proc/PID/exe; ends in " (deleted)" when the file was replaced
	SameAs    string   `json:"same_as"`             // the path in Files whose inode the process runs; empty: none
	SHA256    string   `json:"sha256"`              // of the executable, when its file was replaced or removed since; else empty
	Args      []string `json:"args"`                // the whole command line
	User      string   `json:"user"`                // that it runs as; root also where the kernel hides it, NoName where the user is gone
	Variables []string `json:"variables,omitempty"` // names of those in its environment that may matter to a member
}

func (p *parser) readUnit(f []string) (err error) {
	key, value, _ := strings.Cut(f[0], "=")
	u := &p.host.Unit
	switch key {
	case "LoadState":
		u.Load = value
	case "ActiveState":
		u.Active = value
	case "SubState":
		u.Sub = value
	case "UnitFileState":
		u.Enabled = value
	case "FragmentPath":
		u.Fragment = value
	case "NeedDaemonReload":
		u.NeedsReload = value == "yes"
	case "DropInPaths":
		u.DropIns = strings.Fields(value)
	case "NRestarts":
		err = number(&u.Restarts, value)
	case "Result":
		u.Result = value
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
	return err
}

// start is told by a host whose unit has drop-ins.
func (p *parser) start() *Start {
	if p.host.Unit.Start == nil {
		p.host.Unit.Start = &Start{Settings: map[string]string{}}
	}
	return p.host.Unit.Start
}

// command reads what systemctl shows of a command: { path=/bin/x ; argv[]=/bin/x --y ; ignore_errors=no ; … }. What it
// executes comes first, where that is not what the command calls itself.
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
		p.start().Variables = append(p.start().Variables, Variable{Name: name})
	default:
		p.start().Variables = append(p.start().Variables, Variable{Name: name, File: whose})
	}
	return nil
}
