package apply_test

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/apply/hosttest"
)

// The fake hosts of these tests do what real ones do; acceptance holds those to the same.
func TestFakeHost(t *testing.T) {
	hosttest.Run(t, func(*testing.T) hosttest.Subject {
		const dir = "/etc/etcd/prod"
		ground := &apply.Ground{Name: "etcd-2", IsDir: func(d string) bool { return d == dir }, Runs: localShell}
		return hosttest.Subject{
			Name: "etcd-2", Host: ground, Dir: dir, Cut: func(*testing.T) { ground.Cut() },
			Read: func(_ *testing.T, name string) *hosttest.Found {
				for _, f := range ground.Files() {
					if f.Path == name {
						return &hosttest.Found{Owner: f.Owner, Group: f.Group, Mode: f.Mode, Data: string(f.Data)}
					}
				}
				return nil
			},
			List: func(*testing.T) (names []string) {
				for _, f := range ground.Files() {
					names = append(names, path.Base(f.Path))
				}
				slices.Sort(names)
				return names
			},
		}
	})
}

// localShell runs a script of the suite with the shell of this machine.
func localShell(ctx context.Context, script string, input []byte) (string, error) {
	cmd := exec.CommandContext(ctx, "/bin/sh")
	cmd.Args = append(cmd.Args, "-c", script)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}
