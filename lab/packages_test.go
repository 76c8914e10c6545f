package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPackageSet(t *testing.T) {
	got, err := packageSet([]string{"keepalived", "g++", "haproxy", "keepalived"})
	if d := cmp.Diff([]string{"g++", "haproxy", "keepalived"}, got); d != "" || err != nil {
		t.Errorf("%v, %s", err, d)
	}
	for _, bad := range []string{"", "-y", "haproxy-", "haproxy=2.6", "haproxy/sid", "haproxy:arm64", "hap*", "a b", "A"} {
		if _, err := packageSet([]string{bad}); err == nil {
			t.Errorf("package %q has no objection", bad)
		}
	}
}

func TestTakePackages(t *testing.T) {
	for _, tt := range []struct {
		name      string
		have, ask []string
		isUp, ok  bool
		want      []string
	}{
		{"a new lab", nil, []string{"bb", "aa"}, false, true, []string{"aa", "bb"}},
		{"a new lab without", nil, nil, false, true, nil},
		{"the same again", []string{"aa", "bb"}, []string{"bb", "aa"}, true, true, []string{"aa", "bb"}},
		{"not said again", []string{"aa"}, nil, true, true, []string{"aa"}},
		{"others", []string{"aa"}, []string{"bb"}, true, false, []string{"aa"}},
		{"of a lab that has none", nil, []string{"bb"}, true, false, nil},
	} {
		s := &state{Packages: tt.have}
		if tt.isUp {
			s.Hosts = []hostState{testSite().hostState}
		}
		err := s.takePackages(tt.ask)
		if (err == nil) != tt.ok || !slices.Equal(s.Packages, tt.want) {
			t.Errorf("%s: %v, packages %q", tt.name, err, s.Packages)
		}
	}
}

// A lab without packages is what it was before there were any.
func TestWithoutPackages(t *testing.T) {
	dir, err := ensurePackages(t.Context(), "bookworm", "/nowhere", nil, nil)
	if dir != "" || err != nil {
		t.Errorf("repository %q, %v", dir, err)
	}
	s := testSite()
	if args := strings.Join(s.bootArgs(nil), " "); strings.Contains(args, packagesAt) {
		t.Errorf("a host has a repository: %s", args)
	}
	s.Repository = "/var/cache/clusterup/packages/bookworm-12345678"
	if args := strings.Join(s.bootArgs(nil), " "); !strings.Contains(args, " --bind-ro="+s.Repository+":"+packagesAt) {
		t.Errorf("a host has no repository: %s", args)
	}
}

func TestRelease(t *testing.T) {
	golden(t, "release.txt", releaseOf("bookworm", "Package: x\n", time.Unix(1e9, 0)))
}

// testArchive is what apt knows of an archive of five packages, on an image that has one of them.
func testArchive(t *testing.T) repository {
	t.Helper()
	for _, c := range []string{"apt-get", "dpkg-deb"} {
		if lookTool(c) != "" {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing", c)
		}
		t.Skipf("%s is missing", c)
	}
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // apt reads as a user of its own
		t.Fatal(err)
	}
	debs := filepath.Join(dir, "debs")
	for _, control := range []string{
		"Package: app\nVersion: 1.0\nDepends: lib (>= 1:2), installed\nRecommends: extra\n",
		"Package: lib\nVersion: 1:2.0+b1\n", // an epoch: its colon is no part of every file's name
		"Package: extra\nVersion: 1.0\n",
		"Package: rival\nVersion: 1.0\nConflicts: app\n",
		"Package: installed\nVersion: 2.0\n",
	} {
		buildDeb(t, debs, control)
	}
	if err := publish(t.Context(), debs, filepath.Join(dir, "archive"), "bookworm"); err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(dir, "image")
	status := "Package: installed\nStatus: install ok installed\nVersion: 1.0\nArchitecture: all\nMaintainer: x\nDescription: x\n"
	if err := os.MkdirAll(filepath.Join(image, "var/lib/dpkg"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(image, "var/lib/dpkg/status"), []byte(status), 0o644); err != nil {
		t.Fatal(err)
	}
	return repository{
		suite: "bookworm", image: image, packages: []string{"app"}, cache: filepath.Join(dir, "cache"),
		source: "deb [trusted=yes] copy:" + filepath.Join(dir, "archive") + " ./",
	}
}

