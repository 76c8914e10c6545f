package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/view"
)

func newMemberRemove(c *console) *cobra.Command {
	var flags clusterFlags
	cmd := &cobra.Command{
		Use:   "remove NAME INVENTORY",
		Short: "Set state = \"absent\" for a member in the inventory, and apply: it leaves, and its host is made clean",
		Long: "remove writes state = \"absent\" into the block of the member, and then does what apply does: the leadership moves first, the member is\n" +
			"taken out of the cluster, its process stopped, its data put aside, and unit, certificates and keys are removed from the host. The file\n" +
			"is changed when the plan has been agreed to. Where the state cannot be set in place, as in a block with a for_each, the edit is printed,\n" +
			"nothing is done, and the exit code is 2: make the edit, and apply. A member that is not in the inventory goes by its name or ID in the\n" +
			"member list, and its host is left as it is.",
		Args: usage(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := c.toRemove(args[0], args[1], flags)
			if err != nil {
				return err
			}
			defer s.end()
			return s.apply(cmd.Context(), nil)
		},
	}
	flags.changeFlags(cmd)
	return cmd
}

// toRemove is a session that takes a member out: by an edit of the inventory, or, where that does not have it, by the
// consent that its name gives.
func (c *console) toRemove(name, path string, flags clusterFlags) (*session, error) {
	m, cluster, err := c.member(name, path, flags)
	if err != nil {
		return nil, err
	}
	var s *session
	switch {
	case m == nil:
		if s, err = c.open(path, nil, flags); err != nil {
			return nil, err
		}
		looks := 0
		s.fits = func(_ context.Context, seen facts.Snapshot) error {
			looks++
			return s.given(name, seen, looks == 1)
		}
	case !m.Absent && len(cluster.Present()) == 1:
		return nil, view.Misuse(fmt.Errorf("%s is the only member: clusterup destroy %s ends a cluster", name, path))
	default:
		if s, err = c.edited(path, flags, name, "state", "absent"); err != nil {
			return nil, err
		}
		if now := s.member(name); now == nil || !now.Absent {
			s.end()
			return nil, view.Misuse(fmt.Errorf("the state of %s comes from elsewhere than %s: set it there, and apply", name, path))
		}
	}
	s.verb = "member remove " + name
	return s, nil
}

// given says why the cluster has no member of a name or ID that the inventory does not have. At first it agrees to the
// removal of the one that is seen then.
func (s *session) given(name string, seen facts.Snapshot, first bool) error {
	one, err := s.found(name, seen)
	if err == nil && first {
		s.agree(plan.Remove(one.ID.String()))
	}
	return err
}

// agree gives a consent, as --accept does. The flags may be another session's, too.
func (s *session) agree(risk plan.Risk) {
	s.flags.accept = append(slices.Clone(s.flags.accept), string(risk))
}

func newMemberReplace(c *console) *cobra.Command {
	var flags clusterFlags
	var address string
	cmd := &cobra.Command{
		Use:   "replace NAME [--address A] INVENTORY",
		Short: "Remove a member that is lost, and add it anew, on the same host or on another one",
		Long: "replace takes a member out of the cluster whose host is lost or whose data is gone, and adds it anew without that data: as a learner,\n" +
			"which gets its vote when it has caught up. It is what apply does with --accept=replace:NAME@ID, of the ID that the member has now. With\n" +
			"--address it writes the address of another machine into the inventory first, once the plan has been agreed to; the old machine is left\n" +
			"as it is. Where the address cannot be set in place, as in a block with a for_each, the edit is printed, nothing is done, and the exit\n" +
			"code is 2: make the edit, and run replace without --address. While a host cannot be looked at, its member is taken out; the same\n" +
			"command adds it when the host is back.",
		Args: usage(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := c.toReplace(args[0], address, args[1], flags)
			if err != nil {
				return err
			}
			defer s.end()
			return s.apply(cmd.Context(), nil)
		},
	}
	flags.changeFlags(cmd)
	cmd.Flags().StringVar(&address, "address", "", "the address of the machine that takes its place")
	return cmd
}

