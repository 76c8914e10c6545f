package view

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
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
		if r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || strings.ContainsRune("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029", r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(s, "\x00"))
}

func TestPage(t *testing.T) {
	for name, arg := range map[string]any{
		"a string": evil + "\nx", "an error": errors.New(evil + "\nx"), "a kind": plan.RefusalKind(evil + "\nx"), "several": []string{evil, "a\nx"},
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
	if !strings.HasPrefix(got, "\x1b[31m\uFFFD[A") || strings.Count(got, "\x1b") != 2 || !strings.HasSuffix(got, "x\x1b[0m \uFFFD[31my") {
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

// All text passes page.go: nothing else writes to what may be a terminal.
func TestOnePageForAll(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if name == "page.go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			f, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			switch on := words(f.X) + "." + f.Sel.Name; {
			case strings.HasPrefix(on, "fmt.Fprint"), on == "io.WriteString":
				if _, builds := call.Args[0].(*ast.UnaryExpr); builds || words(call.Args[0]) == "conn" { // &b, or a connection
					return true
				}
			case strings.HasPrefix(on, "fmt.Print"):
			case strings.HasSuffix(on, ".out.Write"), strings.HasSuffix(on, ".err.Write"):
			default:
				return true
			}
			t.Errorf("%s: writes past page.go", set.Position(call.Pos()))
			return true
		})
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
