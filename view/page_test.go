package view

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/plan"
)

// evil does to a terminal what it can: goes up, takes a line away, fills the clipboard, turns letters round, in C0, C1
// and not UTF-8 at all.
const evil = "\x1b[A\x1b[2K\x1b]52;c;eA==\a\r\b\x00\x7f\u009b2K\u202e\u2066\u2028\xff\x9b"

// steers says which characters of a text would do more than be seen.
func steers(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 ||
			strings.ContainsRune("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029", r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(s, "\x00"))
}

func TestPage(t *testing.T) {
	for name, arg := range map[string]any{
		"a string": evil + "\nx", "an error": errors.New(evil + "\nx"), "a kind": plan.RefusalKind(evil + "\nx"),
		"several":     []string{evil, "a\nx"},
		"a structure": struct{ S string }{evil + "\nx"}, "bytes": []byte(evil + "\nx"),
	} {
		if got := string(sprintf("%v\n", arg)); steers(got) != "" || strings.Count(got, "\n") != 1 {
			t.Errorf("%s: %q", name, got)
		}
	}
	got := string(sprintf("%s %d %v %s %q %v %-6s|", "ä→日", 7, true, time.Second, "x", error(nil), plan.RefusalKind("a")))
	if want := `ä→日 7 true 1s "x" <nil> a     |`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestPageColours(t *testing.T) {
	got := string(sprintf("%s %s", painter{on: true}.red(evil+"x"), "\x1b[31my"))
	if !strings.HasPrefix(got, "\x1b[31m\uFFFD[A") || strings.Count(got, "\x1b") != 2 ||
		!strings.HasSuffix(got, "x\x1b[0m \uFFFD[31my") {
		t.Errorf("%q", got)
	}
}

func TestPageTable(t *testing.T) {
	var out bytes.Buffer
	table := (&Console{Out: &out}).Table("A", "B")
	table.Row("x\ty\nz"+evil, "b")
	if err := table.End(); err != nil {
		t.Fatal(err)
	}
	if steers(out.String()) != "" || strings.Count(out.String(), "\n") != 2 {
		t.Errorf("%q", out.String())
	}
}

// JSON means the same, whatever a terminal would make of it.
func TestPageJSON(t *testing.T) {
	var out bytes.Buffer
	c := &Console{Out: &out, JSON: true}
	want := map[string]string{"text": strings.ToValidUTF8(evil, "\uFFFD") + "\n\tä", "type": "x"}
	c.Object(want)
	if steers(out.String()) != "" || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("%q", out.String())
	}
	var got map[string]string
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got["text"] != want["text"] {
		t.Errorf("%q, %v", got, err)
	}
}

// A letter that comes in two parts is shown as one.
func TestScreen(t *testing.T) {
	text := "ä→日𝄞" + evil + "\x9f\xe2\x82"
	for cut := range len(text) {
		var out bytes.Buffer
		s := &screen{w: &out}
		for _, part := range []string{text[:cut], text[cut:]} {
			if n, err := s.Write([]byte(part)); n != len(part) || err != nil {
				t.Fatal(n, err)
			}
		}
		if !strings.HasPrefix(out.String(), "ä→日𝄞\uFFFD[A") || steers(out.String()) != "" {
			t.Errorf("cut at %d: %q", cut, out.String())
		}
	}
}

// All text passes page.go: nothing else in the tree writes to what may be a terminal. Only the command's main has the
// streams, and only lab run hands them on. The program that packs releases for the lab is no part of clusterup.
func TestOnePageForAll(t *testing.T) {
	writers := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		name := filepath.ToSlash(strings.TrimPrefix(path, ".."+string(filepath.Separator)))
		switch {
		case err != nil:
			return err
		case name == "cmd/clusterup-node": // a program of its own, whose words go to the journal
			return filepath.SkipDir
		case d.IsDir() && (name == "acceptance" || name == "lab/pack" || strings.HasPrefix(d.Name(), ".") && name != ".."):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || name == "view/page.go":
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		speaks := slices.Contains([]string{"cmd/clusterup", "operator", "view"}, filepath.ToSlash(filepath.Dir(name)))
		ast.Inspect(file, func(n ast.Node) bool {
			var on string
			switch n := n.(type) {
			case *ast.SelectorExpr:
				on = words(n)
				console := strings.HasPrefix(on, "c.") || strings.HasPrefix(on, "s.console.")
				switch {
				case on == "os.Stdout", on == "os.Stderr", strings.HasPrefix(on, "fmt.Print"):
				case !strings.HasPrefix(name, "view/") && console && (n.Sel.Name == "Out" || n.Sel.Name == "Err"):
				default:
					return true
				}
			case *ast.CallExpr:
				on = words(n.Fun)
				switch {
				case on == "print", on == "println":
				case speaks && (strings.HasPrefix(on, "fmt.Fprint") || on == "io.WriteString"):
					if _, builds := n.Args[0].(*ast.UnaryExpr); builds || words(n.Args[0]) == "conn" { // &b, or a connection
						return true
					}
				case speaks && (strings.HasSuffix(on, ".Out.Write") || strings.HasSuffix(on, ".Err.Write")):
				default:
					return true
				}
			default:
				return true
			}
			writers[name+" "+on] = true
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"cmd/clusterup/lab.go c.Err", "cmd/clusterup/lab.go c.Out", "cmd/clusterup/main.go os.Stderr",
		"cmd/clusterup/main.go os.Stdout",
	}
	if got := slices.Sorted(maps.Keys(writers)); !slices.Equal(got, want) {
		t.Errorf("these write past page.go: %q, want %q", got, want)
	}
}

// words is an expression of names and dots as it is written.
func words(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return words(e.X) + "." + e.Sel.Name
	}
	return ""
}
