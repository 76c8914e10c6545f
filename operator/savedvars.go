package operator

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// savedVars is what a saved plan knows of the values of --var, which may be secrets: their names, and a digest that
// tells whether they are given again. Variables of files and of the environment are read anew, and lead to the same
// plan or to a refusal.
type savedVars struct {
	Names  []string `json:"names"`
	Salt   []byte   `json:"salt"`
	Digest []byte   `json:"digest"`
}

// guessing is the number of PBKDF2 rounds, which make each guess at a short value cost a good part of a second.
const guessing = 600_000

// saveVars gives nil where there are no variables.
func saveVars(vars map[string]string) (*savedVars, error) {
	if len(vars) == 0 {
		return nil, nil
	}
	saved := &savedVars{Names: slices.Sorted(maps.Keys(vars)), Salt: make([]byte, 16)}
	if _, err := rand.Read(saved.Salt); err != nil {
		return nil, fmt.Errorf("draw random bytes: %w", err)
	}
	var err error
	saved.Digest, err = saved.digest(vars)
	return saved, err
}

func (s *savedVars) digest(vars map[string]string) ([]byte, error) {
	var text strings.Builder
	for _, name := range s.Names {
		fmt.Fprintf(&text, "%q=%q\n", name, vars[name])
	}
	return pbkdf2.Key(sha256.New, text.String(), s.Salt, guessing, sha256.Size)
}

// check is nil when vars are those that the plan was made with. Its error says which to give.
func (s *savedVars) check(vars map[string]string) error {
	if s == nil {
		s = &savedVars{}
	}
	var missing []string
	for _, name := range s.Names {
		if _, ok := vars[name]; !ok {
			missing = append(missing, "--var "+name+"=…")
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the plan was made with values that are not saved, since they may be secret: "+
			"give them again: %s", strings.Join(missing, " "))
	}
	for name := range vars {
		if !slices.Contains(s.Names, name) {
			return fmt.Errorf("the plan was made without --var %s: leave it out, or save a new plan", name)
		}
	}
	if len(vars) == 0 {
		return nil
	}
	digest, err := s.digest(vars)
	if err == nil && !bytes.Equal(digest, s.Digest) {
		err = errors.New("the plan was made with other values of --var: give the same ones, or save a new plan")
	}
	return err
}
