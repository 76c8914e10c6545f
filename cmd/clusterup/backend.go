package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/pool"
	"github.com/clusterup/clusterup/view"
)

func newBackend(c *console) *cobra.Command {
	return group("backend", "Servers of a balancer, which are keys in etcd: list, add, drain, bring back and remove them",
		newBackendList(c), newBackendAdd(c),
		newBackendState(c, pool.Ready, "Have a server take clients",
			"A server that was drained or in maintenance takes clients again, once the checks of a node have found it well."),
		newBackendState(c, pool.Drain, "Have a server take no new clients, and keep those that it has",
			"apply leaves it so: only backend ready ends it."),
		newBackendState(c, pool.Maint, "Have a server be out of use, and not checked",
			"Clients that it has stay, unless its backend says on-marked-down shutdown-sessions. apply leaves it so: only backend ready ends it."),
		newBackendRemove(c))
}

func newBackendList(c *console) *cobra.Command {
	var flags clusterFlags
	cmd := &cobra.Command{
		Use:   "list BALANCER INVENTORY",
		Short: "List the servers of a balancer, and say which nodes follow them; changes nothing",
		Args:  usage(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.looking(cmd, args[1], flags, func(s *session, ctx context.Context) error {
				b, err := s.balancer(args[0])
				if err != nil {
					return err
				}
				if _, err := s.Gather(ctx); err != nil {
					return err
				}
				seen, told, err := s.Followers(ctx, b.Name)
				if err == nil {
					s.console.ShowBackends(b.Name, serverNames(b), follows(b, seen, told))
				}
				return err
			})
		},
	}
	flags.hostFlags(cmd)
	return cmd
}

func newBackendAdd(c *console) *cobra.Command {
	var flags clusterFlags
	var address string
	var check uint16
	weight := inventory.UsualWeight
	cmd := &cobra.Command{
		Use:   "add BALANCER NAME --address ADDRESS:PORT INVENTORY",
		Short: "Add a server that the inventory does not name",
		Long: "The server takes clients once the checks of a node have found it well. A server that is to stay belongs in the inventory: apply\n" +
			"puts it there, and keeps it as the inventory says.",
		Args: usage(cobra.ExactArgs(3)),
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return view.Misuse(fmt.Errorf("--address %q: write IP:PORT, such as 10.0.0.21:6432", address))
			}
			server := pool.Server{
				Address: at.Addr().Unmap(), Port: at.Port(), Check: at.Port(), Weight: weight, State: pool.Ready,
			}
			if check != 0 {
				server.Check = check
			}
			if _, err := pool.ParseServer([]byte(server.Render()), nil); err != nil {
				return view.Misuse(err)
			}
			return c.changeBackend(cmd, flags, etcd.Backend{Balancer: args[0], Server: args[1], Add: &server}, args[2])
		},
	}
	flags.backendFlags(cmd)
	cmd.Flags().StringVar(&address, "address", "", "the IP address and port that clients are sent to")
	cmd.Flags().Uint16Var(&check, "check-port", 0, "the port that health checks go to (default: that of --address)")
	cmd.Flags().IntVar(&weight, "weight", weight, "how many of the clients it gets, beside those of the others: 0 to 256")
	_ = cmd.MarkFlagRequired("address")
	return cmd
}

func newBackendState(c *console, state pool.State, short, long string) *cobra.Command {
	var flags clusterFlags
	cmd := &cobra.Command{
		Use:   string(state) + " BALANCER NAME INVENTORY",
		Short: short,
		Long:  long,
		Args:  usage(cobra.ExactArgs(3)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeBackend(cmd, flags, etcd.Backend{Balancer: args[0], Server: args[1], State: state}, args[2])
		},
	}
	flags.backendFlags(cmd)
	return cmd
}

func newBackendRemove(c *console) *cobra.Command {
	var flags clusterFlags
	cmd := &cobra.Command{
		Use:   "remove BALANCER NAME INVENTORY",
		Short: "Remove a server that the inventory does not name",
		Long:  "Nodes drain it first. Where the inventory names it, take its block out before: apply would add it again.",
		Args:  usage(cobra.ExactArgs(3)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeBackend(cmd, flags, etcd.Backend{Balancer: args[0], Server: args[1]}, args[2])
		},
	}
	flags.backendFlags(cmd)
	return cmd
}

// backendFlags are for commands that change a server of a balancer.
func (f *clusterFlags) backendFlags(cmd *cobra.Command) {
	f.singleFlags(cmd)
	cmd.Flags().StringSliceVar(&f.accept, "accept", nil, "accept a risk by name: shrink")
}

