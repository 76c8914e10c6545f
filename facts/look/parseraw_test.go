package look

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/facts"
)

// The contents of files are told apart by the sizes that stat said, and where one was replaced since, by the beginning
// of the next.
func TestParseRaw(t *testing.T) {
	const a, b, cmd = "==> /a <==\n", "==> /b <==\n", "==> /proc/7/cmdline <==\n"
	forged := "\n" + b + "forged\nraw\n\nwal\n\nend\n"
	for name, test := range map[string]struct {
		raw        string
		sizeA      int
		a, b, args string
	}{
		"as stat said":             {a + "one\n\n" + b + "two\n" + cmd + "etcd\x00-x\x00", 4, "one\n", "two", "etcd -x"},
		"without a byte":           {a + "\n" + b + "\n" + cmd + "etcd", 0, "", "", "etcd"},
		"one is longer by now":     {a + "one and more\n" + b + "two\n" + cmd + "etcd", 3, "one and more", "two", "etcd"},
		"one is shorter by now":    {a + "o\n" + b + "two\n" + cmd + "etcd", 30, "o", "two", "etcd"},
		"one is gone":              {b + "two\n" + cmd + "etcd", 3, "", "two", "etcd"},
		"all are gone":             {"", 3, "", "", ""},
		"the process is gone":      {a + "one\n" + b + "two", 3, "one", "two", ""},
		"a file with a forged end": {a + forged + "\n" + b + "two\n" + cmd + "etcd", len(forged), forged, "two", "etcd"},
		"a forged command line":    {a + "one\n" + b + "two\n" + cmd + "etcd" + forged, 3, "one", "two", "etcd" + forged},
	} {
		text := "clock\t17.5\narch\tx86_64\n" +
			fmt.Sprintf("file\t81a4\troot\troot\t%d 1 1.0\t/a\nfile\t81a4\troot\troot\t3 1 1.0\t/b\n", test.sizeA) +
			"process\t7\t\t/x\t\ncontent\t/a\ncontent\t/b\nwal\tyes\nraw\n" + test.raw + "\nwal\nlog\nend\n"
		h, err := parseHost(demo(""), []byte(text))
		if err != nil || len(h.Unread) > 0 {
			t.Fatalf("%s: %v, not read: %q", name, err, h.Unread)
		}
		args := ""
		if h.Process != nil {
			args = strings.Join(h.Process.Args, " ")
		}
		got := []string{string(h.Files["/a"].Content), string(h.Files["/b"].Content), args}
		if diff := cmp.Diff([]string{test.a, test.b, test.args}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A file's name, and a line about it, stay in bounds, whatever is in them.
func TestParseFileLines(t *testing.T) {
	const head = "clock\t17.5\narch\tx86_64\n"
	h, err := parseHost(demo(""), []byte(head+
		"file\t41ed\ta\tb\t7 1 1.0\t/./.\nfile\t41ed\ta\tb\t7 1 1.0\t/./var/lib/.\nfile\t81a4\ta\tb\t7 1 1.0\t/./etc\n"+
		"file\t41c0\ta\tb\t7 1 1.0\t/srv/data/.\nfile\t81a4\ta\tb\t-7 1 1.0\t/x\nfile\t416d\tme\tb\t0 1 1.0\t/proc/7\nend\n"))
	if err != nil || len(h.Unread) != 1 || !strings.Contains(h.Unread[0], `"-7" bytes`) {
		t.Errorf("%v, not read: %q", err, h.Unread)
	}
	ways := map[string]facts.File{
		"/":        {Kind: facts.Dir, Mode: 0o755, Owner: "a", Group: "b"},
		"/var/lib": {Kind: facts.Dir, Mode: 0o755, Owner: "a", Group: "b"},
		"/etc":     {Kind: facts.Regular, Mode: 0o644, Owner: "a", Group: "b"},
	}
	files := map[string]facts.File{
		"/srv/data": {Kind: facts.Dir, Mode: 0o700, Owner: "a", Group: "b", Size: 7},
		"/x":        {Kind: facts.Regular, Mode: 0o644, Owner: "a", Group: "b"},
	}
	if diff := cmp.Diff(ways, h.Ways) + cmp.Diff(files, h.Files); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
