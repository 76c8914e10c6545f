package inventory

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
)

// SetVersion returns src with another version for one cluster; "" picks the only cluster. It replaces the text in the
// version attribute or, when that refers to a variable or local, in the place where the value is written, which other
// clusters may use as well. Everything else stays, comments too. It is an error when the version is computed in another
// way; a value given with -var, a variable file or the environment is not seen, and still wins.
func SetVersion(src []byte, filename, cluster, version string) ([]byte, error) {
	if err := checkVersion(version); err != nil {
		return nil, fmt.Errorf("set version %q: %w", version, err)
	}
	written, err := versionIn(src, filename, cluster)
	if err != nil {
		return nil, err
	}
	out, ok := written.replaced(src, version)
	if !ok {
		return nil, fmt.Errorf("set version in %s: the value %q at line %d is not written plainly; edit it by hand", filename,
			written.value, written.Range().Start.Line)
	}
	if got, err := versionIn(out, filename, cluster); err != nil || got.value != version {
		return nil, fmt.Errorf("set version in %s: the version at %s is computed; edit it by hand", filename,
			at(written.Range()))
	}
	return out, nil
}

// versionIn is where the version of a cluster is written.
func versionIn(src []byte, filename, cluster string) (literal, error) {
	p := newProblems()
	file, ok := p.parse(src, filename)
	if !ok {
		return literal{}, p.diagnostics().Err()
	}
	block, err := clusterBlock(file.Body, filename, cluster)
	if err != nil {
		return literal{}, err
	}
	inner, _, _ := block.Body.PartialContent(clusterSchema)
	attr, ok := inner.Attributes["version"]
	if !ok {
		return literal{}, fmt.Errorf("set version in %s: cluster %q has no version attribute", filename, block.Labels[0])
	}
	found, err := followLiteral(file.Body, attr.Expr, 0)
	if err != nil {
		return literal{}, fmt.Errorf("set version in %s: %w", filename, err)
	}
	return found, nil
}

// followLiteral goes from an expression to the text that its value is written in, over variables and locals.
func followLiteral(body hcl.Body, expr hcl.Expression, depth int) (literal, error) {
	refs := expr.Variables()
	if len(refs) == 0 {
		found, ok := literalOf(expr)
		if !ok {
			return literal{}, fmt.Errorf("the version at %s is not a plain string; edit it by hand", at(expr.Range()))
		}
		return found, nil
	}
	name, ok := secondStep(refs[0])
	if len(refs) != 1 || len(refs[0]) != 2 || !ok || depth > 10 || !isReference(expr) {
		return literal{}, fmt.Errorf("the version at %s is computed; edit it by hand", at(expr.Range()))
	}
	next := definition(body, refs[0].RootName(), name)
	if next == nil {
		return literal{}, fmt.Errorf("the version is %s.%s, which has no value in this file", refs[0].RootName(), name)
	}
	return followLiteral(body, next, depth+1)
}