// changeBackend has one server be as it is asked for, and then says which nodes have it so.
func (c *console) changeBackend(cmd *cobra.Command, flags clusterFlags, b etcd.Backend, file string) error {
	return c.with(file, flags, func(s *session) error {
		has, err := s.balancer(b.Balancer)
		if err != nil {
			return err
		}
		if err := pool.CheckName(b.Server); err != nil && (b.Add != nil || b.State != "") {
			return view.Misuse(err)
		}
		s.verb, s.next = "backend "+backendWord(b)+" "+b.Balancer+" "+b.Server, etcd.NextBackend(b)
		s.fits = func(_ context.Context, seen facts.Snapshot) error { return s.serverFits(has, b, seen) }
		if err := s.apply(cmd.Context(), nil); err != nil {
			return err
		}
		ctx, cancel := c.UntilStopped(cmd.Context())
		defer cancel()
		seen, told, err := s.Follow(ctx, b.Balancer)
		if err != nil {
			c.Say("note: it is not known which nodes have it: %v", err)
			return nil
		}
		if c.JSON {
			c.ShowBackends(b.Balancer, serverNames(has), follows(has, seen, told))
		} else {
			c.ShowFollowers(b.Balancer, follows(has, seen, told))
		}
		return nil
	})
}

func backendWord(b etcd.Backend) string {
	switch {
	case b.Add != nil:
		return "add"
	case b.State == "":
		return "remove"
	}
	return string(b.State)
}

// balancer is one of the inventory's.
func (s *session) balancer(name string) (inventory.Balancer, error) {
	var names []string
	for _, b := range s.Cluster.Balancers {
		if b.Name == name {
			return b, nil
		}
		names = append(names, b.Name)
	}
	if len(names) == 0 {
		return inventory.Balancer{}, view.Misuse(fmt.Errorf("%s has no balancer: write a block into its cluster: balancer %q { }",
			s.file, name))
	}
	return inventory.Balancer{}, view.Misuse(fmt.Errorf("%s has no balancer %q: it has %s", s.file, name,
		strings.Join(names, ", ")))
}

// follows is what was read of those who follow the keys of a balancer, beside the nodes that are to.
func follows(b inventory.Balancer, seen pool.Wanted, told []pool.Told) view.Follows {
	f := view.Follows{Seen: seen, Told: told}
	for _, n := range b.Nodes {
		if !n.Absent {
			f.Nodes = append(f.Nodes, n.Name)
		}
	}
	return f
}

func serverNames(b inventory.Balancer) []string {
	var names []string
	for _, server := range b.Servers {
		names = append(names, server.Name)
	}
	return names
}

// serverFits says why a change does not fit the servers that there are.
func (s *session) serverFits(b inventory.Balancer, change etcd.Backend, seen facts.Snapshot) error {
	servers, name := seen.Pools[b.Name], change.Server
	ours := slices.Contains(serverNames(b), name)
	there := servers.Revisions[name] != 0
	is, good := servers.Servers[name]
	s.console.Idle = fmt.Sprintf("%s of %s is so already.", name, b.Name)
	switch {
	case seen.PoolErrors[b.Name] != "" || seen.Pools == nil: // the plan says what stands against it
	case change.Add != nil && ours:
		return view.Misuse(fmt.Errorf("the inventory names %s: clusterup apply %s has it be as its block says", name, s.file))
	case change.Add != nil && good && !sameServer(is, *change.Add):
		return view.Misuse(fmt.Errorf("%s has %s already, at %s: clusterup backend remove %s %s %s takes that one out", b.Name, name, is,
			b.Name, name, s.file))
	case change.Add != nil && there && is.State != pool.Ready:
		s.console.Idle = fmt.Sprintf("%s of %s is there, and its state is %s: clusterup backend ready %s %s %s has it take clients.",
			name, b.Name, is.State, b.Name, name, s.file)
	case change.Add != nil && there && !good:
		return view.Misuse(errors.New(noServer(b.Name, name, there, s.file)))
	case change.Add != nil:
	case change.State == "" && ours:
		return view.Misuse(fmt.Errorf("the inventory names %s, and apply would add it again: take its block out of %s first", name,
			s.file))
	case change.State == "" && !there:
		s.console.Idle = fmt.Sprintf("%s has no server %s.", b.Name, name)
	case change.State != "" && !good && !ours:
		return view.Misuse(errors.New(noServer(b.Name, name, there, s.file)))
	}
	return nil
}

// sameServer says that two servers are the same, in whatever state.
func sameServer(a, b pool.Server) bool {
	a.State = b.State
	return a == b
}

func noServer(balancer, name string, there bool, file string) string {
	if there {
		return fmt.Sprintf("the key of %s is not readable, and the inventory does not name it: clusterup backend remove %s %s %s, then add it",
			name, balancer, name, file)
	}
	return fmt.Sprintf("%s has no server %s: clusterup backend list %s %s shows those that there are", balancer, name, balancer, file)
}
