package facts

// Unit is systemd's view of the member's unit.
type Unit struct {
	Load        string   `json:"load"`               // LoadState: loaded, not-found, masked, …
	Active      string   `json:"active"`             // ActiveState: active, inactive, failed, activating, …
	Enabled     string   `json:"enabled"`            // UnitFileState: enabled, disabled, masked, …
	Fragment    string   `json:"fragment,omitempty"` // the unit file that systemd has read; empty: none
	NeedsReload bool     `json:"needs_reload"`       // files on disk differ from what systemd has read
	DropIns     []string `json:"drop_ins,omitempty"` // the files that systemd has read besides
	Result      string   `json:"result"`

	// Start is what systemd would start, after all drop-ins; nil: there are none, and the unit file alone decides.
	Start *Start `json:"start,omitempty"`
}

// Start is what the next start of a unit would be, as systemd has it.
type Start struct {
	Command string   `json:"command"`         // of ExecStart, its words joined by spaces
	Guarded bool     `json:"guarded"`         // a command before it looks at the birth marker
	Unset   []string `json:"unset,omitempty"` // UnsetEnvironment
	// User, Group, WorkingDirectory, RootDirectory, RootImage; those that are set
	Settings  map[string]string `json:"settings,omitempty"`
	Variables []Variable        `json:"variables,omitempty"` // that may matter to a member, and that the unit sets
}

// Variable is an environment variable that a unit sets. Its value stays on the host.
type Variable struct {
	Name string `json:"name"`
	File string `json:"file,omitempty"` // the EnvironmentFile that sets it; empty: Environment
}

// Process is a running etcd, as /proc shows it: what it really runs with, whatever the files say by now.
type Process struct {
	PID int `json:"pid"`
	// target of /proc/PID/exe; ends in " (deleted)" when the file was replaced
	Exe    string `json:"exe"`
	SameAs string `json:"same_as"` // the path in Files whose inode the process runs; empty: none
	// of the executable, when its file was replaced or removed since; else empty
	SHA256 string   `json:"sha256"`
	Args   []string `json:"args"` // the whole command line
	// that it runs as; root also where the kernel hides it, NoName where the user is gone
	User      string   `json:"user"`
	Variables []string `json:"variables,omitempty"` // names of those in its environment that may matter to a member
}
