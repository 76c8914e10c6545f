package operator

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/snapshot"
)

// RestoreFrom is the snapshot that a restore is to use, checked as a whole, see [Session.Locate]. One that etcdctl took
// needs no description: what it holds says of which cluster it is. Whether its version fits is for the plan to say.
func (s *Session) RestoreFrom(ctx context.Context, from string) (facts.SavedSnapshot, error) {
	located, err := s.Locate(ctx, from)
	if err == nil {
		located.Path, err = filepath.Abs(located.Path)
	}
	if err != nil {
		return facts.SavedSnapshot{}, err
	}
	checked, err := s.CheckSnapshot(located.Path)
	if err != nil {
		return facts.SavedSnapshot{}, err
	}
	var members []string
	for _, m := range s.Cluster.Members {
		members = append(members, m.Name)
	}
	err = checked.Fits(s.Cluster.Name, members, s.Cluster.Version)
	if err != nil && !errors.Is(err, snapshot.ErrMinor) {
		return facts.SavedSnapshot{}, err
	}
	one := facts.SavedSnapshot{}
	if checked.Described != nil {
		one = *checked.Described
	}
	one.Version = checked.Etcd()
	one.Path, one.SHA256, one.Size, one.Revision = checked.Path, checked.SHA256, checked.Size, checked.Revision
	s.restoring = one
	return one, nil
}

// Snapshot is the one that the restore uses, or one of the operator directory.
func (o operatorDir) Snapshot(_ context.Context, sha256 string) (apply.Input, error) {
	s := o.session
	one := s.restoring
	if one.SHA256 != sha256 {
		all, err := s.Snapshots()
		if err != nil {
			return apply.Input{}, err
		}
		for _, other := range all {
			if other.SHA256 == sha256 {
				one = other
			}
		}
	}
	if one.SHA256 != sha256 {
		return apply.Input{}, fmt.Errorf("open the snapshot: there is none with the sha256 %s", sha256)
	}
	return apply.Input{Size: one.Size, Open: func() (io.ReadCloser, error) {
		file, err := snapshot.Open(one.Path, s.unseal)
		if err != nil {
			return nil, fmt.Errorf("open the snapshot: %w", err)
		}
		return buffered{bufio.NewReaderSize(file, readAhead), file}, nil
	}}, nil
}

const readAhead = 1 << 20

// buffered reads a snapshot in large pieces: a sealed one is opened 64 KiB at a time.
type buffered struct {
	io.Reader
	io.Closer
}

// Salvage saves what a copy of a member's data holds, which is served on loopback of the member's host.
func (o operatorDir) Salvage(ctx context.Context, member, endpoint, token string) error {
	s := o.session
	s.Etcd.route(member, endpoint)
	_, err := s.SaveSnapshot(ctx, SnapshotSpec{
		Member: member, SealTo: s.Cluster.Snapshot.SealTo, For: "what " + member + " had left", endpoint: endpoint,
		salvage: token,
	})
	return err
}

// WithReleaseOf puts the releases of the wanted version alone into what is wanted.
func (s *Session) WithReleaseOf(ctx context.Context, w etcd.Want, seen facts.Snapshot) (etcd.Want, error) {
	w.Releases = map[string]plan.Release{}
	return w, s.addReleases(ctx, w, seen, s.Cluster.Version)
}
