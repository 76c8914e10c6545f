package main

import (
	"context"

	"github.com/spf13/cobra"
)

func newMember(c *console) *cobra.Command {
	return group("member", "Members: list them, take one out, replace one, promote a learner, move the leadership",
		newMemberList(c), newMemberRemove(c), newMemberReplace(c), newMemberPromote(c), newMemberMoveLeader(c))
}

func newMemberList(c *console) *cobra.Command {
	var flags clusterFlags
	cmd := &cobra.Command{
		Use:   "list INVENTORY",
		Short: "List the members that are wanted, or that the cluster knows, and say how each stands; changes nothing",
		Long: "list says in a word how each member stands. running: it has data, and its process runs. stopped: it has data, and does not run.\n" +
			"never started: it has no data, and the cluster does not list it. dark: its host cannot be looked at; what the cluster says of it is\n" +
			"shown below. wiped: it has served, and its data is gone. foreign: its host holds data of another cluster or member. removed: its host\n" +
			"holds the data of a member that is not listed any more. half-joined: it is listed, and has never served. unexpected: it is listed,\n" +
			"and not in the inventory. It exits with 12 when not every host could be looked at.",
		Args: oneInventory,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.looking(cmd, args[0], flags, (*session).members)
		},
	}
	flags.hostFlags(cmd)
	return cmd
}

// members shows how all members stand. Its error says that nothing could be seen, or which hosts could not.
func (s *session) members(ctx context.Context) error {
	l, err := s.lookAt(ctx)
	if err != nil {
		return err
	}
	s.console.ShowMembers(l)
	return s.Unreached(l.Seen)
}
