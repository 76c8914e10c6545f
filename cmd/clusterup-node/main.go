// Command clusterup-node lies on a balancer's node and follows the keys of its balancer in etcd into HAProxy.
//
// It owns flags and signals. What it does is in package node.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/clusterup/clusterup/node"
)

const usage = `usage: clusterup-node follow CONFIGURATION   follow keys in etcd into HAProxy (docs/follow.md)
       clusterup-node takes CONFIGURATION    say for which backends HAProxy has a server that is up, a line each
       clusterup-node await CONFIGURATION BACKEND…   wait until these have one, for 15 s at most
       clusterup-node version
`

func main() {
	os.Exit(run(os.Args[1:]))
}

// awaitLimit is how long await waits. A reload of HAProxy, and what follows it, takes less than two seconds.
const awaitLimit = 15 * time.Second

// run returns the exit code: 0 done, 1 failed, 2 usage or a configuration that is not as it must be.
func run(args []string) int {
	switch {
	case len(args) == 2 && args[0] == "follow":
		return with(args[1], func(ctx context.Context, cfg node.Config, logger *log.Logger) error {
			node.Follow(ctx, cfg, logger)
			return nil
		})
	case len(args) == 2 && args[0] == "takes":
		return with(args[1], func(ctx context.Context, cfg node.Config, _ *log.Logger) error {
			backends, err := node.Takes(ctx, cfg)
			for _, name := range backends {
				fmt.Println(name)
			}
			return err
		})
	case len(args) >= 3 && args[0] == "await":
		return with(args[1], func(ctx context.Context, cfg node.Config, _ *log.Logger) error {
			ctx, cancel := context.WithTimeout(ctx, awaitLimit)
			defer cancel()
			return node.Await(ctx, cfg, args[2:])
		})
	case len(args) == 1 && args[0] == "version":
		fmt.Printf("clusterup-node %s %s/%s %s\n", version(), runtime.GOOS, runtime.GOARCH, runtime.Version())
		return 0
	case len(args) == 1 && (args[0] == "-h" || args[0] == "--help" || args[0] == "help"):
		fmt.Print(usage)
		return 0
	}
	fmt.Fprint(os.Stderr, usage)
	return 2
}

// with does something with a configuration, until a signal comes.
func with(path string, do func(context.Context, node.Config, *log.Logger) error) int {
	logger := log.New(os.Stderr, "", 0) // the journal has the time
	cfg, err := node.LoadConfig(path)
	if err != nil {
		logger.Print(err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := do(ctx, cfg, logger); err != nil {
		logger.Print(err)
		return 1
	}
	return 0
}

// releaseVersion is set by the linker when a release is built.
var releaseVersion = ""

// version is this build's version.
func version() string {
	if releaseVersion != "" {
		return releaseVersion
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "development"
}
