package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/view"
)

func newEtcdctl(c *console) *cobra.Command {
	var flags clusterFlags
	var member string
	cmd := &cobra.Command{
		Use:   "etcdctl INVENTORY -- ARGUMENTS",
		Short: "Run the release's own etcdctl against the cluster, through SSH",
		Long: "etcdctl runs on this machine and reaches every member through the SSH connection of its host, as the user root, with a certificate\n" +
			"that lives for an hour. Its exit code is etcdctl's. Where the members are, and with which certificate they are asked, is set by clusterup\n" +
			"already: --endpoints, --cacert, --cert and --key are not to be given after the --. A command that etcd takes through one member only,\n" +
			"snapshot save, goes to one that serves, the leader last; --member names one. What etcdctl prints is passed on as it is, but for control\n" +
			"characters on their way to a terminal: whoever may write keys shall not draw there.",
		Example: "  clusterup etcdctl prod.hcl -- endpoint status -w table\n  clusterup etcdctl prod.hcl -- snapshot save prod.db",
		Args:    usage(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.looking(cmd, args[0], flags, func(s *session, ctx context.Context) error {
				return s.etcdctl(ctx, member, args[1:])
			})
		},
	}
	flags.inventoryFlags(cmd)
	cmd.Flags().StringVar(&member, "member", "", "run it against this member alone")
	flags.keyFlag(cmd)
	return cmd
}

// etcdctl runs the program with a directory of its own, which goes when it ends: the key in it is mode 0600 and of use
// for an hour.
func (s *session) etcdctl(ctx context.Context, member string, args []string) error {
	members, err := s.addressed(ctx, member, args)
	if err != nil {
		return err
	}
	if runtime.GOOS != "linux" {
		return view.Misuse(errors.New(
			"the release's etcdctl runs on Linux only: install one for this system, and use clusterup env"))
	}
	dir, err := os.MkdirTemp("", "clusterup-etcdctl-")
	if err != nil {
		return fmt.Errorf("run etcdctl: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // the key expires with its certificate in an hour
	program := filepath.Join(dir, "etcdctl")
	if err := s.Unpack(ctx, "etcdctl", program); err != nil {
		return err
	}
	cert, key, ca := clientFiles(dir, "root")
	if err := s.OwnPair(cert, key, ca); err != nil {
		return err
	}
	endpoints, stop, err := s.tunnels(ctx, members)
	if err != nil {
		return err
	}
	defer stop()
	if slices.Contains(args, "endpoint") { // its output has addresses of this machine
		var places []string
		for i, m := range members {
			places = append(places, m.Name+" "+endpoints[i])
		}
		s.console.Say("note: through SSH: %s", strings.Join(places, ", "))
	}
	run := exec.CommandContext(ctx, program, args...)
	run.Env = append(os.Environ(), etcdctlEnv(strings.Join(endpoints, ","), ca, cert, key)...)
	run.Stdin, run.Stdout, run.Stderr = s.console.In, s.console.Stdout(), s.console.Stderr()
	run.Cancel = func() error { return run.Process.Signal(os.Interrupt) } // so that it can give up locks and elections
	run.WaitDelay = 10 * time.Second
	err = run.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() < 0:
		return view.Ended(view.ExitInterrupted)
	case errors.As(err, &exit):
		return view.Ended(exit.ExitCode())
	}
	return err
}

// tunnels listen on loopback ports, one for each of the members, and pass what comes on through the member's host.
func (s *session) tunnels(ctx context.Context,
	members []inventory.Member,
) (endpoints []string, stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	var listeners []net.Listener
	var connections sync.WaitGroup
	stop = func() {
		cancel()
		for _, l := range listeners {
			_ = l.Close() // nobody listens any more either way
		}
		connections.Wait()
	}
	for _, m := range members {
		var config net.ListenConfig
		l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			stop()
			return nil, nil, fmt.Errorf("listen for etcdctl: %w", err)
		}
		listeners = append(listeners, l)
		scheme, target, _ := strings.Cut(etcd.ClientURL(s.Cluster, m), "://")
		endpoints = append(endpoints, scheme+"://"+l.Addr().String())
		connections.Go(func() { s.forward(ctx, l, target, &connections) })
	}
	return endpoints, stop, nil
}

func (s *session) forward(ctx context.Context, l net.Listener, target string, connections *sync.WaitGroup) {
	for {
		local, err := l.Accept()
		if err != nil {
			return // closed: etcdctl has ended
		}
		connections.Go(func() {
			defer func() { _ = local.Close() }() // a second Close is no failure
			remote, err := s.Etcd.Dial(ctx, target)
			if err != nil {
				if ctx.Err() == nil { // else etcdctl has ended, and wants no connection any more
					s.console.Say("%v", err)
				}
				return
			}
			over := context.AfterFunc(ctx, func() { _, _ = local.Close(), remote.Close() })
			defer over()
			done := make(chan struct{})
			go func() {
				_, _ = io.Copy(remote, local) // either end may hang up first
				_ = remote.Close()
				close(done)
			}()
			_, _ = io.Copy(local, remote)
			_ = local.Close()
			<-done
		})
	}
}