// toReplace is a session in which a member may be removed and added anew.
func (c *console) toReplace(name, address, path string, flags clusterFlags) (*session, error) {
	m, cluster, err := c.member(name, path, flags)
	switch {
	case err != nil:
		return nil, err
	case m == nil:
		return nil, nobody(name, cluster)
	case m.Absent:
		return nil, view.Misuse(fmt.Errorf("%s is to leave: take state = \"absent\" out of its block first", name))
	}
	var s *session
	moves := address != "" && address != m.Address
	if !moves {
		s, err = c.open(path, nil, flags)
	} else {
		s, err = c.edited(path, flags, name, "address", address)
	}
	if err != nil {
		return nil, err
	}
	s.verb = "member replace " + name
	if moves {
		if now := s.member(name); now == nil || now.Address != address {
			s.end()
			return nil, view.Misuse(fmt.Errorf("the address of %s comes from elsewhere than %s: set it there, and replace it then",
				name, path))
		}
	}
	looks := 0
	s.fits = func(ctx context.Context, seen facts.Snapshot) error {
		if looks++; looks == 1 {
			if err := s.agreeToReplace(name, seen); err != nil {
				return err
			}
		}
		switch {
		case moves:
			return s.movable(*m, seen, looks == 1)
		case looks > 1: // it may be on its way
			return nil
		}
		return s.replaceable(ctx, name, seen)
	}
	return s, nil
}

// agreeToReplace agrees to the replacement of a member as it is seen now: of the ID that it has, if any.
func (s *session) agreeToReplace(name string, seen facts.Snapshot) error {
	one, err := s.found(name, seen)
	if err != nil {
		return err
	}
	risk := plan.Replace(name)
	if one.ID != 0 {
		risk = plan.Bound(risk, one.ID.String())
	}
	s.agree(risk)
	return nil
}

// movable says why another machine cannot take the place of a member; at first, also what a new address does not
// change.
func (s *session) movable(was inventory.Member, seen facts.Snapshot, first bool) error {
	if _, err := s.found(was.Name, seen); err != nil {
		return err
	}
	if host := seen.Hosts[was.Name]; host.Dark() { // the address may be a slip of the pen
		return unseen("look at the machine that takes the place of "+was.Name, host)
	}
	if !first {
		return nil
	}
	now := s.member(was.Name)
	for _, own := range []struct{ attribute, was, now string }{
		{"ssh_address", was.SSHAddress, now.SSHAddress},
		{"peer_address", was.PeerAddress, now.PeerAddress},
		{"client_address", was.ClientAddress, now.ClientAddress},
	} {
		if own.was == own.now {
			s.console.Say("note: %s keeps its %s %s, which the inventory names besides: set it first, if the new machine has another",
				was.Name, own.attribute, own.now)
		}
	}
	s.console.Say("note: the machine at %s is left as it is; its member ends when it is removed, and does not come back",
		was.Address)
	return nil
}

// replaceable says why a member is not to be replaced as it stands.
func (s *session) replaceable(ctx context.Context, name string, seen facts.Snapshot) error {
	one, err := s.found(name, seen)
	if err != nil {
		return err
	}
	switch said := s.Heard(ctx, seen)[name]; {
	case one.DataDir != "": // it lies elsewhere than it is to
	case !one.Learner && (one.Class == etcd.ClassRunning || one.Class == etcd.ClassStopped): // a learner may be half-way
		starts := ""
		if one.Class == etcd.ClassStopped {
			starts = fmt.Sprintf(": clusterup apply %s starts it", s.file)
		}
		return view.Misuse(fmt.Errorf("%s is %s, and has its data, so there is nothing to replace%s; to have it made anew all the "+
			"same: clusterup member remove %s %s, then take state = \"absent\" out, and apply", name, one.Class, starts, name, s.file))
	case said.Serves:
		s.console.Say("note: %s still serves, as seen from %s's host: only the way to its own host is lost", name, said.From)
	}
	return nil
}

