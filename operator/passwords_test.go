package operator

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
)

// TestReadPassword: each source gives its first line; what can be no password is refused, and no error shows any of it.
func TestReadPassword(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) inventory.Password {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return inventory.Password{File: path}
	}
	t.Setenv("OF_OLD", "horse battery")
	const long = "horse "
	for name, test := range map[string]struct {
		from inventory.Password
		want string
		why  string
	}{
		"file":           {write("a", "horse battery\nmore\n", 0o600), "horse battery", ""},
		"no end of line": {write("b", "horse", 0o400), "horse", ""},
		"environment":    {inventory.Password{Env: "OF_OLD"}, "horse battery", ""},
		"command": {
			inventory.Password{Command: []string{"printf", "horse %s\\nmore", "battery"}}, "horse battery", "",
		},
		"beside":           {inventory.Password{Command: []string{"cat", "b"}}, "horse", ""},
		"others may read":  {write("c", "horse", 0o640), "", "chmod 0600"},
		"no file":          {inventory.Password{File: filepath.Join(dir, "none")}, "", "no such file"},
		"not set":          {inventory.Password{Env: "OF_NOBODY"}, "", "not set"},
		"fails":            {inventory.Password{Command: []string{"sh", "-c", "echo horse; echo horse >&2; exit 3"}}, "", "exit status 3"},
		"no program":       {inventory.Password{Command: []string{"no-such-program"}}, "", "not found"},
		"empty":            {write("d", "\nhorse\n", 0o600), "", "empty"},
		"72 bytes":         {write("e", strings.Repeat(long, 12), 0o600), strings.Repeat(long, 12), ""},
		"too long":         {write("f", strings.Repeat(long, 12)+"x", 0o600), "", "etcd takes 72"},
		"control":          {write("g", "horse\tbattery", 0o600), "", "control character"},
		"line without end": {write("h", strings.Repeat(long, 20_000), 0o600), "", "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readPassword(t.Context(), test.from, dir)
			if err == nil {
				err = checkPassword(got)
			}
			switch {
			case test.why == "" && (err != nil || got != test.want):
				t.Errorf("%q, %v", got, err)
			case test.why != "" && (err == nil || !strings.Contains(err.Error(), test.why) || strings.Contains(err.Error(), "horse")):
				t.Errorf("%v", err)
			}
		})
	}
}

// While permissions are off nobody is asked to log in, and whoever has logged in is not asked again.
func TestLoginsThatAreKnown(t *testing.T) {
	read := &passwords{
		of: map[string]string{"new": "horse", "proven": "battery"}, proven: map[string]bool{"proven": true},
	}
	auth := facts.Auth{Listed: true, Users: []facts.User{{Name: "new"}, {Name: "none"}, {Name: "proven"}}}
	found, err := read.logins(t.Context(), nil, []string{"https://192.0.2.1:2379"}, auth) // which nobody dials
	if err != nil || !maps.Equal(found, map[string]facts.Login{"proven": facts.LoginWorks}) {
		t.Errorf("%v, %v", found, err)
	}
}

// A password that was not read is told by its user's name alone, and is not taken for an empty one.
func TestPasswordOfNobody(t *testing.T) {
	read := &passwords{of: map[string]string{"app": "horse"}}
	for user, want := range map[string]string{"app": "horse", "other": ""} {
		if got, err := read.get(user); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", user, got, err)
		}
	}
	read = nil
	if _, err := read.get("app"); err == nil {
		t.Error("without a look at the sources there is one")
	}
}