func buildDeb(t *testing.T, to, control string) {
	t.Helper()
	tree := t.TempDir()
	if err := os.MkdirAll(filepath.Join(tree, "DEBIAN"), 0o755); err != nil {
		t.Fatal(err)
	}
	control += "Architecture: all\nMaintainer: nobody <nobody@example.com>\nDescription: for a test\n"
	if err := os.WriteFile(filepath.Join(tree, "DEBIAN/control"), []byte(control), 0o644); err != nil {
		t.Fatal(err)
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(control, "Package: "), "\n")
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t.Context(), "", "dpkg-deb", "-Znone", "--root-owner-group", "--build", tree,
		filepath.Join(to, name+".deb")); err != nil {
		t.Fatal(err)
	}
}

// fetches counts how often somebody went to the archive.
func fetches(log string) int { return strings.Count(log, "fetching") }

// Those who ask at the same time, and those who ask later, go to the archive once, and get what the image lacks.
func TestRepository(t *testing.T) {
	t.Parallel()
	r := testArchive(t)
	var log strings.Builder
	p := &progress{w: &log}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := r.ensure(t.Context(), p); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := fetches(log.String()); n != 1 {
		t.Errorf("%d fetches:\n%s", n, log.String())
	}
	want := []string{"Packages", "Release", "app_1.0_all.deb", "lib_1:2.0+b1_all.deb"}
	if d := cmp.Diff(want, names(t, r.dir())); d != "" {
		t.Error(d)
	}

	// It is an archive itself: apt finds in it what it lists.
	again := r
	again.cache += "-again"
	again.source = "deb [trusted=yes] copy:" + r.dir() + " ./"
	if err := again.ensure(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if d := cmp.Diff(want, names(t, again.dir())); d != "" {
		t.Error(d)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// A repository that cannot be made says why, and leaves nothing that looks like one.
func TestRepositoryRefused(t *testing.T) {
	t.Parallel()
	r := testArchive(t)
	for _, tt := range []struct {
		name, want string
		change     func(*repository)
	}{
		{
			"no such package", "bookworm has no package lib-none, none",
			func(r *repository) { r.packages = []string{"app", "lib-none", "none"} },
		},
		{"packages that exclude each other", "rival", func(r *repository) { r.packages = []string{"app", "rival"} }},
		{
			"nobody signed it", "is not signed",
			func(r *repository) { r.source = strings.Replace(r.source, "[trusted=yes] ", "", 1) },
		},
		{
			"an archive that is away for a while", "Failed to fetch",
			func(r *repository) { r.source = "deb [trusted=yes] http://127.0.0.1:1 ./" },
		},
		{"no image", "status", func(r *repository) { r.image += "-none" }},
	} {
		bad := r
		bad.cache = filepath.Join(r.cache, strings.ReplaceAll(tt.name, " ", "-"))
		tt.change(&bad)
		err := bad.ensure(t.Context(), nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		left, _ := filepath.Glob(filepath.Join(bad.cache, "bookworm-*"))
		if len(left) > 0 {
			t.Errorf("%s leaves %v", tt.name, left)
		}
	}
}

// A run that was killed while it fetched is in nobody's way.
func TestRepositoryAfterCrash(t *testing.T) {
	t.Parallel()
	r := testArchive(t)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := r.ensure(ctx, nil); err == nil {
		t.Error("a run that was stopped has fetched")
	}
	for _, left := range []string{
		r.dir() + ".partial/half.deb", r.apt("archives/half.deb"), r.apt("archives/app_1.0_all.deb"),
	} {
		if err := os.MkdirAll(filepath.Dir(left), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(left, []byte("half"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.ensure(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(names(t, r.dir())); got != "[Packages Release app_1.0_all.deb lib_1:2.0+b1_all.deb]" {
		t.Errorf("it has %s", got)
	}
}
