package inventory

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

var clusterSchema = &hcl.BodySchema{
	Attributes: attributes("version", "user", "data_dir", "wal_dir", "unit_name", "peer_port", "client_port",
		"metrics_port"),
	Blocks: []hcl.BlockHeaderSchema{
		{Type: "ssh"},
		{Type: "release"},
		{Type: "pki"},
		{Type: "tls"},
		{Type: "etcd"},
		{Type: "snapshot"},
		{Type: "auth"},
		{Type: "client", LabelNames: []string{"name"}},
		{Type: "balancer", LabelNames: []string{"name"}},
		{Type: "member", LabelNames: []string{"name"}},
	},
}

// clusterRead is a cluster with the places that checks across blocks point at.
type clusterRead struct {
	*Cluster
	name      hcl.Range
	balancers []balancerRead
	members   []memberRead
	unsure    bool // how many members it has is not known, because of a mistake
}

func (s scope) readCluster(b *hcl.Block) clusterRead {
	p := s.problems
	c := &Cluster{
		Name: b.Labels[0], Dir: s.place.dir, Range: rangeOf(b.DefRange),
		User: "etcd-" + b.Labels[0], DataDir: "/var/lib/etcd-" + b.Labels[0], UnitName: "etcd-" + b.Labels[0],
		PeerPort: 2380, ClientPort: 2379, MetricsPort: 2381,
	}
	if err := checkName(c.Name); err != nil {
		p.errorAt(b.LabelRanges[0], "bad cluster name", "%q: %s.", clip(c.Name), err)
	}
	v, content := s.newValues(b, clusterSchema)
	v.require("version", b.DefRange, `Say which etcd is wanted, such as version = "3.6.16".`)
	v.checked("version", &c.Version, checkVersion)
	v.systemUser(c, b.LabelRanges[0])
	v.checked("data_dir", &c.DataDir, CheckDataDir)
	v.checked("wal_dir", &c.WALDir, CheckDataDir)
	v.checkWALDir(c.WALDir, c.DataDir)
	v.unitName(&c.UnitName)
	taken := v.ports(c, b.DefRange)
	blocks := content.Blocks.ByType()
	c.SSH = s.readSSH(p.only(blocks["ssh"]), s.place.defaultSSH(c.Name))
	c.Release = s.readRelease(p.only(blocks["release"]))
	c.PKI = s.readPKI(p.only(blocks["pki"]))
	c.TLS = s.readTLS(p.only(blocks["tls"]), taken)
	c.Etcd = s.readEtcd(p.only(blocks["etcd"]), minorOf(c.Version))
	c.Snapshot = s.readSnapshot(p.only(blocks["snapshot"]))
	c.Clients = s.readClients(blocks["client"], c.PKI)
	auth := s.readAuth(p.only(blocks["auth"]))
	c.Auth = auth.Auth
	out := clusterRead{Cluster: c, name: b.LabelRanges[0], balancers: s.readBalancers(blocks["balancer"], c.SSH)}
	for _, balancer := range out.balancers {
		c.Balancers = append(c.Balancers, balancer.Balancer)
	}
	for _, block := range blocks["member"] {
		members, ok := s.readMembers(block, c)
		out.members = append(out.members, members...)
		out.unsure = out.unsure || !ok
	}
	for _, m := range out.members {
		c.Members = append(c.Members, m.Member)
	}
	p.checkAuth(auth, c)
	p.grantFollowers(auth, c)
	return out
}

var (
	fullVersion = regexp.MustCompile(`^(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})$`)
	knownMinors = []string{"3.5", "3.6", "3.7"}
	// badVersions can corrupt data after a crash (etcd's postmortem of v3.5).
	badVersions = []string{"3.5.0", "3.5.1", "3.5.2"}
)

