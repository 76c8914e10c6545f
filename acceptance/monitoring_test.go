package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestMonitoring has Debian's Prometheus watch a real cluster as docs/monitoring.md says: every series and label that
// a rule or a panel names is there, and alerts fire for real.
func TestMonitoring(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(os.Getenv("CLUSTERUP_PROMETHEUS"), "prometheus")
	if _, err := os.Stat(bin); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("make prometheus fetches it: %v", err)
		}
		t.Skip(err)
	}
	s := newSite(t, "watch", hosts(3)...)
	page := "../docs/monitoring.md"
	followed(t, s, page)
	if t.Failed() {
		return
	}
	r := newReader(t, s)
	r.known(t, read(t, page))
	file := func(name string) string { return filepath.Join(s.dir, name) }
	rules := shortened(t, file("etcd-prod.rules.yml"))
	p := s.prometheus(t, bin, rules, file("etcd-prod.scrape.yml"), file("clusterup.prom"))
	p.await(t, "three members answer", `sum(up{job="etcd-prod"}) == 3`)
	p.await(t, "what check wrote is there", `clusterup_check_time_seconds{cluster="prod"}`)
	p.await(t, "rates are known", `rate(process_cpu_seconds_total{job="etcd-prod"}[5m])`)

	var groups struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	must(t, yaml.Unmarshal([]byte(read(t, rules)), &groups))
	seen := 0
	for _, g := range groups.Groups {
		for _, rule := range g.Rules {
			p.names(t, rule.Alert, rule.Expr, rule.Annotations["summary"])
			seen++
		}
	}
	if seen < 20 {
		t.Errorf("%d rules", seen)
	}
	p.draws(t, file("etcd-prod.dashboard.json"))

	// Of the three that are to fire, two do at once, since their times are shortened to nothing.
	p.await(t, "certificates end soon", firing("EtcdCertificateEnds"))
	p.await(t, "the snapshot is old", firing("EtcdSnapshotOld"))
	if got := p.query(t, firing("EtcdMemberDown")); len(got) > 0 {
		t.Errorf("a member is down that is not: %v", got)
	}
	watch := s.start(t, "status", "--watch=1s", file("prod.hcl"))
	watch.await(t, "etcd-3: healthy, ")
	s.on(t, "etcd-3", "systemctl stop etcd-prod")
	watch.await(t, "etcd-3: stopped")
	p.await(t, "a member is down",
		`ALERTS{alertname="EtcdMemberDown",alertstate="firing",member="etcd-3",cluster="prod"}`)
	if got := p.query(t, firing("EtcdNoQuorum")); len(got) > 0 {
		t.Errorf("two of three are no quorum: %v", got)
	}
	s.on(t, "etcd-3", "systemctl start etcd-prod")
	p.await(t, "no member is down", `absent(`+firing("EtcdMemberDown")+`)`)
	until(t, "the watch to see it again", func() bool {
		return strings.Count(watch.stdout.String(), "etcd-3: healthy, ") == 2
	})
	must(t, watch.cmd.Process.Signal(syscall.SIGINT))
	watch.wait(t).exits(t, 0)
	if n := strings.Count(watch.stdout.String(), "etcd-1: "); n > 3 { // it may have become the leader
		t.Errorf("etcd-1 has changed %d times", n)
	}
}

func firing(alert string) string {
	return fmt.Sprintf("ALERTS{alertname=%q,alertstate=%q}", alert, "firing")
}

