package view

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	// noProduct are folders of what no operator runs.
	noProduct = []string{"acceptance", "examples", "lab/pack", "apply/hosttest", "remote/lying", "facts/lines/linestest"}
	// prose is text of more than one word, which is for people.
	prose = regexp.MustCompile(`(?i)[a-z]{2}[^ ]*\s+[a-z%"(]|: %w`)
	// code is a line for a shell, for systemd or for a regular expression.
	code = regexp.MustCompile(
		`[;|&] ?(done|fi|echo|printf|mv|rm|sync)\b|(?s:[\n$].*; (do|then|else|exit)\b|; (do|then|else|exit)\b.*[\n$])|2>|/dev/null|\[\^|\\s|\\\[|^(rm|mv|ln|mkdir|chown|chmod|sync|printf|systemctl|tar|head|test|for|if|ExecStart|\[Unit) [-"'$\[]`)
)

// Every message that the product may show stands in testdata/messages.txt, so that a change of words is seen in review.
func TestMessages(t *testing.T) {
	var all bytes.Buffer
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		name := filepath.ToSlash(strings.TrimPrefix(path, ".."+string(filepath.Separator)))
		switch {
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains(noProduct, name) || strings.HasPrefix(d.Name(), ".") && name != ".."):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") ||
			strings.HasSuffix(name, "_faults.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		if said := messages(file); len(said) > 0 {
			fmt.Fprintf(&all, "\n%s\n  %s\n", name, strings.Join(said, "\n  "))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "messages.txt", all.Bytes())
}

// messages are the texts of a file for people, in its order.
func messages(file *ast.File) (said []string) {
	parts := map[ast.Expr]bool{} // of a text that was taken as a whole
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field:
			return n.Tag == nil // whose tag is no text
		case ast.Expr:
			if parts[n] {
				return true
			}
			if text := spelled(n, parts); prose.MatchString(text) && !code.MatchString(text) {
				said = append(said, strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n      "))
			}
		}
		return true
	})
	return said
}

// spelled is a text as the code spells it, with {…} for what is put in between; empty for what is none.
func spelled(e ast.Expr, parts map[ast.Expr]bool) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		if e.Kind != token.STRING || err != nil {
			return ""
		}
		return text
	case *ast.BinaryExpr:
		left, right := spelled(e.X, parts), spelled(e.Y, parts)
		if e.Op != token.ADD || left == "" && right == "" {
			return ""
		}
		parts[e.X], parts[e.Y] = true, true
		return cmp.Or(left, "{…}") + cmp.Or(right, "{…}")
	}
	return ""
}
