package inventory

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
)

// Options are the inputs of an inventory besides its text. The zero value works.
type Options struct {
	// Vars are values of variables (-var NAME=VALUE). Text for a string is taken
	// as it is; for other types it is an expression, such as 3 or ["a", "b"].
	Vars map[string]string

	// VarFiles are files of "name = value" lines, or JSON objects when the name
	// ends in .json (-var-file). A later file wins, and Vars win over files.
	VarFiles []string

	// Env is the environment, NAME=VALUE. CLUSTERUP_VAR_NAME sets a variable,
	// which files and Vars override; the function env() reads the rest.
	Env []string

	// Home is what "~/" stands for. When it is empty such paths are errors.
	Home string
}

// Load reads the inventory at path; a name that ends in .json holds HCL's JSON syntax. The diagnostics hold every
// mistake and warning. When they have errors, the file is nil.
func Load(path string, o Options) (*File, Diagnostics) {
	src, err := readRegular(path)
	if err != nil {
		p := newProblems()
		p.errorf("inventory not read", "%s.", err)
		return nil, p.diagnostics()
	}
	return Parse(src, path, o)
}

var rootSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "variable", LabelNames: []string{"name"}},
	{Type: "locals"},
	{Type: "cluster", LabelNames: []string{"name"}},
}}

// Parse is Load for text that has been read already, or that SetVersion has edited and nobody has written. Relative
// paths in it are relative to the directory of filename, which need not exist.
func Parse(src []byte, filename string, o Options) (*File, Diagnostics) {
	p := newProblems()
	f := p.read(src, filename, o)
	diags := p.diagnostics()
	if diags.HasErrors() {
		return nil, diags
	}
	return f, diags
}

func (p *problems) read(src []byte, filename string, o Options) *File {
	parsed, ok := p.parse(src, filename)
	if !ok {
		return nil
	}
	where, err := newPlace(filename, o)
	if err != nil {
		p.errorf("inventory not read", "%s.", err)
		return nil
	}
	blocks := p.content(parsed.Body, rootSchema).Blocks.ByType()
	s := p.newScope(where, blocks["variable"], blocks["locals"], o)
	f := &File{Path: filename}
	var read []clusterRead
	for _, b := range blocks["cluster"] {
		c := s.readCluster(b)
		read = append(read, c)
		f.Clusters = append(f.Clusters, c.Cluster)
	}
	if len(read) == 0 && !p.list.HasErrors() {
		p.errorAt(parsed.Body.MissingItemRange(), "no cluster", `An inventory has at least one cluster "NAME" { … } block.`)
	}
	p.checkClusters(read)
	return f
}

func isJSON(filename string) bool { return strings.HasSuffix(filename, ".json") }

// parse reports mistakes of syntax and remembers the source for snippets.
func (p *problems) parse(src []byte, filename string) (*hcl.File, bool) {
	if d := unreadable(src, filename); d != nil {
		p.list = append(p.list, d)
		return nil, false
	}
	p.sources[filename] = src
	start := beginning(src)
	src = src[start.Byte:]
	if d := tooMuch(src, filename); d != nil {
		p.list = append(p.list, d)
		return nil, false
	}
	var file *hcl.File
	var diags hcl.Diagnostics
	if isJSON(filename) {
		file, diags = json.ParseWithStartPos(src, filename, start)
	} else {
		file, diags = hclsyntax.ParseConfig(src, filename, start)
	}
	p.add(diags)
	return file, !diags.HasErrors()
}
