package balancer

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"path"
	"regexp"
	"text/template"

	"github.com/clusterup/clusterup/units"
)

const (
	// FollowUser is the system user that the follower runs as.
	FollowUser = "clusterup-follow"
	// Programs is the folder of all versions of the program on a host.
	Programs = "/opt/clusterup/node"
)

// FollowUnit is the follower's unit, without ".service".
func FollowUnit(balancer string) string { return "clusterup-follow-" + balancer }

// ConfigDir has the follower's configuration and certificates.
func ConfigDir(balancer string) string { return path.Join("/etc", FollowUnit(balancer)) }

// StateDir has what the follower keeps. Its unit makes it.
func StateDir(balancer string) string { return path.Join("/var/lib", FollowUnit(balancer)) }

// ProgramPath is where a program lies with that SHA-256, in hexadecimal digits: another program is another command
// line.
func ProgramPath(sha256 string) string { return path.Join(Programs, sha256[:16], "clusterup-node") }

// TrustPath is the bundle of CA certificates that the follower accepts members of etcd by. It reads it anew after a
// change, and needs no restart for it.
func TrustPath(balancer string) string { return path.Join(ConfigDir(balancer), "ca.pem") }

// PairLink is the symlink to the [units.LeafDir] of the follower's certificate and key, which it reads anew as well.
func PairLink(balancer string) string { return units.LeafLink(ConfigDir(balancer), "client") }

// followConfig is the file that "clusterup-node follow" reads, as docs/follow.md says.
type followConfig struct {
	Balancer    string    `json:"balancer"`
	Node        string    `json:"node"`
	Endpoints   []string  `json:"endpoints"`
	CA          string    `json:"ca,omitempty"`
	Certificate string    `json:"certificate,omitempty"`
	Key         string    `json:"key,omitempty"`
	HAProxy     string    `json:"haproxy"`
	Backends    []backend `json:"backends"`
	State       string    `json:"state"`
}

type backend struct {
	Name   string   `json:"name"`
	Server []string `json:"server"`
}

// serverWords check a server each 2 s, and count it as down after two failures: about 3 s after it has gone, and 7 s
// after its host has. One success is enough for it to be up. A session on a server that is down would hang until TCP
// gives up (Patroni issue 421), so it ends.
var serverWords = []string{
	"check", "inter", "2s", "fastinter", "1s", "fall", "2", "rise", "1", "on-marked-down", "shutdown-sessions",
}

// Follow is the follower's configuration. Its name holds the first 8 hex digits of its SHA-256: the program reads it
// only when it starts, so another configuration has to be another command line.
func Follow(n Node) units.File {
	c := followConfig{
		Balancer: n.Balancer, Node: n.Name, Endpoints: n.Endpoints,
		HAProxy: HAProxySocket, State: path.Join(StateDir(n.Balancer), "state.json"),
	}
	if n.TLS {
		c.CA = TrustPath(n.Balancer)
		c.Certificate = path.Join(PairLink(n.Balancer), "cert.pem")
		c.Key = path.Join(PairLink(n.Balancer), "key.pem")
	}
	for _, l := range n.Listens {
		c.Backends = append(c.Backends, backend{l.Name, serverWords})
	}
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		panic("balancer: strings are JSON: " + err.Error())
	}
	data = append(data, '\n')
	sum := sha256.Sum256(data)
	name := "config-" + hex.EncodeToString(sum[:4]) + ".json"
	return units.Plain(path.Join(ConfigDir(n.Balancer), name), data)
}

var followName = regexp.MustCompile(`^config-[0-9a-f]{8}\.json$`)

// OldFollow says that a path is that of another configuration of the follower than a node is to have.
func OldFollow(n Node, at string) bool {
	dir, name := path.Split(at)
	return path.Clean(dir) == ConfigDir(n.Balancer) && followName.MatchString(name) && at != Follow(n).Path
}

// Args is the whole command line of the follower; the first element is the path of the program.
func Args(n Node) []string { return []string{n.Program, "follow", Follow(n).Path} }

//go:embed unit.tmpl
var unitText string

var unitTemplate = template.Must(template.New("unit").Funcs(template.FuncMap{"text": units.Text}).Parse(unitText))

// Unit is the systemd unit of the follower. It needs systemd 247 or newer, and holds no secret. HAProxy's own unit is
// that of its package.
func Unit(n Node) units.File {
	unit := FollowUnit(n.Balancer)
	view := struct {
		Node
		Form                                         int
		Command, HAProxy, User, StateDirectory, Unit string
	}{n, Form, units.CommandLines(Args(n)), HAProxyUnit, FollowUser, path.Base(StateDir(n.Balancer)), unit}
	var b bytes.Buffer
	if err := unitTemplate.Execute(&b, view); err != nil {
		panic("balancer: unit.tmpl does not fit its data: " + err.Error())
	}
	return units.Plain(path.Join("/etc/systemd/system", unit+".service"), b.Bytes())
}
