package acceptance

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// upgrades take a cluster from one minor version to the next, and back.
func upgrades() []rolling {
	version := func(v string) func(*inventory) { return func(inv *inventory) { inv.Version = v } }
	upgrade := func(v string, more ...string) []string {
		return append([]string{"upgrade", "--yes", "--to=" + v}, more...)
	}
	back := []string{"apply", "--yes", "--accept=downgrade"}
	return []rolling{
		{
			name: "etcd 3.5 becomes 3.6", change: version(release), args: upgrade(release), edits: true,
			who: unhurried(everybody),
		},
		{
			name: "etcd 3.6 becomes 3.7", change: version(releaseNext), args: upgrade(releaseNext), edits: true,
			who: unhurried(everybody),
		},
		{name: "etcd 3.7 becomes 3.6", change: version(release), args: back, who: unhurried(everybody)},
	}
}

// TestRollUpgrade takes a cluster through all minor versions and back, while clients are at work.
func TestRollUpgrade(t *testing.T) {
	t.Parallel()
	s := newSite(t, "roll-up", hosts(3)...)
	inv := s.inventory(t, "prod")
	inv.Version = releaseBefore
	inv.Settings += "\n  snapshot { seal_to = [\"" + strings.TrimSpace(read(t, inv.Identity+".pub")) + "\"] }\n"
	file := s.write(t, "prod.hcl", inv)
	s.ok(t, "apply", "--yes", file)
	for i, r := range upgrades() {
		t.Run(r.name, func(t *testing.T) { r.undergo(t, s, &inv) })
		sealedBefore(t, s, s.write(t, "prod.hcl", inv), i+1)
	}
	t.Run("broken", func(t *testing.T) { brokenTarget(t, s, inv) })
	t.Run("hold the last", func(t *testing.T) { holdLast(t, s, inv) })
}

// sealedBefore looks at the newest of n snapshots, which was saved before a version was left: it is sealed, as the
// inventory says, and can be restored with the version that was left.
func sealedBefore(t *testing.T, s *site, file string, n int) {
	t.Helper()
	all := strings.Split(strings.TrimSpace(s.ok(t, "snapshot", "list", "--json", file).stdout), "\n")
	if len(all) != n || !strings.Contains(all[0], `"sealed_to":["ssh-ed25519 `) ||
		!strings.Contains(all[0], `"for":"before leaving etcd `) {
		t.Errorf("%d snapshots, of which the newest is %s", len(all), all[0])
	}
	s.ok(t, "snapshot", "verify", "--drill", "latest", file).says(t, "as described", "of another minor version")
}

// TestRollHops takes five members from 3.5 to 3.7 in one go.
func TestRollHops(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	s := newSite(t, "roll-hops", hosts(5)...)
	s.shipped()
	inv := s.inventory(t, "prod")
	inv.Version = releaseBefore
	file := s.write(t, "prod.hcl", inv)
	s.ok(t, "apply", "--yes", file)
	rolling{
		name: "etcd 3.5 becomes 3.7 by way of 3.6 (--accept=hops)", who: somebody, edits: true, hops: 2,
		change: func(inv *inventory) { inv.Version = releaseNext },
		args:   []string{"upgrade", "--yes", "--to=" + releaseNext, "--accept=hops"},
	}.undergo(t, s, &inv)
}

// versions are those that the members run.
func (s *site) versions(t *testing.T, file string, inv inventory) map[string]int {
	t.Helper()
	counts := map[string]int{}
	members, _ := s.status(t, file, inv.Cluster)
	for _, m := range members {
		counts[m.Version+" "+m.State]++
	}
	return counts
}

// holdLast stops an upgrade before its last member, goes on, and goes back.
func holdLast(t *testing.T, s *site, inv inventory) {
	old, next := inv, inv
	next.Version = releaseNext
	file, n := s.write(t, "prod.hcl", inv), len(inv.Members)
	held := map[string]int{releaseNext + " healthy": n - 1, release + " healthy": 1}
	check := func(want map[string]int) {
		t.Helper()
		if got := s.versions(t, file, next); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("members run %v, want %v", got, want)
		}
	}
	tr := startTraffic(t, s, inv, nobody)
	defer func() { tr.stop(t).unnoticed(t) }()
	s.ok(t, "upgrade", "--yes", "--to="+releaseNext, "--hold-last", file).says(t, "stays at etcd "+inv.Version)
	check(held)
	s.run(t, "plan", "--exit-code", file).exits(t, 3)
	if whole() {
		s.ok(t, "apply", "--yes", s.write(t, "prod.hcl", old)) // back is still a matter of restarts
		s.inSync(t, file, old)
		s.ok(t, "upgrade", "--yes", "--to="+releaseNext, "--hold-last", file)
		check(held)
	}
	s.ok(t, "apply", "--yes", file)
	s.inSync(t, file, next)
}

