package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// nearEnd are the points at which a restore may be over, so that the same command would begin another one.
var nearEnd = regexp.MustCompile("unmark-restore/|prune-trust/|revoke-leaf/|list-revoked/")

// ofPeerCA is a point that has the number of a peer CA in its name. Each restore makes another one.
var ofPeerCA = regexp.MustCompile(`((?:create|retire)-ca/peer-)\d+`)

// peerCAs are how many peer CAs there have been: the number of the newest.
func (s *site) peerCAs(t *testing.T) int {
	t.Helper()
	cas, err := filepath.Glob(filepath.Join(s.dir, ".clusterup", "prod", "ca", "peer-*.pem"))
	must(t, err)
	return len(cas)
}

// killedRestores has runs die that make a cluster anew, and be gone on with by the same command, from another machine
// that has the operator directory: all comes to the same keys.
func killedRestores(t *testing.T, s *site, inv inventory) {
	s.converges(t, inv) // so that its release is there: the points are those of every round
	for _, op := range []struct {
		name    string
		args    []string
		telling string
		own     *regexp.Regexp                             // the points to try in full; nil: all
		before  func(*testing.T, string) map[string]string // what is to be there in the end
	}{
		{
			"restore from a snapshot, 3 members",
			[]string{"snapshot", "restore", "latest"},
			"kill before start-member/etcd-2",
			nil,
			func(t *testing.T, round string) map[string]string {
				t.Helper()
				keys := s.put(t, inv, "kept"+round, 3)
				s.ok(t, "snapshot", "save", filepath.Join(s.dir, "prod.hcl"))
				s.put(t, inv, "lost"+round, 3)
				return keys
			},
		},
		{
			"recovery from 1 of 3 members",
			[]string{"recover"},
			"kill after salvage-member/etcd-1",
			regexp.MustCompile(" (mark-restore|stop-member|salvage-member|create-ca|retire-ca|move-aside)/"),
			func(t *testing.T, round string) map[string]string {
				t.Helper()
				keys := s.put(t, inv, "before"+round, 3)
				for _, host := range []string{"etcd-2", "etcd-3"} {
					s.on(t, host, "systemctl kill -s KILL etcd-prod; rm -rf /var/lib/etcd-prod/member /var/lib/etcd-prod.aside-*")
				}
				return keys
			},
		},
	} {
		file := s.write(t, "prod.hcl", inv)
		args := func(file string) []string { return append(slices.Clone(op.args), file, "--confirm=prod") }
		faults := []string{op.telling}
		if whole() {
			op.before(t, "-points")
			faults = nil
			for _, point := range steps(s.points(t, 0, args(file)...), "") {
				if op.own == nil || op.own.MatchString(point) {
					faults = append(faults, "kill "+point)
				}
			}
		}
		tried := 0 // -run may name a part of them
		for i, fault := range faults {
			t.Run(op.args[0]+" "+fault, func(t *testing.T) {
				tried++
				file := s.write(t, "prod.hcl", inv)
				keys := op.before(t, fmt.Sprintf("-%d", i))
				fault := ofPeerCA.ReplaceAllString(fault, fmt.Sprint("${1}", s.peerCAs(t)))
				s.disturbed(t, "CLUSTERUP_FAULT="+fault, args(file)...).exits(t, -1)
				elsewhere := filepath.Join(t.TempDir(), "elsewhere")
				copied(t, s.dir, elsewhere)
				there := filepath.Join(elsewhere, "prod.hcl")
				r := s.run(t, args(there)...)
				if r.code == 13 && nearEnd.MatchString(fault) { // the restore was over
					r = s.run(t, "apply", "--yes", there)
				}
				must(t, os.RemoveAll(s.dir)) // the next points need what this one has made, however it ends
				copied(t, elsewhere, s.dir)
				r.exits(t, 0)
				s.ok(t, "plan", "--exit-code", file)
				s.holds(t, inv, keys)
				s.inSync(t, file, inv)
			})
		}
		if whole() && !t.Failed() && tried == len(faults) {
			which := "each of its"
			if op.own != nil {
				which = "the first"
			}
			guarantee(t, fmt.Sprintf("clusterup is killed before and after %s %d steps", which, len(faults)/2), op.name,
				"gone on with by the same command, from another machine: every key as announced")
		}
	}
}
