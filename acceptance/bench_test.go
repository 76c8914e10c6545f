package acceptance

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"
)

// BenchmarkTools takes the same bare hosts to the same members in three ways, in turn: a floor script by hand,
// clusterup, and Ansible; then lets those that can find that there is nothing left to do. Time is that of the whole
// process. A cluster that is not healthy in the end, or a second run that changes something, ends the benchmark: its
// figure would mean nothing. Times never do.
//
// -benchtime=5x is five rounds, after one that warms caches and measures memory.
func BenchmarkTools(b *testing.B) {
	for _, members := range []int{3, 5} {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			g := newGround(b, members, takesPart("Ansible"))
			tools := g.tools(b)
			for _, tool := range tools {
				g.play(b, tool, true)
			}
			for b.Loop() {
				for _, tool := range tools {
					g.play(b, tool, false)
				}
			}
			for _, tool := range tools {
				found.Tools = append(found.Tools, tool.first)
				if tool.again != nil {
					found.Tools = append(found.Tools, tool.second)
				}
				if tool.name == "clusterup" && members == 3 {
					found.Parts = parts(tool.runs)
				}
				b.ReportMetric(median(tool.first.Seconds), tool.name+"-s")
			}
			b.ReportMetric(0, "ns/op") // a round is no operation
		})
	}
}

var toolNames = flag.String("tools", "floor clusterup Ansible", "the tools that the benchmark compares")

func takesPart(tool string) bool { return slices.Contains(strings.Fields(*toolNames), tool) }

// tool is one way to the same cluster.
type tool struct {
	name  string
	unit  string                                 // of its members
	start func(b *testing.B, dir string) command // from bare hosts, in an empty directory
	again func(dir string) command               // when nothing is left to do; nil: the tool knows no such thing
	idle  func(stdout []byte) error              // says whether a second run changed nothing
	ctl   string                                 // etcdctl on a host, with flags for TLS

	first, second series
	runs          []sample // of start
}

// command is what a tool runs on the control machine, in the lab's network.
type command struct {
	argv []string
	env  []string // beyond that of every run
	dir  string
}

// play is one turn of a tool: bare hosts, a cluster, a healthy one, nothing to do.
func (g *ground) play(b *testing.B, t *tool, warm bool) {
	b.Helper()
	g.bare(b)
	dir := b.TempDir()
	first := g.counted(b, t.start(b, dir), t.unit, warm)
	g.healthy(b, t.ctl)
	t.first.add(first, warm)
	said := fmt.Sprintf("%-10s %6.2f s", t.name, first.took.Seconds())
	if t.again != nil {
		second := g.counted(b, t.again(dir), t.unit, warm)
		if err := t.idle(second.stdout); err != nil {
			b.Fatalf("%s, nothing to do: %v\n%s", t.name, err, second.stdout)
		}
		t.second.add(second, warm)
		said += fmt.Sprintf("  %6.2f s", second.took.Seconds())
	}
	fmt.Fprintf(os.Stderr, "%s   others took %2.0f %%\n", said, 100*first.others)
	if !warm {
		t.runs = append(t.runs, first)
	}
}

// tools are those that can be had here, in the order in which they take turns.
func (g *ground) tools(b *testing.B) []*tool {
	b.Helper()
	const byHand = "/opt/etcd/etcdctl --cacert=/etc/etcd/tls/client-ca.pem --cert=/etc/etcd/tls/server.pem --key=/etc/etcd/tls/server-key.pem"
	const tls = "/etc/etcd/prod/tls/server/"
	tools := []*tool{
		g.tool(tool{name: "floor", unit: "etcd", start: g.floor, ctl: byHand}),
		g.tool(tool{
			name: "clusterup", unit: "etcd-prod", start: g.clusterup, again: applyAgain, idle: clusterupIdle,
			ctl: "/opt/clusterup/etcd/*/etcdctl --cacert=$(echo /etc/etcd/prod/trust-client-*.pem) --cert=" + tls +
				"cert.pem --key=" + tls + "key.pem",
		}),
	}
	if g.python {
		tools = append(tools,
			g.tool(tool{name: "Ansible", unit: "etcd", start: g.ansible, again: g.playbook, idle: ansibleIdle, ctl: byHand}))
	} else if takesPart("Ansible") {
		fmt.Fprintln(os.Stderr, "no ansible-playbook here: Ansible is left out")
	}
	return slices.DeleteFunc(tools, func(t *tool) bool { return !takesPart(t.name) })
}

