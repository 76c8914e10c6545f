package acceptance

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/clusterup/clusterup/lab"
)

// The releases that the scenarios install.
const (
	releaseBefore = "3.5.35"
	release       = "3.6.16"
	releaseNext   = "3.7.3"
)

// clusterup is the binary under test, and cache where all runs keep what they download: shared, as on an operator's
// machine.
var clusterup, cache string

func TestMain(m *testing.M) {
	code, err := setUp(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "acceptance:", err)
		code = 1
	}
	os.Exit(code)
}

func setUp(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "clusterup-acceptance-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	cache = filepath.Join(dir, "cache")
	clusterup = os.Getenv("CLUSTERUP_BIN")
	if clusterup == "" {
		clusterup = filepath.Join(dir, "clusterup")
		if err := goRun("build", "-trimpath", "-o", clusterup, "./cmd/clusterup"); err != nil {
			return 0, err
		}
	}
	code = m.Run()
	if code == 0 && flag.Lookup("test.run").Value.String() == "" {
		err = uncompared()
	}
	if code == 0 && err == nil && *writeFound {
		err = found.write()
	}
	return code, err
}

// goRun runs the go command at the root of the repository.
func goRun(args ...string) error {
	cmd := exec.Command("go", args...)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run go %v: %w\n%s", args, err, out)
	}
	return nil
}

// mirror is a folder with the releases; those that are missing are packed.
var mirror = sync.OnceValues(func() (string, error) {
	dir := os.Getenv("CLUSTERUP_MIRROR")
	if dir == "" {
		dir = "/var/cache/clusterup/mirror"
	}
	for _, version := range []string{releaseBefore, release, releaseNext} {
		if _, err := os.Stat(filepath.Join(dir, "v"+version, "SHA256SUMS")); err == nil {
			continue
		}
		if err := goRun("run", "./lab/pack", "-out", dir, version); err != nil {
			return "", err
		}
	}
	return dir, nil
})

// needHosts skips a test that cannot have hosts here; in CI that is a failure.
func needHosts(t *testing.T) {
	t.Helper()
	if *update {
		t.Skip("nothing on hosts writes expected outputs")
	}
	err := lab.Preflight()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}