// unseen is why a host could not be looked at. It is no refusal, beside which others might be changed.
func unseen(doing string, host facts.Host) error {
	if host.Err != nil {
		return view.Unseen(fmt.Errorf("%s: %w", doing, host.Err))
	}
	return view.Unseen(fmt.Errorf("%s: %s", doing, cmp.Or(host.Unreachable, host.Unasked)))
}

// member is a member of the inventory, and its cluster; nil: there is none of that name.
func (c *console) member(name, path string, flags clusterFlags) (*inventory.Member, *inventory.Cluster, error) {
	flags.warns = false // they are said when the session is opened
	cluster, err := c.load(path, nil, flags)
	if err != nil {
		return nil, nil, err
	}
	return memberOf(cluster, name), cluster, nil
}

// nobody is the error for a name that the inventory does not have.
func nobody(name string, c *inventory.Cluster) error {
	return view.Misuse(fmt.Errorf("there is no member %q in cluster %s; it has %s", name, c.Name,
		strings.Join(memberNames(c.Members), ", ")))
}

func (s *session) member(name string) *inventory.Member { return memberOf(s.Cluster, name) }

func memberOf(c *inventory.Cluster, name string) *inventory.Member {
	at := slices.IndexFunc(c.Members, func(m inventory.Member) bool { return m.Name == name })
	if at < 0 {
		return nil
	}
	return &c.Members[at]
}

// edited opens a session with one attribute of one member set in the inventory, which is changed once the plan is
// agreed to.
func (c *console) edited(path string, flags clusterFlags, member, attribute, value string) (*session, error) {
	was, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read inventory: %w", err)
	}
	now, err := inventory.SetMember(was, path, flags.cluster, member, attribute, value)
	if err != nil {
		return nil, view.Misuse(err)
	}
	s, err := c.open(path, now, flags)
	if err != nil {
		return nil, err
	}
	s.edit = &edit{path, was, now, fmt.Sprintf("%s of %s becomes %q", attribute, member, value)}
	return s, nil
}

// listed says how all members stand; it is an error if none tells who is one.
func (s *session) listed(seen facts.Snapshot) ([]etcd.Standing, error) {
	all := etcd.Members(s.wanted(), seen)
	if slices.ContainsFunc(all, func(one etcd.Standing) bool { return one.Listed }) {
		return all, nil
	}
	for _, m := range s.Cluster.Members {
		if host := seen.Hosts[m.Name]; host.Dark() {
			return nil, unseen("ask who is a member of "+s.Cluster.Name, host)
		}
	}
	if etcd.Fresh(s.wanted(), seen) {
		return nil, &plan.Refused{Refusals: plan.OneRefusal(plan.NoCluster, "", "clusterup apply makes it",
			"there is no cluster %s yet", s.Cluster.Name)}
	}
	if err := s.Etcd.Muted(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("ask who is a member of %s: no member tells; clusterup status %s shows what is wrong with them",
		s.Cluster.Name, s.file)
}

// found is a member by its name or, where the inventory does not have it, by its ID in the member list.
func (s *session) found(name string, seen facts.Snapshot) (etcd.Standing, error) {
	all, err := s.listed(seen)
	if err != nil {
		return etcd.Standing{}, err
	}
	var names []string
	for _, one := range all {
		switch {
		case one.Name == name:
			return one, nil
		case one.ID.String() != name || !one.Listed:
			names = append(names, cmp.Or(one.Name, one.ID.String()))
		case one.Class == etcd.ClassUnexpected:
			return one, nil
		default:
			return one, view.Misuse(fmt.Errorf("%s is the ID of %s: say its name", name, one.Name))
		}
	}
	return etcd.Standing{}, view.Misuse(fmt.Errorf("there is no member %q in cluster %s; there are %s", name,
		s.Cluster.Name, strings.Join(names, ", ")))
}