// shortened are rules that fire as soon as there is a reason, for which every certificate ends soon and every snapshot
// is old.
func shortened(t *testing.T, file string) string {
	t.Helper()
	text := read(t, file)
	for was, now := range map[string]string{
		`(?m)^\s+for: .*\n`: "",
		`(clusterup_certificate_not_after_seconds\{[^}]*\} - time\(\) <) \d+`: "${1} 1e12",
		`(time\(\) - clusterup_snapshot_taken_seconds\{[^}]*\} >) \d+`:        "${1} 0",
	} {
		changed := regexp.MustCompile(was).ReplaceAllString(text, now)
		if changed == text {
			t.Fatalf("no rule is as %s", was)
		}
		text = changed
	}
	path := filepath.Join(t.TempDir(), "rules.yml")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// prometheus is a Prometheus server in the lab's network.
type prometheus struct {
	client http.Client
	url    string
	log    *buffer
}

// prometheus starts one, with rules, a scrape configuration, and a file for the textfile collector, which it gets from
// a server of the test.
func (s *site) prometheus(t *testing.T, bin, rules, scrape, textfile string) *prometheus {
	t.Helper()
	dir := t.TempDir()
	files, err := s.lab.Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	server := &http.Server{
		ReadHeaderTimeout: patience,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			text, err := os.ReadFile(textfile)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			_, _ = w.Write(text)
		}),
	}
	go func() { _ = server.Serve(files) }()
	t.Cleanup(func() { server.Close() })
	free, err := s.lab.Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	address := free.Addr().String()
	free.Close()
	config := strings.Replace(read(t, scrape), "scrape_configs:\n", fmt.Sprintf(`global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files: [%q]
scrape_configs:
  - job_name: node
    honor_labels: true
    static_configs:
      - targets: [%q]
`, rules, files.Addr()), 1)
	must(t, os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600))
	p := &prometheus{url: "http://" + address, log: &buffer{}}
	p.client.Transport = &http.Transport{DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
		return s.lab.DialContext(ctx, network, to)
	}}
	cmd := s.lab.Command(context.WithoutCancel(t.Context()), bin, "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	cmd.Stdout, cmd.Stderr = p.log, p.log
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("prometheus says: %s", p.log)
		}
	})
	return p
}

// promSample is a sample of an instant vector, by its labels.
type promSample map[string]string

// query asks for the newest samples; the server may not have started yet.
func (p *prometheus) query(t *testing.T, expr string) []promSample {
	t.Helper()
	found, err := p.ask(t, expr)
	if err != nil {
		t.Fatalf("%s: %v; it says %s", expr, err, p.log)
	}
	return found
}

func (p *prometheus) ask(t *testing.T, expr string) ([]promSample, error) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	query := p.url + "/api/v1/query?query=" + url.QueryEscape(expr)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, query, nil)
	must(t, err)
	response, err := p.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct{ Metric promSample }
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("%s: %s", answer.Status, answer.Error)
	}
	var found []promSample
	for _, r := range answer.Data.Result {
		found = append(found, r.Metric)
	}
	return found, nil
}

// await waits until an expression has samples.
func (p *prometheus) await(t *testing.T, what, expr string) []promSample {
	t.Helper()
	var found []promSample
	until(t, what, func() bool {
		var err error
		found, err = p.ask(t, expr)
		return err == nil && len(found) > 0
	})
	return found
}

var (
	selector  = regexp.MustCompile(`([a-z_]+)(\{[^}]*\})`)
	labelUsed = regexp.MustCompile(`\$labels\.(\w+)|by \(([^)]*)\)`)
)

// names checks that there are the series that an expression selects, and on them the labels that it and its text use.
func (p *prometheus) names(t *testing.T, what, expr, text string) {
	t.Helper()
	var all []promSample
	for _, s := range selector.FindAllStringSubmatch(expr, -1) {
		found := p.query(t, s[0])
		if len(found) == 0 {
			t.Errorf("%s: there is no %s", what, s[0])
		}
		all = append(all, found...)
	}
	for _, used := range labelUsed.FindAllStringSubmatch(expr+text, -1) {
		for label := range strings.SplitSeq(used[1]+used[2], ", ") {
			if label != "" && label != "le" &&
				!slices.ContainsFunc(all, func(s promSample) bool { return s[label] != "" }) {
				t.Errorf("%s: no series has a label %s", what, label)
			}
		}
	}
}

// draws checks that every query of the dashboard has an answer, and its legends the labels that they name.
func (p *prometheus) draws(t *testing.T, file string) {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
	}
	must(t, json.NewDecoder(bytes.NewReader([]byte(read(t, file)))).Decode(&dashboard))
	seen := 0
	for _, panel := range dashboard.Panels {
		for _, q := range panel.Targets {
			found := p.await(t, panel.Title, q.Expr)
			for _, label := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(q.LegendFormat, -1) {
				if !slices.ContainsFunc(found, func(s promSample) bool { return s[label[1]] != "" }) {
					t.Errorf("%s: %s has no label %s", panel.Title, q.Expr, label[1])
				}
			}
			seen++
		}
	}
	if seen < 25 {
		t.Errorf("%d queries", seen)
	}
}
