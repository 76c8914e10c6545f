package inventory

import (
	"cmp"
	_ "embed"
	"strconv"
	"strings"
	"text/template"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// DefaultVersion is what a new inventory asks for.
const DefaultVersion = "3.6.16"

// StarterOptions are the answers that Starter need not guess. The zero value
// gives an inventory of three hosts with addresses for documentation.
type StarterOptions struct {
	Cluster      string   // default "prod"
	Version      string   // default DefaultVersion
	Hosts        []string // ADDRESS or NAME=ADDRESS; names default to etcd-1, etcd-2, …
	User         string   // of SSH; "": the current user
	Sudo         bool
	IdentityFile string // "": the agent, then the usual files
	Mirror       string // "": etcd's releases on GitHub
}

//go:embed starter.hcl.tmpl
var starterText string

var starterTemplate = template.Must(template.New("starter").Funcs(template.FuncMap{"quote": quote}).Parse(starterText))

// Starter returns the inventory that a new user begins with: what has to be decided, and what else could be, in
// comments. It loads without a diagnostic when the options are good and the number of hosts is odd.
func Starter(o StarterOptions) []byte {
	o.Cluster, o.Version = cmp.Or(o.Cluster, "prod"), cmp.Or(o.Version, DefaultVersion)
	if len(o.Hosts) == 0 {
		o.Hosts = []string{"192.0.2.11", "192.0.2.12", "192.0.2.13"}
	}
	type member struct{ Name, Address string }
	var members []member
	for i, host := range o.Hosts {
		name, address, named := strings.Cut(host, "=")
		if !named {
			name, address = "etcd-"+strconv.Itoa(i+1), host
		}
		members = append(members, member{name, address})
	}
	var b strings.Builder
	err := starterTemplate.Execute(&b, struct {
		StarterOptions
		Members []member
	}{o, members})
	if err != nil {
		return nil // the template is ours and a test runs it
	}
	return hclwrite.Format([]byte(b.String()))
}

// quote writes a string as HCL does, so that nothing in it is read as a template.
func quote(s string) string {
	return string(hclwrite.TokensForValue(cty.StringVal(s)).Bytes())
}
