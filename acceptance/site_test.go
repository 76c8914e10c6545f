package acceptance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/lab"
)

// patience is how long anything at all may take here, on a busy machine.
const patience = 2 * time.Minute

// rooms bounds how many labs there are at once: two cores carry no more, since much of their time is waiting.
var rooms = make(chan struct{}, 3)

// site is an operator's place of work: a lab, a directory with inventories, and a home.
type site struct {
	lab  *lab.Lab
	dir  string
	home string
	said *buffer // all that clusterup ever wrote here

	program  string // clusterup
	compared string // the file for comparisons, where program makes some
}

// newSite brings up a lab of its own, on which root and the sudo user ops may log in.
func newSite(t *testing.T, name string, hosts ...lab.HostSpec) *site {
	t.Helper()
	return newSiteWith(t, name, nil, hosts...)
}

// newSiteWith is newSite, and its hosts can install these packages of Debian.
func newSiteWith(t *testing.T, name string, packages []string, hosts ...lab.HostSpec) *site {
	t.Helper()
	needHosts(t)
	if _, err := mirror(); err != nil {
		t.Fatal(err)
	}
	rooms <- struct{}{}
	t.Cleanup(func() { <-rooms })
	name = fmt.Sprintf("acc-%d-%s", os.Getpid(), name)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		l, err := lab.Open(name)
		if err == nil {
			err = l.Down(ctx)
		}
		if err != nil && !errors.Is(err, lab.ErrNoLab) {
			t.Error(err)
		}
	})
	l, err := lab.Up(t.Context(), lab.Options{Name: name, Hosts: hosts, User: "ops", Packages: packages})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{lab: l, dir: t.TempDir(), home: t.TempDir(), said: &buffer{}}
	s.compare(t)
	return s
}

// hosts asks for n hosts etcd-1, etcd-2, …, of the suites in turn.
func hosts(n int, suites ...string) []lab.HostSpec {
	specs := make([]lab.HostSpec, n)
	for i := range specs {
		specs[i].Name = fmt.Sprintf("etcd-%d", i+1)
		if len(suites) > 0 {
			specs[i].Suite = suites[i%len(suites)]
		}
	}
	return specs
}

// names are those of all hosts.
func (s *site) names() []string {
	var names []string
	for _, h := range s.lab.Hosts() {
		names = append(names, h.Name)
	}
	return names
}

func (s *site) host(t *testing.T, name string) lab.Host {
	t.Helper()
	for _, h := range s.lab.Hosts() {
		if h.Name == name {
			return h
		}
	}
	t.Fatalf("no host %s in the lab", name)
	return lab.Host{}
}

// on runs a shell script as root on a host, not over SSH, and returns what it printed.
func (s *site) on(t *testing.T, host, script string) string {
	t.Helper()
	out, err := s.try(t, host, script)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// try is on for scripts that may fail.
func (s *site) try(t *testing.T, host, script string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := s.lab.ExecInput(ctx, host, script, "sh", "-s")
	return strings.TrimSpace(string(out)), err
}

// pids are the processes of a cluster's members by host; "0" is one that does not run.
func (s *site) pids(t *testing.T, cluster string) map[string]string {
	t.Helper()
	pids := map[string]string{}
	for _, name := range s.names() {
		pids[name] = s.on(t, name, "systemctl show -p MainPID --value etcd-"+cluster)
	}
	return pids
}

// file writes a file beside the inventories.
func (s *site) file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// until waits for a condition that holds soon, and says in the end what it waited for.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline, tick := time.After(patience), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %s for %s", patience, what)
		}
	}
}
