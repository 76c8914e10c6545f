package etcd

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
)

// dead is a state in which something is refused, and what its remedy makes of it.
type dead struct {
	name string
	want Want
	seen facts.Snapshot
	next func(Want, facts.Snapshot) (*plan.Stage, error) // nil: Next
	// does what the remedy says; nil: the consent that it names is given
	follow func(Want, facts.Snapshot) (Want, facts.Snapshot)
}

func (d dead) refused(t *testing.T, w Want, s facts.Snapshot) []plan.Refusal {
	t.Helper()
	next := d.next
	if next == nil {
		next = Next
	}
	_, err := BuildWith(next, w, s)
	var refused *plan.Refused
	if err != nil && !errors.As(err, &refused) {
		t.Fatal(err)
	}
	if refused == nil {
		return nil
	}
	return refused.Refusals
}

// unmet are refusals that only a defect elsewhere would come to: members that do not serve are started, or waited for,
// before another one restarts.
var unmet = map[string]bool{"%s it would leave %d of %d voters, and a quorum is %d": true}

var consent = regexp.MustCompile(`--accept=([a-z-]+(?::[\w@-]+)?)`)

// TestRemedies follows the remedy of every refusal that the package knows: then the same is not refused again, nor
// anything else. It fails for a refusal that no scene here comes to.
func TestRemedies(t *testing.T) {
	all := sites(t)
	for _, d := range deadEnds(t) {
		t.Run(d.name, func(t *testing.T) {
			found := d.refused(t, d.want, d.seen)
			if len(found) == 0 {
				t.Fatal("not refused")
			}
			w, s := d.want, d.seen
			for _, r := range found {
				for i := range all {
					all[i].met = all[i].met || all[i].is(r)
				}
				if strings.HasPrefix(r.Remedy, "see ") {
					t.Errorf("%s: the remedy sends elsewhere: %s", r, r.Remedy)
				}
				if d.follow != nil {
					continue
				}
				risk := consent.FindStringSubmatch(r.Remedy)
				if risk == nil {
					t.Fatalf("%s: the remedy names no consent: %s", r, r.Remedy)
				}
				w.Accept = append(append([]plan.Risk{}, w.Accept...), plan.Risk(risk[1]))
			}
			if d.follow != nil {
				w, s = d.follow(w, s)
			}
			for _, r := range d.refused(t, w, s) {
				t.Errorf("%s → %s: and then: %s → %s", found[0], found[0].Remedy, r, r.Remedy)
			}
		})
	}
	for _, site := range all {
		if !site.met && !unmet[site.format] {
			t.Errorf("%s: no scene comes to the refusal %s %q: add one to deadEnds, and follow its remedy", site.at, site.kind,
				site.format)
		}
	}
}

// site is a place in this package where something is refused.
type site struct {
	at     string
	kind   plan.RefusalKind
	format string
	reason *regexp.Regexp
	met    bool
}

func (s site) is(r plan.Refusal) bool { return r.Kind == s.kind && s.reason.MatchString(r.Reason) }

// sites are the calls of plan.Refuse, here and in package trust, and of one within data, with their kind and the format
// of their reason.
func sites(t *testing.T) []site {
	t.Helper()
	var files []string
	for _, dir := range []string{".", "../trust"} {
		in, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, in...)
	}
	kinds, set := kindsByName(t), token.NewFileSet()
	var found []site
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			reason := map[string]int{"Refuse": 3, "OneRefusal": 3, "one": 2}[nameIn(call.Fun)]
			if reason == 0 || len(call.Args) <= reason {
				return true
			}
			kind := kinds[nameIn(call.Args[0])]
			format, _ := call.Args[reason].(*ast.BasicLit)
			if kind == "" || format == nil {
				return true // as Refuse is called by one
			}
			text, err := strconv.Unquote(format.Value)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, site{at: set.Position(call.Pos()).String(), kind: kind, format: text, reason: formatted(text)})
			return true
		})
	}
	if len(found) < 40 {
		t.Fatalf("found %d refusals", len(found))
	}
	return found
}

// nameIn is the last part of a name, without its package; "": it is none.
func nameIn(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

var verbs = regexp.MustCompile(`%(?:\[\d+\])?[a-z]`)

// formatted matches what a format makes.
func formatted(format string) *regexp.Regexp {
	parts := verbs.Split(format, -1)
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	return regexp.MustCompile("(?s)^" + strings.Join(parts, ".*") + "$")
}

// kindsByName are the constants of refusal.go in package plan.
func kindsByName(t *testing.T) map[string]plan.RefusalKind {
	t.Helper()
	text, err := os.ReadFile("../refusal.go")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]plan.RefusalKind{}
	for _, match := range regexp.MustCompile(
		`(?m)^\t(\w+)\s+RefusalKind = "([a-z0-9-]+)"`).FindAllStringSubmatch(string(text), -1) {
		kinds[match[1]] = plan.RefusalKind(match[2])
	}
	if len(kinds) < 20 {
		t.Fatalf("found %d kinds", len(kinds))
	}
	return kinds
}

// TestConsents holds the operations guide: a heading for each kind of refusal, and a row that says which consents help
// with it.
func TestConsents(t *testing.T) {
	guide, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	said := map[plan.RefusalKind]map[string]bool{}
	for _, d := range deadEnds(t) {
		for _, r := range d.refused(t, d.want, d.seen) {
			if said[r.Kind] == nil {
				said[r.Kind] = map[string]bool{}
			}
			for _, risk := range consent.FindAllStringSubmatch(r.Remedy, -1) {
				name, _, ofMember := strings.Cut(risk[1], ":")
				if ofMember {
					name += ":NAME"
				}
				said[r.Kind][name] = true
			}
		}
	}
	for name, kind := range kindsByName(t) {
		row := regexp.MustCompile("(?m)^\\| \\[`" + string(kind) + "`\\]\\(#[a-z0-9-]+\\) \\| (.*) \\|$").FindSubmatch(guide)
		if !bytes.Contains(guide, []byte("\n### "+kind+"\n")) {
			t.Errorf("the operations guide has no heading for %s (%s)", kind, name)
		}
		if row == nil {
			t.Errorf("the table of consents in the operations guide has no row for %s (%s)", kind, name)
			continue
		}
		risks := plan.Risks()
		for _, of := range []plan.Risk{plan.Replace(""), plan.Remove("")} {
			risks = append(risks, of+"NAME")
		}
		for _, risk := range risks {
			if in := strings.Contains(string(row[1]), "`"+string(risk)+"`"); in != said[kind][string(risk)] {
				t.Errorf("%s: the guide names %s as a consent: %v; a remedy does: %v", kind, risk, in, said[kind][string(risk)])
			}
		}
		if len(said[kind]) == 0 && !strings.HasPrefix(string(row[1]), "none") {
			t.Errorf("%s: no consent helps, and the guide says %q", kind, row[1])
		}
	}
}