// The ways in which an etcd of brokenProgram fails.
const (
	saysWhy     = "says why"
	hangs       = "hangs"
	brokenWords = "this etcd was built for another kernel"
)

// brokenTarget wants a release whose etcd does not start: the one member that tried goes back by itself.
func brokenTarget(t *testing.T, s *site, inv inventory) {
	for i, how := range []string{saysWhy, "says nothing", hangs} {
		if i > 0 && !whole() {
			break
		}
		t.Run(how, func(t *testing.T) {
			bad, says := inv, []string{"taken back"}
			if how == saysWhy {
				says = append(says, brokenWords)
			}
			bad.Version = fmt.Sprintf("3.6.9%d", i) // what is once known of a version is pinned
			bad.Mirror = brokenMirror(t, bad.Version, how)
			file := s.write(t, "prod.hcl", bad)
			tr := startTraffic(t, s, inv, nobody)
			s.run(t, "apply", "--yes", file).exits(t, 14).says(t, says...)
			if got, want := s.versions(t, file, bad),
				fmt.Sprint(map[string]int{inv.Version + " healthy": len(inv.Members)}); fmt.Sprint(got) != want {
				t.Errorf("members run %v, want %v", got, want)
			}
			s.ok(t, "apply", "--yes", s.write(t, "prod.hcl", inv))
			tr.stop(t).unnoticed(t)
			s.inSync(t, file, inv)
			if !t.Failed() {
				guarantee(t, "the new version does not start: it "+how, upgradeRoll,
					"exit 14; the one member goes back by itself, no write fails")
			}
		})
	}
}

// brokenProgram is what its mirror has for an etcd.
const brokenProgram = `package main

import (
	"os"
	"syscall"
)

var how string

func main() {
	switch how {
	case "` + saysWhy + `":
		println("` + brokenWords + `")
		os.Exit(1)
	case "` + hangs + `":
		for {
			_ = syscall.Pause()
		}
	}
	os.Exit(3)
}
`

// brokenMirror has all releases of the others, and one more, whose etcd is of no use.
func brokenMirror(t *testing.T, version, how string) string {
	t.Helper()
	source, program := filepath.Join(t.TempDir(), "main.go"), filepath.Join(t.TempDir(), "etcd")
	must(t, os.WriteFile(source, []byte(brokenProgram), 0o600))
	must(t, goRun("build", "-ldflags", "-X 'main.how="+how+"'", "-o", program, source))
	good, err := mirror()
	must(t, err)
	dir := t.TempDir()
	for _, v := range []string{release, releaseNext} {
		must(t, os.Symlink(filepath.Join(good, "v"+v), filepath.Join(dir, "v"+v)))
	}
	archive, _ := published(t)
	archive = repacked(t, archive, version, read(t, program))
	name := strings.ReplaceAll(archiveName, release, version)
	folder := filepath.Join(dir, "v"+version)
	must(t, os.Mkdir(folder, 0o700))
	must(t, os.WriteFile(filepath.Join(folder, name), archive, 0o600))
	must(t, os.WriteFile(filepath.Join(folder, "SHA256SUMS"), fmt.Appendf(nil, "%x  %s\n", sha256.Sum256(archive), name),
		0o600))
	return dir
}

// repacked is the archive of release as one of another version, with another etcd.
func repacked(t *testing.T, archive []byte, version, etcd string) []byte {
	t.Helper()
	var out bytes.Buffer
	unzip, err := gzip.NewReader(bytes.NewReader(archive))
	must(t, err)
	from, zip := tar.NewReader(unzip), gzip.NewWriter(&out)
	to := tar.NewWriter(zip)
	for {
		head, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		body, err := io.ReadAll(from)
		must(t, err)
		if filepath.Base(head.Name) == "etcd" {
			body = []byte(etcd)
		}
		const module = "\tgo.etcd.io/etcd/api/v3\tv" // by which a program says what it was built from
		body = bytes.ReplaceAll(body, []byte(module+release), []byte(module+version))
		head.Name, head.Size = strings.ReplaceAll(head.Name, release, version), int64(len(body))
		must(t, to.WriteHeader(head))
		_, err = to.Write(body)
		must(t, err)
	}
	must(t, errors.Join(to.Close(), zip.Close()))
	return out.Bytes()
}
