// Command clusterup turns bare Linux machines into an etcd cluster, and keeps it that way.
//
// It owns flags, commands, wiring and signals. It decides nothing: what is to be done, and in which order, is in
// package plan; what is said of it is in package view.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/view"
)

func main() {
	os.Exit(run())
}

func run() int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop := make(chan struct{})
	c := &console{Console: &view.Console{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Stop: stop,
		Advice: operator.Advice,
	}, base: ctx}
	heed(func() { close(stop); c.Interrupted() }, cancel)
	root := newRoot(c)
	root.SetArgs(dashes(os.Args[1:]))
	err := root.ExecuteContext(ctx)
	return c.Report(err)
}

// heed calls first on the first signal to stop, and then on the second. A third one kills, whatever hangs.
func heed(first, then func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup has it ignored
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		<-signals
		first()
		<-signals
		signal.Stop(signals)
		then()
	}()
}
