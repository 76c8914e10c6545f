package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/snapshot"
	"github.com/clusterup/clusterup/view"
)

func newSnapshot(c *console) *cobra.Command {
	return group("snapshot", "Snapshots: save one, list them, verify one, make the cluster from one",
		newSnapshotSave(c), newSnapshotList(c), newSnapshotVerify(c), newSnapshotRestore(c))
}

func newSnapshotSave(c *console) *cobra.Command {
	var flags clusterFlags
	var spec operator.SnapshotSpec
	cmd := &cobra.Command{
		Use:   "save INVENTORY",
		Short: "Copy the cluster's data to this machine, verified; changes nothing on hosts",
		Long: "save takes the data of a follower that has caught up, or of the member that --member names, through SSH to this machine. The file gets\n" +
			"its name only when it is whole and on the disk; its description is a JSON file beside it. It lies in snapshots/ of the operator\n" +
			"directory unless --out names another place. With --seal-to, or snapshot { seal_to } in the inventory, only the recipients can open it,\n" +
			"and the plain bytes are never written to a disk here.",
		Args: oneInventory,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.looking(cmd, args[0], flags, func(s *session, ctx context.Context) error {
				return s.saveSnapshot(ctx, spec)
			})
		},
	}
	flags.inventoryFlags(cmd)
	flags.keyFlag(cmd)
	jsonFlag(cmd)
	cmd.Flags().StringVar(&spec.Path, "out", "", "where to, instead of the operator directory")
	cmd.Flags().StringVar(&spec.Member, "member", "", "take it from this member")
	cmd.Flags().StringArrayVar(&spec.SealTo, "seal-to", nil,
		"seal it to an age recipient or SSH public key, in place of the inventory's (repeatable)")
	return cmd
}

func (s *session) saveSnapshot(ctx context.Context, spec operator.SnapshotSpec) error {
	if err := inventory.CheckRecipients(spec.SealTo); err != nil {
		return view.Misuse(fmt.Errorf("--seal-to: %w", err))
	}
	if len(spec.SealTo) == 0 {
		spec.SealTo = s.Cluster.Snapshot.SealTo
	}
	switch {
	case spec.Member != "" && s.member(spec.Member) == nil:
		return nobody(spec.Member, s.Cluster)
	case spec.Member == "":
		sources, err := s.Sources(ctx)
		if err != nil {
			return err
		}
		if len(sources) == 0 { // whoever is asked says what is wrong
			sources = []string{s.Cluster.Present()[0].Name}
		}
		spec.Member = sources[0]
	}
	d, err := s.SaveSnapshot(ctx, spec)
	if err != nil {
		return err
	}
	s.console.ShowSaved(d, s.Now())
	return nil
}

func newSnapshotList(c *console) *cobra.Command {
	var flags clusterFlags
	cmd := &cobra.Command{
		Use:   "list INVENTORY",
		Short: "List the snapshots in the operator directory, the newest first; looks at no host",
		Args:  oneInventory,
		RunE: func(_ *cobra.Command, args []string) error {
			return c.with(args[0], flags, func(s *session) error {
				all, err := s.Snapshots()
				if err != nil {
					return err
				}
				slices.Reverse(all)
				return c.ShowSnapshots(all, s.Now())
			})
		},
	}
	flags.inventoryFlags(cmd)
	jsonFlag(cmd)
	return cmd
}

func newSnapshotVerify(c *console) *cobra.Command {
	var flags clusterFlags
	var drill bool
	cmd := &cobra.Command{
		Use:   "verify FILE|URL|latest [INVENTORY]",
		Short: "Say whether a snapshot is whole, and with --drill whether it can be restored; looks at no host",
		Long: "verify reads all of a snapshot and compares it with the digest at its end and with its description. A sealed one is opened with your SSH\n" +
			"or age key, as sealed CA keys are; nothing of it is written. With --drill it is restored into a member of its own on this machine, with\n" +
			"the release's own etcd, and what that serves is compared: revision, number of keys, and their hash. The inventory says which cluster it\n" +
			"should be of, where releases and keys are found, and what latest is; without it, releases come from GitHub or the cache. The outcome is\n" +
			"noted in the description. What lies at an https:// URL is fetched into snapshots/ of the operator directory first; without an\n" +
			"inventory it goes again at the end.",
		Args: usage(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.verifying(cmd, args, flags, drill)
		},
	}
	flags.inventoryFlags(cmd)
	jsonFlag(cmd)
	cmd.Flags().BoolVar(&drill, "drill", false, "restore it on trial on this machine (Linux)")
	return cmd
}

// verifying has a session of the inventory, or of a cluster of which nothing is known.
func (c *console) verifying(cmd *cobra.Command, args []string, flags clusterFlags, drill bool) error {
	do := func(s *session, ctx context.Context) error { return s.verifySnapshot(ctx, args[0], drill) }
	if err := operator.CheckSource(args[0]); err != nil {
		return view.Misuse(err)
	}
	if len(args) == 2 {
		return c.looking(cmd, args[1], flags, do)
	}
	if args[0] == "latest" {
		return view.Misuse(errors.New("verify latest: name the inventory, too: clusterup snapshot verify latest INVENTORY"))
	}
	s, err := c.begin("", &inventory.Cluster{}, flags)
	if err != nil {
		return err
	}
	defer s.end()
	ctx, cancel := c.UntilStopped(cmd.Context())
	defer cancel()
	return do(s, ctx)
}

func (s *session) verifySnapshot(ctx context.Context, from string, drill bool) (err error) {
	located, err := s.Locate(ctx, from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, located.End()) }()
	checked, err := s.CheckSnapshot(located.Path)
	if err != nil {
		return err
	}
	v := view.VerifiedSnapshot{
		Path: located.Name(), Sealed: checked.Sealed, Size: checked.Size, SHA256: checked.SHA256, Revision: checked.Revision,
		Members: checked.Members, Snapshot: checked.Described, Etcd: checked.Etcd(),
	}
	if s.file != "" {
		err := checked.Fits(s.Cluster.Name, memberNames(s.Cluster.Members), s.Cluster.Version)
		switch {
		case errors.Is(err, snapshot.ErrMinor): // as it is right after an upgrade
			v.Note = err.Error()
		case err != nil:
			return err
		}
	}
	if drill {
		s.console.Say("── restore it on trial")
		began := time.Now()
		d, err := s.DrillSnapshot(ctx, checked)
		if err != nil {
			return err
		}
		v.Drill = &view.DrilledSnapshot{
			Etcd: d.Etcd, Revision: d.Revision, Keys: d.Keys, Hash: d.Hash, Compared: d.Compared, Unmatched: d.Unmatched,
			Seconds: time.Since(began).Seconds(),
		}
	}
	s.console.ShowVerified(v)
	return nil
}
