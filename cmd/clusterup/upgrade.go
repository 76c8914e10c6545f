package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/durable"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/view"
)

func newUpgrade(c *console) *cobra.Command {
	var flags clusterFlags
	var to string
	cmd := &cobra.Command{
		Use:   "upgrade INVENTORY --to VERSION",
		Short: "Set another version of etcd in the inventory, and apply",
		Long: "upgrade sets the version in the inventory, where it is written, and then does what apply does. The file is changed when the plan\n" +
			"has been agreed to, and not at all when it is refused. Members restart one at a time, on the next minor version at most.",
		Args: oneInventory,
		RunE: func(cmd *cobra.Command, args []string) error {
			if to == "" {
				return view.Misuse(errors.New("say which version: --to 3.6.16"))
			}
			change, err := versionChange(args[0], flags.cluster, to)
			if err != nil {
				return err
			}
			s, err := c.open(change.path, change.now, flags)
			if err != nil {
				return err
			}
			defer s.end()
			if s.Cluster.Version != to {
				return view.Misuse(fmt.Errorf(
					"the version comes from --var, --var-file or the environment, and is %s: change it there, and apply",
					s.Cluster.Version))
			}
			s.edit, s.verb = change, "upgrade"
			return s.apply(cmd.Context(), nil)
		},
	}
	flags.changeFlags(cmd)
	cmd.Flags().StringVar(&to, "to", "", "the version of etcd, such as 3.6.16")
	return cmd
}

// edit is a change of an inventory file that is made once its plan was agreed to.
type edit struct {
	path     string
	was, now []byte
	what     string // in words
}

func versionChange(path, cluster, to string) (*edit, error) {
	was, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read inventory: %w", err)
	}
	now, err := inventory.SetVersion(was, path, cluster, to)
	if err != nil {
		return nil, view.Misuse(err)
	}
	return &edit{path, was, now, "version becomes " + to}, nil
}

// write changes the file. It is an error if somebody has changed the file meanwhile.
func (e *edit) write() error {
	if e == nil || bytes.Equal(e.was, e.now) {
		return nil
	}
	is, err := os.ReadFile(e.path)
	if err != nil {
		return fmt.Errorf("change inventory: %w", err)
	}
	if !bytes.Equal(is, e.was) {
		return fmt.Errorf("change inventory: %s was changed meanwhile: look at it, and run again", e.path)
	}
	if err := rewrite(e.path, e.now); err != nil {
		return fmt.Errorf("change inventory: %w", err)
	}
	return nil
}

// rewrite replaces a file of the operator's in one step; of a symlink, the file behind it. The mode stays, and so does
// the owner if this process may give files away.
func rewrite(path string, data []byte) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return durable.Replace(path, func(temp *os.File) error {
		if was, ok := info.Sys().(*syscall.Stat_t); ok && temp.Chown(int(was.Uid), int(was.Gid)) != nil {
			_ = temp.Chown(-1, int(was.Gid)) // the group at least, where the file is another's
		}
		if err := temp.Chmod(info.Mode().Perm()); err != nil {
			return err
		}
		_, err := temp.Write(data)
		return err
	})
}
