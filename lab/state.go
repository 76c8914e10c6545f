package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/clusterup/clusterup/durable"
)

// stateDir holds one file per lab, written before anything of the lab exists
// and deleted after everything of it is gone.
const stateDir = "/var/lib/clusterup-lab"

// ErrNoLab says that there is no lab of that name on this machine. Trying again does not help; Up does.
var ErrNoLab = errors.New("no such lab")

// state is what cannot be seen again by looking. Whether a host runs is never in it: its cgroup knows.
type state struct {
	Name  string      `json:"name"`
	Dir   string      `json:"dir"`
	User  string      `json:"user,omitempty"`
	Hosts []hostState `json:"hosts"`

	Packages []string `json:"packages,omitempty"` // sorted; what every host can install
}

type hostState struct {
	Host
	Base       string `json:"base"`                 // the image below it, fixed when the host is made
	Repository string `json:"repository,omitempty"` // where apt on it gets packages from, likewise
	Disks      []disk `json:"disks,omitempty"`
}

// disk is a small file system of its own inside a host.
type disk struct {
	Path string `json:"path"` // in the host
	Name string `json:"name"` // of its image and mount point beside the host's root
}

func stateFile(name string) string { return filepath.Join(stateDir, name+".json") }
func lockFile(name string) string  { return filepath.Join(stateDir, name+".lock") }

func readState(file string) (*state, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoLab
	}
	if err != nil {
		return nil, err
	}
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return &s, nil
}

func (s *state) write(file string) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return durable.Write(file, append(b, '\n'), 0o644)
}

func (s *state) hosts() []Host {
	hs := make([]Host, len(s.Hosts))
	for i, h := range s.Hosts {
		hs[i] = h.Host
	}
	return hs
}

func (s *state) host(name string) (*hostState, error) {
	i := slices.IndexFunc(s.Hosts, func(h hostState) bool { return h.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("lab %s has no host %s", s.Name, name)
	}
	return &s.Hosts[i], nil
}