// tool knows what its series are of.
func (g *ground) tool(t tool) *tool {
	t.first = series{Tool: t.name, What: fromBare, Hosts: len(g.lab.Hosts())}
	t.second = series{Tool: t.name, What: noneLeft, Hosts: len(g.lab.Hosts())}
	return &t
}

func (g *ground) floor(_ *testing.B, dir string) command {
	var hosts []string
	for _, h := range g.lab.Hosts() {
		hosts = append(hosts, h.Name+"="+h.IPv4.String())
	}
	return command{dir: dir, argv: []string{"bash", filepath.Join(g.data, "floor.sh")}, env: []string{
		"KEY=" + g.lab.KeyFile(), "KNOWN_HOSTS=" + g.lab.KnownHosts(), "ARCHIVE=" + g.archive,
		"UNIT=" + filepath.Join(g.data, "etcd.service.j2"), "HOSTS=" + strings.Join(hosts, " "),
	}}
}

func (g *ground) clusterup(b *testing.B, dir string) command {
	b.Helper()
	inv := inventory{
		Cluster: "prod", Version: release, User: "root", Identity: g.lab.KeyFile(), KnownHosts: g.lab.KnownHosts(),
		Mirror: g.mirror,
	}
	for _, h := range g.lab.Hosts() {
		inv.Members = append(inv.Members, member{Name: h.Name, Address: h.IPv4.String()})
	}
	fill(b, inventoryText, filepath.Join(dir, "prod.hcl"), inv)
	return applyAgain(dir)
}

func applyAgain(dir string) command {
	return command{dir: dir, argv: []string{clusterup, "apply", "--yes", "--json", "--stats", "prod.hcl"}}
}

// clusterupIdle holds when no stage ran.
func clusterupIdle(stdout []byte) error {
	for line := range bytes.Lines(stdout) {
		var e struct{ Type, Stage string }
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		if e.Type == "stage-started" {
			return fmt.Errorf("stage %q ran", e.Stage)
		}
	}
	return nil
}

var ansibleHosts = template.Must(template.New("hosts").Parse(`[etcd]
{{range .Members}}{{.Name}} ansible_host={{.Address}} ansible_user=root
{{end}}
[etcd:vars]
ansible_ssh_private_key_file={{.Identity}}
ansible_ssh_common_args=-F none -o UserKnownHostsFile={{.KnownHosts}}
[all:vars]
archive={{.Archive}}
pki={{.PKI}}
`))

func (g *ground) ansible(b *testing.B, dir string) command {
	b.Helper()
	var members []member
	for _, h := range g.lab.Hosts() {
		members = append(members, member{Name: h.Name, Address: h.IPv4.String()})
	}
	fill(b, ansibleHosts, filepath.Join(dir, "hosts"), map[string]any{
		"Members": members, "Identity": g.lab.KeyFile(), "KnownHosts": g.lab.KnownHosts(), "Archive": g.archive,
		"PKI": filepath.Join(dir, "pki"),
	})
	return g.playbook(dir)
}

// playbook has a directory for SSH connections of its own, so that no run finds those of the run before.
func (g *ground) playbook(dir string) command {
	sockets, err := os.MkdirTemp(g.dir, "cp")
	if err != nil {
		sockets = dir
	}
	return command{
		dir: dir, argv: []string{"ansible-playbook", "-i", "hosts", filepath.Join(g.data, "site.yml")},
		env: []string{
			"ANSIBLE_CONFIG=" + filepath.Join(g.data, "ansible.cfg"), "ANSIBLE_SSH_CONTROL_PATH_DIR=" + sockets,
		},
	}
}

// ansibleIdle holds when the recap has no change, on all hosts and on this machine.
func ansibleIdle(stdout []byte) error {
	_, recap, _ := bytes.Cut(stdout, []byte("PLAY RECAP"))
	lines := bytes.Count(recap, []byte("changed="))
	if same := bytes.Count(recap, []byte("changed=0 ")); lines == 0 || same != lines {
		return fmt.Errorf("%d of %d hosts are as they were", same, lines)
	}
	return nil
}

func fill(b *testing.B, t *template.Template, path string, values any) {
	b.Helper()
	var text bytes.Buffer
	if err := t.Execute(&text, values); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