func checkVersion(s string) error {
	bare := strings.TrimPrefix(s, "v")
	switch {
	case bare != s && fullVersion.MatchString(bare):
		return fmt.Errorf("write it without the v: %q", bare)
	case !fullVersion.MatchString(s):
		return fmt.Errorf(`write all three numbers, such as "3.6.16"`)
	case !slices.Contains(knownMinors, minorOf(s)):
		return fmt.Errorf("clusterup knows etcd %s", strings.Join(knownMinors, ", "))
	case slices.Contains(badVersions, s):
		return fmt.Errorf("it can corrupt data after a crash; take 3.5.3 or later")
	}
	return nil
}

// minorOf returns "3.6" of "3.6.16", and "" of what is not a version.
func minorOf(version string) string {
	parts := fullVersion.FindStringSubmatch(version)
	if parts == nil {
		return ""
	}
	return parts[1] + "." + parts[2]
}

// systemUser reads the user that the members run as. The default needs a cluster name that leaves room for it.
func (v values) systemUser(c *Cluster, name hcl.Range) {
	if v.text("user", &c.User) {
		if err := checkSystemUser(c.User); err != nil {
			v.bad("user", "bad user", "%q: %s.", clip(c.User), err)
		}
		return
	}
	if checkName(c.Name) == nil && len(c.User) > maxUser {
		v.problems.errorAt(name, "no name for the user",
			"The members would run as %s, and a user's name ends at %d characters; choose one, such as user = %q.",
			c.User, maxUser, strings.TrimRight(c.User[:maxUser], "-."))
	}
}

// checkWALDir keeps the log out of the data directory, which is renamed aside as a whole when a member is replaced.
func (v values) checkWALDir(wal, data string) {
	if wal == "" || !Overlap(wal, data) {
		return
	}
	name := "wal_dir"
	if !v.has(name) {
		name = "data_dir"
	}
	if v.has(name) {
		v.bad(name, "directories overlap",
			"wal_dir %s and data_dir %s must lie apart; leave wal_dir out to keep the log in the data directory.", wal, data)
	}
}

func (v values) unitName(target *string) {
	var name string
	if !v.text("unit_name", &name) {
		return
	}
	switch {
	case strings.HasSuffix(name, ".service"):
		v.bad("unit_name", "bad unit_name", "Write it without \".service\": %q.", strings.TrimSuffix(name, ".service"))
	case !unitName.MatchString(name) || len(name) > 200:
		v.bad("unit_name", "bad unit_name",
			"%q: use letters, digits, \"-\", \"_\" and \".\", starting with a letter or digit.", clip(name))
	default:
		*target = name
	}
}

// ports returns the ports that the cluster uses, none when one of them is wrong.
func (v values) ports(c *Cluster, header hcl.Range) []namedPort {
	good := true
	read := func(name string, target *int, least int64) {
		good = (v.number(name, target, least, 65535) || !v.has(name)) && good
	}
	read("peer_port", &c.PeerPort, 1)
	read("client_port", &c.ClientPort, 1)
	read("metrics_port", &c.MetricsPort, 0)
	if !good {
		return nil
	}
	ports := c.ports()
	for i, b := range ports {
		for _, a := range ports[:i] {
			if a.port != b.port {
				continue
			}
			v.problems.errorAt(v.placeOf(header, b.name, a.name), "port used twice",
				"%s and %s are both %d (defaults: 2380, 2379 and 2381).", a.name, b.name, b.port)
		}
	}
	return ports
}

type namedPort struct {
	name string
	port int
}

// ports are those that a member listens on, by the names of their attributes.
func (c *Cluster) ports() []namedPort {
	all := []namedPort{
		{"peer_port", c.PeerPort},
		{"client_port", c.ClientPort},
		{"metrics_port", c.MetricsPort},
		{"http_client_port", c.TLS.HTTPClientPort},
	}
	return slices.DeleteFunc(all, func(p namedPort) bool { return p.port == 0 })
}

func rangeOf(r hcl.Range) Range {
	return Range{File: r.Filename, Line: r.Start.Line, Column: r.Start.Column}
}
