package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/view"
)

// An observer's certificate is taken from where the flag says, or from the usual place. It has to be good where nothing
// else lets us in; else it is only said that it is not.
func TestObserve(t *testing.T) {
	for name, test := range map[string]struct {
		lies        string        // where it is issued to, below the operator directory's folder; "": nowhere
		life        time.Duration // 0: a year
		flags       clusterFlags
		plain       bool // clients need no certificates
		bare        bool // the key of the client CA is not here
		want        string
		note, asked bool // it is only said; members are asked with it
	}{
		"none":                    {},
		"beside the key":          {lies: ".clusterup/prod/observer"},
		"in the usual place":      {lies: ".clusterup/prod/observer", bare: true, asked: true},
		"as the inventory has it": {lies: ".clusterup/prod/observer", bare: true, life: 2 * time.Hour, asked: true},
		"elsewhere":               {lies: "x", flags: clusterFlags{observer: "x"}, asked: true},
		"not where the flag says": {
			lies: ".clusterup/prod/observer", flags: clusterFlags{observer: "x"}, want: "has no observer's",
		},
		"none, and no SSH":     {flags: clusterFlags{noSSH: true}, want: "cert issue --observer prod.hcl"},
		"none, no SSH, no TLS": {flags: clusterFlags{noSSH: true}, plain: true},
		"no SSH":               {lies: ".clusterup/prod/observer", flags: clusterFlags{noSSH: true}, asked: true},
		"ended": {
			lies: ".clusterup/prod/observer", bare: true, life: time.Minute, want: "ended on", note: true,
		},
		"ended, and no SSH": {
			lies: ".clusterup/prod/observer", life: time.Minute, flags: clusterFlags{noSSH: true}, want: "ended on",
		},
	} {
		s, _ := withCAs(t, 1)
		s.Cluster.TLS.Clients = !test.plain
		if test.life != 0 {
			s.Cluster.Clients = []inventory.Client{{Name: etcd.Observer, User: "other", Lifetime: test.life}}
		}
		below := func(dir string) string { return filepath.Join(s.Cluster.Dir, dir) }
		if test.lies != "" {
			must(t, s.issueOrRenew(t.Context(), etcd.Observer, issueFlags{out: below(test.lies), observer: true}))
		}
		if test.bare {
			must(t, os.Remove(filepath.Join(s.CADir(), "client-1.key")))
		}
		if s.flags = test.flags; s.flags.observer != "" {
			s.flags.observer = below(s.flags.observer)
		}
		now := time.Now().Add(time.Hour)
		s.Now = func() time.Time { return now }
		before := len(s.said())
		err := s.observe()
		said := s.said()[before:]
		if err != nil {
			said += err.Error()
		}
		fails := test.want != "" && !test.note
		if !strings.Contains(said, test.want) || test.want == "" && said != "" || (err != nil) != fails ||
			(s.Observer() != nil) != test.asked {
			t.Errorf("%s: %v, said %q; want %q; asked with it: %v", name, err, said, test.want, s.Observer() != nil)
		}
		if s.Observer() != nil && s.Observer().Pair.User != etcd.Observer {
			t.Errorf("%s: it is for the user %q", name, s.Observer().Pair.User)
		}
	}
}

// Nobody can be asked here: what that leaves open is said of a new certificate, and of the client ports of a cluster.
func TestObserverOfNoMembers(t *testing.T) {
	s, _ := withCAs(t, 1)
	must(t, s.issueOrRenew(t.Context(), etcd.Observer, issueFlags{out: s.ObserverDir(), observer: true}))
	if said := s.said(); !strings.Contains(said, "not known whether etcd's permissions are on") ||
		strings.Contains(said, "no block") {
		t.Errorf("it says %q", said)
	}
	s.flags.noSSH = true
	must(t, s.observe())
	l, err := s.lookAt(t.Context())
	must(t, err)
	if result := l.Check(); len(result.Unseen) == 0 || len(result.Findings) > 0 ||
		view.Advice(nil).ExitCode(s.check(t.Context(), "")) != 0 {
		t.Errorf("a check of no members: %+v", result)
	}
}
