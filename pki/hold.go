package pki

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/durable"
)

// holdSuffix follows the role in the name of the file that says after which phase a rotation is held.
const holdSuffix = ".hold"

// The phases of a rotation that it can be held in.
var phases = []string{"trust", "leaves"}

// Hold has a rotation of a role's CA wait at the end of a phase: "trust", when every member trusts both CAs, or
// "leaves", when the new one has issued all certificates of members. "" lifts the hold; nothing else does. Only the
// word is kept here; whoever plans the rotation reads it with [Store.Holds]. It is no error when it is so already.
func (s *Store) Hold(role Role, phase string) (err error) {
	defer explain(&err, "hold rotation of the %s CA", role)
	return s.change(func() error { return s.hold(role, phase) })
}

func (s *Store) hold(role Role, phase string) error {
	path := filepath.Join(s.dir, string(role)+holdSuffix)
	switch {
	case !role.valid():
		return fmt.Errorf("unknown role %q", role)
	case phase == "":
		return durable.Remove(path)
	case !slices.Contains(phases, phase):
		return unknownPhase(phase)
	case len(s.of(role)) == 0:
		return fmt.Errorf("%s: %w", s.dir, ErrNoCA)
	case s.holds[role] == phase:
		return nil
	}
	return durable.WriteAlone(path, []byte(phase+"\n"), 0o644)
}

// Holds are the phases that rotations are held in, by the role of the CA; a role whose rotation is not held is left
// out. A nil store holds none.
func (s *Store) Holds() map[Role]string {
	if s == nil {
		return nil
	}
	return maps.Clone(s.holds)
}

func (s *Store) loadHolds() (map[Role]string, error) {
	holds := map[Role]string{}
	for _, role := range roles {
		path := filepath.Join(s.dir, string(role)+holdSuffix)
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		phase := strings.TrimSpace(string(data))
		if !slices.Contains(phases, phase) {
			return nil, fmt.Errorf("read %s: %w", path, unknownPhase(phase))
		}
		holds[role] = phase
	}
	return holds, nil
}

func unknownPhase(phase string) error {
	return fmt.Errorf("a rotation is held in one of the phases %s, and there is no phase %.20q",
		strings.Join(phases, " and "), phase)
}
