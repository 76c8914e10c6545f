package acceptance

import (
	"cmp"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"text/template"
)

// allWithAuth: etcd's permissions are switched on in every cluster whose clients speak https.
var allWithAuth = os.Getenv("PERMISSIONS") == "on"

// inventory is what a scenario writes into an inventory.
type inventory struct {
	Cluster, Version       string
	User                   string
	Identity, KnownHosts   string // files
	Jump                   string // address of a jump host; "" is none
	Mirror                 string
	Patience               string // of a connection; "" is 8s
	SSH, Settings, Further string // lines for the ssh block, for the cluster block, and for the end of the file
	Members                []member

	Auth bool // permissions are on, wherever clients of the scenario speak https and Settings has no block auth
	HTTP int  // the port on which clients of the scenario speak http; 0: they speak https
	Port int  // the port on which they speak https; 0: 2379
}

type member struct {
	Name, Address string
	More          string // lines for its block
}

// Permissions is the block auth, where there is one.
func (i inventory) Permissions() string {
	if !i.Auth || i.HTTP != 0 || strings.Contains(i.Settings, "auth {") {
		return ""
	}
	// the scenarios compact, disarm and defragment as this user, too
	return "\n  auth {\n    user \"app\" { roles = [\"root\"] }\n  }\n"
}

// Sudo says whether the user has to become root.
func (i inventory) Sudo() bool { return i.User != "root" }

var inventoryText = template.Must(template.New("inventory").Parse(`cluster "{{.Cluster}}" {
  version = "{{.Version}}"

  ssh {
    user            = "{{.User}}"
    sudo            = {{.Sudo}}
    agent           = false
    identity_file   = "{{.Identity}}"
    {{- with .KnownHosts}}
    known_hosts     = "{{.}}"
    {{- end}}
    connect_timeout = "{{or .Patience "8s"}}"
    {{- .SSH}}
    {{- with .Jump}}
    jump { address = "{{.}}" }
    {{- end}}
  }

  release {
    mirror = "file://{{.Mirror}}"
  }

  client "app" {}
  {{.Settings}}
  {{.Permissions}}
  {{- range .Members}}
  member "{{.Name}}" {
    address = "{{.Address}}"
    {{- .More}}
  }
  {{- end}}
}
{{.Further}}`))

// url is where clients of the scenario reach a member.
func (i inventory) url(m member) string {
	if i.HTTP != 0 {
		return "http://" + net.JoinHostPort(m.Address, strconv.Itoa(i.HTTP))
	}
	return endpoint(m, cmp.Or(i.Port, 2379))
}

// inventory is one cluster with all etcd hosts of the lab, on their IPv4 addresses, as root.
func (s *site) inventory(t *testing.T, cluster string) inventory {
	t.Helper()
	dir, err := mirror()
	if err != nil {
		t.Fatal(err)
	}
	inv := inventory{
		Cluster: cluster, Version: release, User: "root", Identity: s.lab.KeyFile(), KnownHosts: s.lab.KnownHosts(),
		Mirror: dir, Auth: allWithAuth,
	}
	for _, h := range s.lab.Hosts() {
		if strings.HasPrefix(h.Name, "etcd-") {
			inv.Members = append(inv.Members, member{Name: h.Name, Address: h.IPv4.String()})
		}
	}
	return inv
}

// write puts an inventory into the site's directory and returns the file's name.
func (s *site) write(t *testing.T, name string, inv inventory) string {
	t.Helper()
	var text strings.Builder
	if err := inventoryText.Execute(&text, inv); err != nil {
		t.Fatal(err)
	}
	return s.file(t, name, text.String())
}
