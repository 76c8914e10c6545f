package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/lab"
	"github.com/clusterup/clusterup/view"
)

func newLab(c *console) *cobra.Command {
	cmd := group("lab", "Throwaway hosts with real systemd and sshd on this machine, to try things on",
		newLabUp(c), newLabDown(c), newLabStatus(c), newLabRun(c))
	cmd.SuggestionsMinimumDistance = 2
	return cmd
}

func newLabUp(c *console) *cobra.Command {
	var options lab.Options
	var suites []string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Make hosts, or boot those that are down; needs root",
		Args:  usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := lab.Preflight(); err != nil {
				return err
			}
			options.Log = lineWriter{c}
			for i := range options.Count {
				if len(suites) > 0 {
					options.Hosts = append(options.Hosts,
						lab.HostSpec{Name: fmt.Sprintf("etcd-%d", i+1), Suite: suites[i%len(suites)]})
				}
			}
			ctx, cancel := c.UntilStopped(cmd.Context())
			defer cancel()
			l, err := lab.Up(ctx, options)
			if err != nil {
				return err
			}
			return c.showLab(ctx, l)
		},
	}
	cmd.Flags().StringVar(&options.Name, "name", lab.DefaultName, "the lab's name; several may run side by side")
	cmd.Flags().IntVar(&options.Count, "hosts", 3, "how many hosts: etcd-1, etcd-2, …")
	cmd.Flags().StringSliceVar(&suites, "suites", nil,
		"Debian releases of the hosts, in turn: "+strings.Join(lab.Suites(), ", "))
	cmd.Flags().StringSliceVar(&options.Packages, "packages", nil,
		"Debian packages that the hosts' own apt-get can install: haproxy,keepalived; fetched once")
	cmd.Flags().StringVar(&options.User, "user", "ops", "a user besides root who may use sudo")
	return cmd
}

func newLabDown(c *console) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Take the hosts away, with all that is on them",
		Args:  usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := lab.Open(name)
			if err != nil {
				return err
			}
			if err := l.Down(cmd.Context()); err != nil {
				return err
			}
			c.Say("Lab %s is gone.", name)
			return nil
		},
	}
	cmd.Flags().StringVar(&name, "name", lab.DefaultName, "the lab's name")
	return cmd
}

func newLabStatus(c *console) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the hosts",
		Args:  usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := lab.Open(name)
			if err != nil {
				return err
			}
			return c.showLab(cmd.Context(), l)
		},
	}
	cmd.Flags().StringVar(&name, "name", lab.DefaultName, "the lab's name")
	jsonFlag(cmd)
	return cmd
}

func newLabRun(c *console) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:     "run -- COMMAND [ARGUMENT...]",
		Short:   "Run a command of this machine inside the lab's network, from where it reaches the hosts",
		Example: "  clusterup lab run -- clusterup apply examples/lab.hcl",
		Args:    usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := lab.Open(name)
			if err != nil {
				return err
			}
			// Signals reach the command from the terminal; it is not killed when this one is asked to stop.
			command := l.Command(context.WithoutCancel(cmd.Context()), args...)
			command.Stdin, command.Stdout, command.Stderr = c.In, c.Out, c.Err
			err = command.Run()
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				return view.Ended(exit.ExitCode())
			}
			return err
		},
	}
	cmd.Flags().StringVar(&name, "name", lab.DefaultName, "the lab's name")
	return cmd
}

// hostObject is a host of a lab with --json.
type hostObject struct {
	Type string `json:"type"`
	lab.HostStatus
}

func (c *console) showLab(ctx context.Context, l *lab.Lab) error {
	hosts, err := l.Status(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		for _, host := range hosts {
			c.Object(hostObject{"host", host})
		}
		return nil
	}
	table := c.Table("HOST", "SYSTEM", "IPV4", "IPV6", "STATE")
	for _, host := range hosts {
		state := "down"
		if host.Up {
			state = host.System
		}
		table.Row(host.Name, host.Suite, fmt.Sprint(host.IPv4), fmt.Sprint(host.IPv6), state)
	}
	if err := table.End(); err != nil {
		return err
	}
	c.Print("\nkey %s, known hosts %s\n", l.KeyFile(), l.KnownHosts())
	return nil
}

// lineWriter shows each line that is written to it as progress. Lines must come whole.
type lineWriter struct{ console *console }

func (w lineWriter) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		w.console.Say("%s", strings.TrimRight(line, "\n"))
	}
	return len(p), nil
}
