package acceptance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"
)

// BenchmarkTools takes the same bare hosts to the same three members in three ways, in turn: a floor script by hand, clusterup, and
// Ansible; then lets those that can find that there is nothing left to do. Time is that of the whole process. A cluster that is not
// healthy in the end, or a second run that changes something, ends the benchmark: its figure would mean nothing. Times never do.
//
// -benchtime=5x is five rounds, after one that warms caches and measures memory. What is printed is also for benchstat.
func BenchmarkTools(b *testing.B) {
	g := newGround(b)
	tools := g.tools(b)
	for _, tool := range tools {
		g.play(b, tool, true)
	}
	before := loadAverage()
	rounds := 0
	for b.Loop() {
		for _, tool := range tools {
			g.play(b, tool, false)
		}
		rounds++
	}
	text := g.report(tools, rounds, before, loadAverage())
	fmt.Print(text)
	for _, tool := range tools {
		b.ReportMetric(median(seconds(tool.first)), tool.name+"-s")
		b.ReportMetric(float64(tool.memory), tool.name+"-B")
		if tool.again != nil {
			b.ReportMetric(median(seconds(tool.second)), tool.name+"-again-s")
		}
	}
	b.ReportMetric(0, "ns/op") // a round is no operation
}

// tool is one way to the same cluster.
type tool struct {
	name  string
	start func(b *testing.B, dir string) command // from bare hosts, in an empty directory
	again func(dir string) command               // when nothing is left to do; nil: the tool knows no such thing
	idle  func(stdout []byte) error              // says whether a second run changed nothing
	ctl   string                                 // etcdctl on a host, with flags for TLS

	first, second  []sample
	memory, idling int64 // bytes: what start and again held while caches were warmed
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
	first := g.measure(b, t.start(b, dir), warm)
	g.healthy(b, t.ctl)
	var second sample
	if t.again != nil {
		second = g.measure(b, t.again(dir), warm)
		if err := t.idle(second.stdout); err != nil {
			b.Fatalf("%s, nothing to do: %v\n%s", t.name, err, second.stdout)
		}
	}
	fmt.Fprintf(os.Stderr, "%-10s %6.2f s  %6.2f s   others took %2.0f %%, %2.0f %%\n",
		t.name, first.took.Seconds(), second.took.Seconds(), 100*first.others, 100*second.others)
	if warm {
		t.memory, t.idling = first.memory, second.memory
		return
	}
	t.first, t.second = append(t.first, first), append(t.second, second)
}

// tools are those that can be had here, in the order in which they take turns.
func (g *ground) tools(b *testing.B) []*tool {
	b.Helper()
	const byHand = "/opt/etcd/etcdctl --cacert=/etc/etcd/tls/client-ca.pem --cert=/etc/etcd/tls/server.pem --key=/etc/etcd/tls/server-key.pem"
	const tls = "/etc/etcd/prod/tls/server/"
	tools := []*tool{
		{name: "floor", start: g.floor, ctl: byHand},
		{
			name: "clusterup", start: g.clusterup, again: applyAgain, idle: clusterupIdle,
			ctl: "/opt/clusterup/etcd/*/etcdctl --cacert=$(echo /etc/etcd/prod/trust-client-*.pem) --cert=" + tls + "cert.pem --key=" + tls + "key.pem",
		},
	}
	if !g.python {
		fmt.Fprintln(os.Stderr, "no ansible-playbook here: Ansible is left out")
		return tools
	}
	return append(tools, &tool{name: "ansible", start: g.ansible, again: g.playbook, idle: ansibleIdle, ctl: byHand})
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
		Cluster: "prod", Version: release, User: "root", Identity: g.lab.KeyFile(), KnownHosts: g.lab.KnownHosts(), Mirror: g.mirror,
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
		"Members": members, "Identity": g.lab.KeyFile(), "KnownHosts": g.lab.KnownHosts(), "Archive": g.archive, "PKI": filepath.Join(dir, "pki"),
	})
	return g.playbook(dir)
}

// playbook has a directory for SSH connections of its own, so that no run finds those of the run before.
func (g *ground) playbook(dir string) command {
	sockets, err := os.MkdirTemp(g.dir, "cp")
	if err != nil {
		sockets = dir
	}
	return command{dir: dir, argv: []string{"ansible-playbook", "-i", "hosts", filepath.Join(g.data, "site.yml")}, env: []string{
		"ANSIBLE_CONFIG=" + filepath.Join(g.data, "ansible.cfg"), "ANSIBLE_SSH_CONTROL_PATH_DIR=" + sockets,
	}}
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
