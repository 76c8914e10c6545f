package acceptance

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/clusterup/clusterup/plan/etcd"
)

// TestClientsPage runs docs/clients.md from its text, on three hosts. A client is at work all through the rotation,
// with the files as they are at each moment.
func TestClientsPage(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	s := newSite(t, "clients", hosts(3)...)
	followed(t, s, "../docs/clients.md")
	s.nobodyRefused(t, s.inventory(t, "prod"))
	if !t.Failed() {
		throughPorts(t, s)
	}
}

// throughPorts looks at client ports alone while a member is stopped, no host lets anybody log in, and, in the end, the
// observer's certificate is revoked.
func throughPorts(t *testing.T, s *site) {
	for _, name := range s.names() {
		s.on(t, name, "systemctl stop ssh")
	}
	s.ok(t, "check", "--no-ssh", "prod.hcl")
	s.on(t, "etcd-3", "systemctl stop etcd-prod")
	s.run(t, "check", "--no-ssh", "prod.hcl").exits(t, 12).says(t, "etcd-3: …[unreachable]", "2 of 3 members healthy").
		saysNot(t, "etcd-1:", "etcd-2:", "unplanned")
	s.run(t, "status", "--no-ssh", "--json", "prod.hcl").exits(t, 12).counts(t, 2, true).
		says(t, `"unseen":["hosts","drift","leaves","snapshots"]`, "not every member could be asked: etcd-3").
		state(t, "unreachable", "etcd-3")
	for _, name := range s.names() {
		s.on(t, name, "systemctl start ssh etcd-prod")
	}
	s.ok(t, "cert", "revoke", "--yes", etcd.Observer, "prod.hcl")
	s.run(t, "check", "--no-ssh", "prod.hcl").exits(t, 12).says(t, "0 of 3 members healthy")
}

func init() {
	deeds["client-begins"] = func(t *testing.T, r *reader, arg string) { r.worker = beginWork(t, r.site, arg) }
	deeds["client-goes-on"] = func(t *testing.T, r *reader, _ string) { r.worker.ends(t) }
	deeds["handed-out"] = func(t *testing.T, r *reader, arg string) { // so often
		want, err := strconv.Atoi(arg)
		must(t, err)
		if got := read(t, filepath.Join(r.site.dir, "handed-out")); strings.Count(got, "app\n") != want {
			t.Errorf("handed out to %q, want %d times", got, want)
		}
	}
	deeds["observer"] = func(t *testing.T, r *reader, arg string) {
		r.site.cannotWrite(t, filepath.Join(r.site.dir, arg))
	}
	deeds["timer"] = func(t *testing.T, r *reader, arg string) { r.timed(t, arg) }
}

// scripted checks a script of a page, and puts one of its name there that only notes that it was run.
func (r *reader) scripted(t *testing.T, step pageStep) {
	t.Helper()
	path := r.site.file(t, "checked", step.text)
	r.site.launch(t, "sh", "-n", path).wait(t).exits(t, 0)
	const noted = "#!/bin/sh\nset -eu\ncat \"$CLUSTERUP_CERT\" \"$CLUSTERUP_KEY\" \"$CLUSTERUP_CA\" >/dev/null\n" +
		"echo \"$CLUSTERUP_CLIENT\" >>handed-out\n"
	must(t, os.Chmod(r.site.file(t, "hand-out", noted), 0o700))
}

// unit puts a unit of a page where its first line says, on a host that stands for the control machine.
func (r *reader) unit(t *testing.T, step pageStep) {
	t.Helper()
	path, _, _ := strings.Cut(strings.TrimPrefix(step.text, "# "), "\n")
	if !strings.HasPrefix(path, "/etc/systemd/system/") {
		t.Fatalf("%s:%d: the unit does not say where it lies", r.page, step.line)
	}
	must(t, os.WriteFile(filepath.Join(r.site.lab.Root("etcd-1"), path), []byte(step.text), 0o644))
}

// timed has systemd run a timer's service on a host, with a copy of what is on the control machine, twice: there is
// something to do, and then nothing.
func (r *reader) timed(t *testing.T, name string) {
	t.Helper()
	root := r.site.lab.Root("etcd-1")
	program, err := os.ReadFile(r.site.program)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(root, "usr/local/bin/clusterup"), program, 0o755))
	home := filepath.Join(root, "home/ops/prod")
	must(t, os.CopyFS(home, os.DirFS(r.site.dir)))
	out := r.site.on(t, "etcd-1", `set -e
cd /home/ops/prod && rm -rf creds handed-out && chown -R ops: . && chmod -R go= .
chmod 700 hand-out
systemctl daemon-reload
systemd-analyze verify /etc/systemd/system/`+name+`.*
systemctl enable --now `+name+`.timer
for i in 1 2; do
  systemctl start `+name+`.service || { journalctl -o cat -u `+name+`.service; exit 1; }
  find creds/.app -name key.pem -printf '%u %m '
  cat handed-out
done
systemctl is-active `+name+`.timer
journalctl -o cat -u `+name+`.service | grep -c 'nothing to do before'
systemctl disable --now `+name+`.timer && rm /usr/local/bin/clusterup
`)
	if want := "ops 600 app\nops 600 app\nactive\n1"; out != want {
		t.Errorf("the timer: %q, want %q", out, want)
	}
}

// worker is a client at work: again and again it reads its files anew, connects, and writes.
type worker struct {
	stop func()
	done sync.WaitGroup

	mu    sync.Mutex
	times int
	torn  int // readings whose certificate and key did not fit
	wrong []error
}

