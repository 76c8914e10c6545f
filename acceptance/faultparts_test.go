package acceptance

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestFaultParts finds a test that writes rows of docs/guarantees.md, or that FAULTS=full makes longer, and that is
// in no part of `make faults` or in two.
func TestFaultParts(t *testing.T) {
	parts := map[string]*regexp.Regexp{}
	for _, m := range regexp.MustCompile(`(?m)^FAULTS_(\w+) *:= *(\S+)$`).FindAllStringSubmatch(read(t, "../Makefile"),
		-1) {
		parts[m[1]] = regexp.MustCompile("^Test(" + m[2] + ")")
	}
	_, list, _ := strings.Cut(read(t, "../Makefile"), "\nPART ?= ")
	list, _, _ = strings.Cut(list, "\n")
	all := strings.Fields(list)
	if len(all) != len(parts) {
		t.Errorf("the parts are %q, with patterns for %d", all, len(parts))
	}
	uses := testUses(t)
	writers := reaching(uses, "guarantee", "measured")
	tests := map[string][]string{} // by part
	for name, used := range uses {
		if !strings.HasPrefix(name, "Test") {
			continue
		}
		var in []string
		for _, part := range all {
			if pattern := parts[part]; pattern != nil && pattern.MatchString(name) {
				in = append(in, part)
				tests[part] = append(tests[part], name)
			}
		}
		if len(in) > 1 || len(in) == 0 && (writers[name] || used["whole"] || used["ofMatrix"]) {
			t.Errorf("%s is in the parts %q", name, in)
		}
	}
	for _, part := range all {
		if len(tests[part]) == 0 {
			t.Errorf("nothing is in the part %s", part)
		}
	}
}

// testUses are the names that each function and variable of the tests here uses. Things of one name are taken for one.
func testUses(t *testing.T) map[string]map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	must(t, err)
	uses := map[string]map[string]bool{}
	see := func(name string, n ast.Node) {
		if uses[name] == nil {
			uses[name] = map[string]bool{}
		}
		ast.Inspect(n, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				uses[name][id.Name] = true
			}
			return true
		})
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		must(t, err)
		for _, d := range parsed.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				see(d.Name.Name, d.Body)
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok {
						for _, name := range v.Names {
							see(name.Name, v)
						}
					}
				}
			}
		}
	}
	return uses
}

// reaching are those that use one of the names, directly or not.
func reaching(uses map[string]map[string]bool, names ...string) map[string]bool {
	found := map[string]bool{}
	for len(names) > 0 {
		last := names[len(names)-1]
		names = names[:len(names)-1]
		for name, used := range uses {
			if used[last] && !found[name] {
				found[name] = true
				names = append(names, name)
			}
		}
	}
	return found
}

// TestProofs finds tests that docs/guarantees.md names and that are not there, such as one that was lost in an edit.
func TestProofs(t *testing.T) {
	there := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	must(t, filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		for _, m := range declared.FindAllStringSubmatch(read(t, path), -1) {
			there[m[1]] = true
		}
		return nil
	}))
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)[`/]").FindAllStringSubmatch(read(t, guarantees), -1)
	if len(named) < 100 {
		t.Errorf("%d tests are named", len(named))
	}
	for _, m := range named {
		if !there[m[1]] {
			t.Errorf("there is no %s", m[1])
		}
	}
}
