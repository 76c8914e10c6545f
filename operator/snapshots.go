package operator

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/clusterup/clusterup/durable"
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/quorum"
)

// A snapshot lies in the operator directory as NAME.db, with NAME.json beside it, which says what it is. It holds the
// values of all keys as they are, so only its owner may read it.

func (s *Session) snapshotDir() string { return filepath.Join(s.dir, "snapshots") }

// SaveSnapshot copies the data of one member, checks its digest on the way, and gives it its name only when it is
// whole.
func (o operatorDir) SaveSnapshot(ctx context.Context, endpoint, version string) error {
	s := o.session
	if err := os.MkdirAll(s.snapshotDir(), 0o700); err != nil {
		return fmt.Errorf("save snapshot: %w", err)
	}
	if err := s.tidySnapshots(); err != nil {
		return fmt.Errorf("save snapshot: %w", err)
	}
	client, err := s.Etcd.Connect()
	if err != nil {
		return err
	}
	status, err := client.Status(ctx, endpoint)
	if err != nil {
		return err
	}
	now := s.Now().UTC()
	name := filepath.Join(s.snapshotDir(), fmt.Sprintf("%s-etcd-%s", now.Format("20060102T150405Z"), version))
	var saved quorum.Saved
	err = durable.Replace(name+".db", func(w *os.File) error {
		saved, err = client.Snapshot(ctx, endpoint, w)
		return err
	})
	if err != nil {
		return fmt.Errorf("save snapshot: %w", err)
	}
	raw, err := json.MarshalIndent(facts.SavedSnapshot{
		Path: filepath.Base(name) + ".db", ClusterID: status.ClusterID, Version: version, Revision: saved.Revision,
		Taken: now, SHA256: saved.SHA256,
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("save snapshot: %w", err)
	}
	if err := durable.Write(name+".json", append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("save snapshot: %w", err)
	}
	s.options.Saved(name+".db", saved.Size)
	return nil
}

// tidySnapshots removes half-written files of runs that were killed; the lock is held, so nobody writes now. It also
// keeps git from adding snapshots, which hold all values in plain text.
func (s *Session) tidySnapshots() error {
	left, err := filepath.Glob(filepath.Join(s.snapshotDir(), ".*.db.*"))
	if err != nil {
		return err
	}
	for _, name := range left {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(s.snapshotDir(), ".gitignore"), []byte("*\n"), 0o600)
}

// snapshots are those in the operator directory, oldest first. A description without data does not count.
func (s *Session) snapshots() ([]facts.SavedSnapshot, error) {
	names, err := filepath.Glob(filepath.Join(s.snapshotDir(), "*.json"))
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	var found []facts.SavedSnapshot
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read snapshot: %w", err)
		}
		var one facts.SavedSnapshot
		if err := json.Unmarshal(raw, &one); err != nil {
			continue // somebody else's file
		}
		one.Path = filepath.Join(s.snapshotDir(), filepath.Base(one.Path))
		if _, err := os.Stat(one.Path); err == nil {
			found = append(found, one)
		}
	}
	slices.SortFunc(found, func(a, b facts.SavedSnapshot) int {
		return cmp.Or(a.Taken.Compare(b.Taken), cmp.Compare(a.Path, b.Path))
	})
	return found, nil
}
