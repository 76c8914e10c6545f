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

	"github.com/clusterup/clusterup/node"
)

const usage = `usage: clusterup-node follow CONFIGURATION   follow keys in etcd into HAProxy (docs/follow.md)
       clusterup-node version
`

func main() {
	os.Exit(run(os.Args[1:]))
}

// run returns the exit code: 0 done, 2 usage or a configuration that is not as it must be.
func run(args []string) int {
	switch {
	case len(args) == 2 && args[0] == "follow":
		return follow(args[1])
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

func follow(path string) int {
	logger := log.New(os.Stderr, "", 0) // the journal has the time
	cfg, err := node.LoadConfig(path)
	if err != nil {
		logger.Print(err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	node.Follow(ctx, cfg, logger)
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
