package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// programs of a release and the Go packages that they are built from. All three have had a module of their own since
// 3.5.
var programs = []struct{ name, pkg string }{
	{"etcd", "go.etcd.io/etcd/server/v3"},
	{"etcdctl", "go.etcd.io/etcd/etcdctl/v3"},
	{"etcdutl", "go.etcd.io/etcd/etcdutl/v3"},
}

// build compiles the programs of r into dir. It goes by way of a scratch module that requires them, because `go install
// PACKAGE@VERSION` refuses modules with replace directives, and etcd's have them. One line for each command goes to
// progress.
func build(ctx context.Context, r rel, dir string, progress io.Writer) error {
	module := filepath.Join(dir, "module")
	if err := os.Mkdir(module, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(module, "go.mod"), []byte("module etcdbuild\n\ngo 1.26\n"), 0o644); err != nil {
		return err
	}
	get := []string{"get"}
	for _, p := range programs {
		get = append(get, p.pkg+"@v"+r.version)
	}
	if err := goCommand(ctx, r, module, progress, get...); err != nil {
		return err
	}
	for _, p := range programs {
		err := goCommand(ctx, r, module, progress,
			"build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, p.name), p.pkg)
		if err != nil {
			return err
		}
	}
	return nil
}

func goCommand(ctx context.Context, r rel, dir string, progress io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	// The caller's own flags and workspace are for other modules; the target and the processor level decide the bytes.
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+r.arch,
		"GOAMD64=v1", "GOARM64=v8.0")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	fmt.Fprintf(progress, "etcd %s for linux/%s: go %s %s\n", r.version, r.arch, args[0], args[len(args)-1])
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", args[0], err, tail(said.String(), 2000))
	}
	return nil
}

// tail is the end of what a command said, at most n bytes from the start of a line.
func tail(text string, n int) string {
	if len(text) <= n {
		return text
	}
	_, rest, _ := strings.Cut(text[len(text)-n:], "\n")
	return rest
}
