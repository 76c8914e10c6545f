package pki

import (
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// sameKeys has every CA sign, with the keys of that operator.
func sameKeys(t *testing.T, dir string, by operator) {
	t.Helper()
	s := unlocked(t, dir, by)
	for _, leaf := range []Leaf{peerLeaf(), clientLeaf()} {
		for generation := range 2 {
			leaf.Generation = generation
			issue(t, s, leaf)
		}
	}
}

func TestReseal(t *testing.T) {
	ops, dev := sshOperator(t, "ed25519", ""), ageOperator(t)
	s := newStore(t, Spec{})
	create(t, s, RolePeer, Spec{})
	before := trust(s, RolePeer)
	for _, c := range []struct {
		name   string
		to, by []operator
	}{
		{"plain to sealed", []operator{ops}, nil},
		{"two", []operator{dev, ops}, []operator{ops}},
		{"one has left", []operator{dev}, []operator{dev}},
		{"again", []operator{dev}, []operator{dev}},
		{"another", []operator{ops}, []operator{dev}},
		{"plain", nil, []operator{ops}},
		{"plain again", nil, nil},
	} {
		var to []string
		for _, one := range c.to {
			to = append(to, one.recipient)
		}
		if err := s.Reseal(to, unlockWith(c.by...)); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		s = open(t, s.dir)
		if !s.IsSealedTo(to) || s.IsSealedTo([]string{ageOperator(t).recipient}) || s.IsSealedTo(nil) != (len(to) == 0) {
			t.Errorf("%s: sealed to %v", c.name, s.CAs()[0].SealedTo)
		}
		for _, one := range []operator{ops, dev} {
			_, err := unlocked(t, s.dir, one).Issue(peerLeaf(), today, rand.Reader)
			wanted := len(to) == 0 || strings.Contains(strings.Join(to, "\n"), one.recipient)
			if (err == nil) != wanted || err != nil && !errors.Is(err, ErrSealed) {
				t.Errorf("%s: %s opens it: %v", c.name, one.recipient, err)
			}
		}
		if err := leftovers(s.dir, len(to) > 0); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if string(before) != string(trust(s, RolePeer)) {
		t.Error("the certificates have changed")
	}
}

// leftovers is an error when there are files that a directory in order has not.
func leftovers(dir string, sealed bool) error {
	patterns := []string{"*.next", "*.new"}
	if sealed {
		patterns = append(patterns, "*.key")
	} else {
		patterns = append(patterns, "*.key.age", "*.sealed")
	}
	for _, pattern := range patterns {
		if files, _ := filepath.Glob(filepath.Join(dir, pattern)); len(files) > 0 {
			return errors.New("there is " + strings.Join(files, " "))
		}
	}
	return nil
}

// TestCreateAfterReseal has a store seal what it makes later as it was told last.
func TestCreateAfterReseal(t *testing.T) {
	ops := ageOperator(t)
	s := newStore(t, Spec{})
	if err := s.Reseal([]string{ops.recipient}, Unlock{}); err != nil {
		t.Fatal(err)
	}
	create(t, s, RolePeer, Spec{})
	if !open(t, s.dir).IsSealedTo([]string{ops.recipient}) {
		t.Errorf("%+v", s.CAs())
	}
	// A key whose recipients nobody has written down may be sealed to anyone.
	if err := os.Remove(filepath.Join(s.dir, "peer-1.sealed")); err != nil {
		t.Fatal(err)
	}
	if open(t, s.dir).IsSealedTo([]string{ops.recipient}) {
		t.Error("nobody knows that")
	}
}

func TestResealThatFailsChangesNothing(t *testing.T) {
	ops, stranger := ageOperator(t), ageOperator(t)
	s := sealedTo(t, caDir(t), ops)
	create(t, s, RolePeer, Spec{})
	create(t, s, RoleClient, Spec{})
	check := func(name string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		sameKeys(t, s.dir, ops)
		if !open(t, s.dir).IsSealedTo([]string{ops.recipient}) {
			t.Errorf("%s: %+v", name, s.CAs())
		}
	}
	err := s.Reseal([]string{stranger.recipient}, unlockWith(stranger))
	if !errors.Is(err, ErrSealed) {
		t.Errorf("by a stranger: %v", err)
	}
	check("by a stranger", err)
	check("to nonsense", s.Reseal([]string{"x"}, unlockWith(ops)))
	key := filepath.Join(s.dir, "client-1.key.age")
	if err := os.Rename(key, key+".away"); err != nil {
		t.Fatal(err)
	}
	err = open(t, s.dir).Reseal(nil, unlockWith(ops))
	if err == nil || !strings.Contains(err.Error(), "the key of client-1 is not in") {
		t.Errorf("without a key: %v", err)
	}
	if err := os.Rename(key+".away", key); err != nil {
		t.Fatal(err)
	}
	check("without a key", err)
	// A directory in the way of the second key that is written fails for root, too.
	if err := os.MkdirAll(filepath.Join(s.dir, "client-1.key.age.next", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	check("no place for the new key", s.Reseal([]string{stranger.recipient}, unlockWith(ops)))
	if err := os.RemoveAll(filepath.Join(s.dir, "client-1.key.age.next")); err != nil {
		t.Fatal(err)
	}
	if err := leftovers(s.dir, true); err != nil {
		t.Error(err)
	}
}

const (
	killedDir = "CLUSTERUP_TEST_RESEAL_DIR"
	killedAt  = "CLUSTERUP_TEST_RESEAL_KILL"
	killedBy  = "CLUSTERUP_TEST_RESEAL_FILE"
	killedTo  = "CLUSTERUP_TEST_RESEAL_TO"
)

// TestResealKilled kills a process that reseals before each of its steps. All keys must be there, the directory must
// know that it is not done, and running it again must leave nothing behind.
func TestResealKilled(t *testing.T) {
	if dir := os.Getenv(killedDir); dir != "" {
		resealAndDie(t, dir)
		return
	}
	t.Parallel()
	ops, dev := ageOperator(t), sshOperator(t, "ed25519", "")
	for name, c := range map[string]struct {
		from, to operator
	}{
		"plain to sealed": {operator{}, ops},
		"sealed to plain": {ops, operator{}},
		"other recipient": {ops, dev},
	} {
		t.Run(name, func(t *testing.T) {
			kills := 0
			for done := false; !done; kills++ {
				dir := caDir(t)
				s := openWith(t, dir, Options{SealTo: list(c.from)})
				create(t, s, RolePeer, Spec{})
				create(t, s, RoleClient, Spec{})
				cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestResealKilled$")
				cmd.Env = append(os.Environ(), killedDir+"="+dir, killedAt+"="+strconv.Itoa(kills), killedBy+"="+c.from.file,
					killedTo+"="+c.to.recipient)
				out, err := cmd.CombinedOutput()
				done = err == nil
				if !done && !strings.Contains(err.Error(), "killed") {
					t.Fatalf("%v\n%s", err, out)
				}
				s = unlocked(t, dir, c.from, c.to)
				issue(t, s, peerLeaf())
				issue(t, s, clientLeaf())
				if s.IsSealedTo(list(c.to)) != done {
					t.Errorf("killed before step %d: said to be done: %v", kills, !done)
				}
				if err := s.Reseal(list(c.to), unlockWith(c.from, c.to)); err != nil {
					t.Fatalf("killed before step %d, then again: %v", kills, err)
				}
				if err := leftovers(dir, c.to != operator{}); err != nil || !open(t, dir).IsSealedTo(list(c.to)) {
					t.Errorf("killed before step %d, then again: %v %+v", kills, err, s.CAs())
				}
				s = unlocked(t, dir, c.to)
				issue(t, s, peerLeaf())
				issue(t, s, clientLeaf())
			}
			if kills < 8 {
				t.Errorf("only %d steps", kills)
			}
		})
	}
}

// list is without the nobody.
func list(who operator) []string {
	if who.recipient == "" {
		return nil
	}
	return []string{who.recipient}
}

func resealAndDie(t *testing.T, dir string) {
	left, err := strconv.Atoi(os.Getenv(killedAt))
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	s.before = func(string) {
		if left == 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		left--
	}
	if err := s.Reseal(list(operator{recipient: os.Getenv(killedTo)}),
		unlockWith(operator{file: os.Getenv(killedBy)})); err != nil {
		t.Fatal(err)
	}
}