// beginWork starts one with the files of a client in creds.
func beginWork(t *testing.T, s *site, name string) *worker {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &worker{stop: cancel}
	t.Cleanup(cancel)
	var endpoints []string
	for _, m := range s.inventory(t, "prod").Members {
		endpoints = append(endpoints, endpoint(m, 2379))
	}
	dial := func(ctx context.Context, address string) (net.Conn, error) {
		return s.lab.DialContext(ctx, "tcp", address)
	}
	w.done.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			err := w.work(ctx, clientv3.Config{
				Endpoints: endpoints, Logger: zap.NewNop(),
				DialOptions: []grpc.DialOption{grpc.WithContextDialer(dial)},
			}, filepath.Join(s.dir, "creds"), name, n)
			w.mu.Lock()
			if w.times++; err != nil && ctx.Err() == nil {
				w.wrong = append(w.wrong, err)
			}
			w.mu.Unlock()
		}
	})
	until(t, "a client to work", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.times > 2
	})
	return w
}

// work is one connection and one write, for which there is as long as an election takes.
func (w *worker) work(ctx context.Context, config clientv3.Config, dir, name string, n int) error {
	files := func() (pair tls.Certificate, err error) {
		return tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+"-key.pem"))
	}
	pair, err := files()
	if err != nil { // in the middle of a swap
		w.torn++
		pair, err = files()
	}
	ca, errCA := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err := errors.Join(err, errCA); err != nil {
		return err
	}
	config.TLS = &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool(), Certificates: []tls.Certificate{pair},
	}
	config.TLS.RootCAs.AppendCertsFromPEM(ca)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := clientv3.New(config)
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		trial, over := context.WithTimeout(ctx, 2*time.Second)
		_, err = c.Put(trial, "work/"+name, fmt.Sprint(n))
		over()
		if err == nil || ctx.Err() != nil || strings.Contains(err.Error(), "tls: ") ||
			strings.Contains(err.Error(), "x509: ") {
			return err
		}
	}
}

// ends stops it: it was never refused, and no write took too long.
func (w *worker) ends(t *testing.T) {
	t.Helper()
	w.stop()
	w.done.Wait()
	t.Logf("%d connections, %d pairs that did not fit when they were read", w.times, w.torn)
	if err := errors.Join(w.wrong...); err != nil || w.times < 20 {
		t.Errorf("%d connections: %v", w.times, err)
	}
}

// renewedThroughKills kills runs with --renew at every point. The names of the files always stand for one pair, and the
// next run ends what was begun, and tells of it.
func renewedThroughKills(t *testing.T, s *site, inv inventory) {
	dir, log := filepath.Join(t.TempDir(), "creds"), filepath.Join(t.TempDir(), "log")
	args := func(user string) []string {
		inv.Settings = fmt.Sprintf("client \"renewed\" { user = %q }\n", user)
		return []string{
			"cert", "issue", "renewed", s.write(t, "renewed.hcl", inv), "--out", dir, "--renew", "--reload-command",
			"echo $(openssl x509 -in \"$CLUSTERUP_CERT\" -noout -subject) >>'" + log + "'",
		}
	}
	holds := func(users ...string) {
		t.Helper()
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "renewed.pem"), filepath.Join(dir, "renewed-key.pem"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(users, pair.Leaf.Subject.CommonName) {
			t.Errorf("it is for %s, want one of %v", pair.Leaf.Subject, users)
		}
	}
	s.ok(t, args("user-0")...)
	points := s.points(t, 0, args("user-1")...)
	for i, point := range points {
		was, wanted := fmt.Sprint("user-", i+1), fmt.Sprint("user-", i+2)
		if got := s.disturbed(t, "CLUSTERUP_FAULT=kill "+point, args(wanted)...); got.code == 0 {
			t.Errorf("killed %s: it ended well", point)
		}
		holds(was, wanted)
		s.ok(t, args(wanted)...)
		holds(wanted)
		if told := read(t, log); !strings.HasSuffix(told, wanted+"\n") {
			t.Errorf("killed %s: last told of was %s", point, told[strings.LastIndex(strings.TrimSpace(told), "\n")+1:])
		}
	}
	if len(points) < 12 {
		t.Errorf("there are %d points only: %v", len(points), points)
	}
	before := read(t, log)
	s.ok(t, args(fmt.Sprint("user-", len(points)+1))...).says(t, "nothing to do")
	if read(t, log) != before {
		t.Error("somebody is told of nothing")
	}
}

// cannotWrite checks that an observer can neither read nor write a key, through any member.
func (s *site) cannotWrite(t *testing.T, dir string) {
	t.Helper()
	name := filepath.Join(dir, etcd.Observer)
	pair, err := tls.LoadX509KeyPair(name+".pem", name+"-key.pem")
	must(t, err)
	config := trusting(t, filepath.Join(dir, "ca.pem"))
	config.Certificates = []tls.Certificate{pair}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, m := range s.inventory(t, "prod").Members {
		c := s.client(t, config, endpoint(m, 2379))
		_, errPut := c.Put(ctx, "observed", "x")
		_, errGet := c.Get(ctx, "work/app")
		_, errAuth := c.UserList(ctx)
		for what, err := range map[string]error{"write": errPut, "read": errGet, "list users": errAuth} {
			if !errors.Is(err, rpctypes.ErrPermissionDenied) && !errors.Is(err, rpctypes.ErrUserNotFound) {
				t.Errorf("an observer may %s through %s: %v", what, m.Name, err)
			}
		}
	}
}
