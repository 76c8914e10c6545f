// Command pack builds real etcd releases from Go modules and lays them out as a mirror, as on etcd's GitHub releases:
//
//	OUT/vVERSION/etcd-vVERSION-linux-ARCH.tar.gz
//	OUT/vVERSION/SHA256SUMS
//
// It owns that folder and nothing else: the lab, the demo and the acceptance tests use it, no package imports it. The
// checksum database of the Go module proxy verifies what is compiled; two runs of the same Go release give the same
// bytes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// systemOut is where root packs to by default; anyone else packs below their cache directory.
const systemOut = "/var/cache/clusterup/mirror"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends what the first one could not
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.As(err, new(usageError)):
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

type usageError string

func (e usageError) Error() string { return string(e) }

// run packs every version that the arguments name, one after the other; each compiles on all cores.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if o.out == "" {
		if o.out, err = defaultOut(os.Getenv, os.UserHomeDir); err != nil {
			return err
		}
	}
	p := packer{
		out:   o.out,
		build: func(ctx context.Context, r rel, dir string) error { return build(ctx, r, dir, stderr) },
	}
	for _, v := range o.versions {
		path, made, err := p.pack(ctx, rel{version: v, arch: o.arch})
		if err != nil {
			return fmt.Errorf("pack etcd %s for %s: %w", v, o.arch, err)
		}
		verb := "already there"
		if made {
			verb = "packed"
		}
		if _, err := fmt.Fprintf(stdout, "%s: %s\n", verb, path); err != nil {
			return err
		}
	}
	return nil
}

type options struct {
	versions []string
	arch     string
	out      string
}

var versionForm = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+(-(alpha|beta|rc)\.[0-9]+)?$`)

// arches are the ones that etcd publishes for Linux.
var arches = []string{"amd64", "arm64", "ppc64le", "s390x"}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("pack", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprintln(stderr, "usage: pack [-arch ARCH] [-out DIR] VERSION…")
		fs.PrintDefaults()
	}
	fs.StringVar(&o.arch, "arch", runtime.GOARCH, "`architecture`: "+strings.Join(arches, ", "))
	fs.StringVar(&o.out, "out", "", "mirror `folder` (default "+systemOut+
		", or below the user's cache folder where that is not writable)")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		return o, usageError(err.Error())
	}
	o.versions = fs.Args()
	if len(o.versions) == 0 {
		return o, usageError("name a version: pack 3.6.16")
	}
	for i, v := range o.versions {
		o.versions[i] = strings.TrimPrefix(v, "v")
		if !versionForm.MatchString(o.versions[i]) {
			return o, usageError(fmt.Sprintf("read version %q: not of the form 3.6.16", v))
		}
	}
	if !slices.Contains(arches, o.arch) {
		return o, usageError(fmt.Sprintf("read architecture %q: etcd has releases for %s", o.arch,
			strings.Join(arches, ", ")))
	}
	return o, nil
}

// defaultOut is systemOut when this user can write there, else the mirror folder below the user's cache folder.
func defaultOut(env func(string) string, home func() (string, error)) (string, error) {
	if err := os.MkdirAll(systemOut, 0o755); err == nil && syscall.Access(systemOut, 2 /* W_OK */) == nil {
		return systemOut, nil
	}
	cache := env("XDG_CACHE_HOME")
	if !filepath.IsAbs(cache) {
		h, err := home()
		if err != nil {
			return "", fmt.Errorf("find a folder to pack into: %w; name one with -out", err)
		}
		cache = filepath.Join(h, ".cache")
	}
	return filepath.Join(cache, "clusterup", "mirror"), nil
}
