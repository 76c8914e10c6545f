// Command clusterup turns bare Linux machines into an etcd cluster, and keeps it that way.
//
// It owns flags, wiring, views, prompts, exit codes and signals. It decides nothing: what is to be done, and in which order, is in
// package plan.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(run())
}

func run() int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop := make(chan struct{})
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup wants it
		signal.Notify(signals, syscall.SIGHUP)
	}
	c := &console{in: os.Stdin, out: os.Stdout, err: os.Stderr, stop: stop, base: ctx}
	go func() {
		<-signals
		close(stop)
		c.interrupted()
		<-signals
		cancel()
	}()
	root := newRoot(c)
	root.SetArgs(dashes(os.Args[1:]))
	err := root.ExecuteContext(ctx)
	return c.report(err)
}
