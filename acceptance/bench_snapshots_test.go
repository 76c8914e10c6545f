package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/facts"
)

// copying is what one tool does with the data of a cluster of three, of so many bytes.
type copying struct {
	Tool, What string
	Bytes      int64 // of the snapshot
	Seconds    []float64
	CPU        []float64 // seconds, of the tool's processes and of all hosts
	Others     []float64 // share of this machine's processors that went to anything else meanwhile
}

// per100 are seconds as they would be for 100 MB.
func (c copying) per100(values []float64) []float64 {
	scaled := make([]float64, 0, len(values))
	for _, v := range values {
		scaled = append(scaled, v*100e6/float64(c.Bytes))
	}
	return scaled
}

// BenchmarkSnapshots takes a snapshot of a cluster to this machine, by hand and with clusterup, in turn; then has
// clusterup restore it on trial, and make the cluster from it.
func BenchmarkSnapshots(b *testing.B) {
	const megabytes = 100
	g := newGround(b, 3, false)
	g.bare(b)
	dir := b.TempDir()
	g.measure(b, g.clusterup(b, dir), false)
	ctl := "/opt/clusterup/etcd/*/etcdctl --cacert=$(echo /etc/etcd/prod/trust-client-*.pem) " +
		"--cert=/etc/etcd/prod/tls/server/cert.pem --key=/etc/etcd/prod/tls/server/key.pem " +
		"--endpoints=https://127.0.0.1:2379"
	first := g.lab.Hosts()[0]
	g.on(b, first.Name, "", fmt.Sprintf( // 750,000 random bytes are a megabyte of base64
		`for i in $(seq %d); do head -c 750000 /dev/urandom | base64 -w 0 | %s put /bench/$i >/dev/null || exit 1; done`,
		megabytes, ctl))
	ssh := fmt.Sprintf("-F none -o BatchMode=yes -i %s -o UserKnownHostsFile=%s", g.lab.KeyFile(), g.lab.KnownHosts())
	at := "root@" + first.IPv4.String()
	byHand := fmt.Sprintf("ssh %[1]s %[2]s '%[3]s snapshot save /root/by-hand.db' && "+
		"scp -q %[1]s %[2]s:/root/by-hand.db by-hand.db",
		ssh, at, ctl)
	runs := []struct {
		tool, what string
		argv       []string
	}{
		{"etcdctl and scp", "save", []string{"sh", "-c", byHand}},
		{"clusterup", "save", []string{clusterup, "snapshot", "save", "--json", "prod.hcl"}},
		{"clusterup", "drill", []string{clusterup, "snapshot", "verify", "--drill", "latest", "prod.hcl"}},
		{"clusterup", "restore", []string{clusterup, "snapshot", "restore", "latest", "prod.hcl", "--confirm=prod"}},
	}
	for b.Loop() {
		var saved facts.SavedSnapshot
		for _, r := range runs {
			s := g.measure(b, command{dir: dir, argv: r.argv}, false)
			if r.what == "save" && r.tool == "clusterup" {
				must(b, json.Unmarshal(s.stdout, &saved))
			}
			found.addCopying(r.tool, r.what, s)
			fmt.Fprintf(os.Stderr, "%-15s %-8s %6.2f s   others took %2.0f %%\n",
				r.tool, r.what, s.took.Seconds(), 100*s.others)
		}
		for i := range found.Snapshots { // one size for all: by hand it is the same database
			found.Snapshots[i].Bytes = saved.Size
		}
		must(b, os.Remove(filepath.Join(dir, "by-hand.db")))
		g.on(b, first.Name, "", "rm /root/by-hand.db")
		for _, h := range g.lab.Hosts() { // what a restore puts aside
			g.on(b, h.Name, "", "rm -rf /var/lib/etcd-prod.aside-*")
		}
		g.healthy(b, strings.TrimSuffix(ctl, " --endpoints=https://127.0.0.1:2379"))
	}
	for _, c := range found.Snapshots {
		b.ReportMetric(median(c.per100(c.Seconds)), strings.ReplaceAll(c.Tool+"-"+c.What, " ", "-")+"-s/100MB")
	}
	b.ReportMetric(0, "ns/op") // a round is no operation
}

func (f *benchmarks) addCopying(tool, what string, run sample) {
	i := slices.IndexFunc(f.Snapshots, func(c copying) bool { return c.Tool == tool && c.What == what })
	if i < 0 {
		f.Snapshots = append(f.Snapshots, copying{Tool: tool, What: what})
		i = len(f.Snapshots) - 1
	}
	c := &f.Snapshots[i]
	c.Seconds, c.CPU = append(c.Seconds, rounded(run.took)), append(c.CPU, rounded(run.cpu))
	c.Others = append(c.Others, hundredths(run.others))
}
