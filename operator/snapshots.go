package operator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"syscall"

	"github.com/clusterup/clusterup/durable"
	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/pki"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/quorum"
	"github.com/clusterup/clusterup/snapshot"
)

// A snapshot holds the values of all keys as they are, so only its owner may read it.

func (s *Session) snapshotDir() string { return filepath.Join(s.dir, "snapshots") }

// isVersion matches what a member may call its version: it is a stranger.
var isVersion = regexp.MustCompile(`^[0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4}(-[0-9A-Za-z.]{1,32})?$`)

// SnapshotSpec says which snapshot is to be saved.
type SnapshotSpec struct {
	Member string // that it is taken from
	Path   string // empty: in the operator directory, with time, version and revision in its name
	SealTo []string
	For    string // what it is for, in a few words; empty: it was asked for

	endpoint string // where a copy of the member's data is served; empty: the member is asked
	salvage  string // the recovery that asks for it; empty: none does
}

// SaveSnapshot is for package apply: the snapshot before a change of the minor version.
func (o operatorDir) SaveSnapshot(ctx context.Context, endpoint, version string) error {
	s := o.session
	d, err := s.SaveSnapshot(ctx, SnapshotSpec{
		Member: s.Etcd.memberAt(endpoint), SealTo: s.Cluster.Snapshot.SealTo, For: "before leaving etcd " + version,
	})
	if err == nil {
		s.options.Saved(d)
	}
	return err
}

// SaveSnapshot copies the data of one member, and checks their digest on the way. The file gets its name only when it
// is whole and on the disk.
func (s *Session) SaveSnapshot(ctx context.Context, spec SnapshotSpec) (facts.SavedSnapshot, error) {
	d, err := s.saveSnapshot(ctx, spec)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		err = fmt.Errorf("%w: free some space there, or name another place with snapshot save --out; nothing is left of "+
			"the half that was written", err)
	}
	if err != nil && !errors.As(err, new(*quorum.Error)) { // which says so itself
		err = fmt.Errorf("save snapshot: %w", err)
	}
	return d, err
}

func (s *Session) saveSnapshot(ctx context.Context, spec SnapshotSpec) (facts.SavedSnapshot, error) {
	client, err := s.Etcd.Connect()
	if err != nil {
		return facts.SavedSnapshot{}, err
	}
	endpoint := cmp.Or(spec.endpoint, s.endpointOf(spec.Member))
	status, err := client.Status(ctx, endpoint)
	if err != nil {
		return facts.SavedSnapshot{}, err
	}
	if !isVersion.MatchString(status.Version) { // it is a part of the file's name
		return facts.SavedSnapshot{}, fmt.Errorf("%s says that its version is %q, which is none of etcd's", spec.Member,
			status.Version)
	}
	revision, err := client.Applied(ctx, endpoint)
	if err != nil {
		return facts.SavedSnapshot{}, err
	}
	taken := s.Now().UTC()
	if spec.Path == "" {
		of := "etcd-" + status.Version
		if spec.salvage != "" { // several members may be at one revision
			of += "-of-" + spec.Member
		}
		spec.Path, err = s.snapshotPath(fmt.Sprintf("%s-%s-revision-%d.db", taken.Format("20060102T150405Z"), of, revision),
			len(spec.SealTo) > 0)
	} else {
		spec.Path, err = filepath.Abs(spec.Path)
	}
	if err != nil {
		return facts.SavedSnapshot{}, err
	}
	var seal snapshot.Seal
	if len(spec.SealTo) > 0 {
		seal = func(w io.Writer) (io.WriteCloser, error) { return pki.Seal(w, spec.SealTo) }
	}
	by := s.By()
	return snapshot.Save(spec.Path, seal, func(w io.Writer) (facts.SavedSnapshot, error) {
		saved, err := client.Snapshot(ctx, endpoint, w, s.options.Saving(spec.Member))
		if err != nil {
			return facts.SavedSnapshot{}, err
		}
		d := facts.SavedSnapshot{
			Cluster: s.Cluster.Name, ClusterID: status.ClusterID, Member: spec.Member, Version: status.Version,
			Revision: revision, Size: saved.Size, SHA256: saved.SHA256, SealedTo: spec.SealTo, Taken: taken,
			By: by, For: spec.For, Salvage: spec.salvage,
		}
		if spec.salvage == "" { // else no member answers
			s.measure(ctx, client, &d)
		}
		return d, ctx.Err()
	})
}

// snapshotPath is where a snapshot is to lie in the operator directory.
func (s *Session) snapshotPath(name string, sealed bool) (string, error) {
	if err := os.MkdirAll(s.snapshotDir(), 0o700); err != nil {
		return "", err
	}
	if err := s.tidySnapshots(); err != nil {
		return "", err
	}
	if sealed {
		name += ".age"
	}
	return filepath.Join(s.snapshotDir(), name), nil
}

// measure asks what the store held at the revision of a snapshot: the members, how many keys, and their hash. A leader
// hashes only where there is nobody else, since it applies nothing meanwhile (server/storage/mvcc/kvstore.go, hashByRev
// holds the lock of the backend). What cannot be had is left out.
func (s *Session) measure(ctx context.Context, client *quorum.Cluster, d *facts.SavedSnapshot) {
	statuses := s.Statuses(ctx)
	measurers := etcd.Measurers(statuses)
	for _, name := range measurers {
		endpoint, leads := s.endpointOf(name), statuses[name].Leader == statuses[name].MemberID
		if statuses[name].ClusterID != d.ClusterID {
			continue
		}
		if members, _, err := client.Members(ctx, endpoint, false); err == nil && d.Members == nil {
			d.Members = members
		}
		keys, err := client.Keys(ctx, endpoint, d.Revision)
		if err != nil {
			continue // it may not be there yet
		}
		d.Keys = &keys
		if leads && len(measurers) > 1 {
			continue
		}
		if hash, err := hashAt(ctx, client, endpoint, d.Revision); err == nil {
			d.Hash = &facts.KeyHash{Sum: hash.Sum, Compacted: hash.Compacted}
			return
		}
	}
}

// hashAt is the hash of a member's keys at a revision. As long as that is its newest one, the hash is of the store as
// it is, as a restored store tells it, and not of what the last compaction has noted.
func hashAt(ctx context.Context, client *quorum.Cluster, endpoint string, revision int64) (quorum.Hash, error) {
	if now, err := client.Applied(ctx, endpoint); err == nil && now == revision {
		if hash, err := client.HashKV(ctx, endpoint, 0); err == nil && hash.Revision == revision {
			return hash, nil
		}
	}
	return client.HashKV(ctx, endpoint, revision)
}

// Sources are the members to copy data from, the best first, see [etcd.Sources]; empty: none answers. After a recovery
// members of the cluster before may still serve, and outnumber the others. Where members are of several clusters, all
// hosts are looked at to tell which is the inventory's.
func (s *Session) Sources(ctx context.Context) ([]string, error) {
	return sources(s.Statuses(ctx), func() (facts.ID, error) {
		seen, err := s.Gather(ctx)
		return etcd.Own(etcd.Want{Cluster: s.Cluster}, seen).Cluster, err
	})
}

// sources are those of the cluster that own finds, which is asked where there are several.
func sources(statuses map[string]facts.Status, own func() (facts.ID, error)) ([]string, error) {
	clusters := map[facts.ID]bool{}
	for _, status := range statuses {
		clusters[status.ClusterID] = true
	}
	if len(clusters) < 2 {
		return etcd.Sources(statuses), nil
	}
	id, err := own()
	if err == nil && !clusters[id] {
		err = errors.New("members of several clusters serve, and it is not known which is this one: clusterup status shows what " +
			"is wrong; --member names one of them")
	}
	maps.DeleteFunc(statuses, func(_ string, status facts.Status) bool { return status.ClusterID != id })
	return etcd.Sources(statuses), err
}

// Statuses are what the members say of themselves, by name; those that do not answer are not in it.
func (s *Session) Statuses(ctx context.Context) map[string]facts.Status {
	var mu sync.Mutex
	statuses := map[string]facts.Status{}
	var wg sync.WaitGroup
	for _, m := range s.Cluster.Present() {
		wg.Go(func() {
			status, err := s.Etcd.Status(ctx, etcd.ClientURL(s.Cluster, m))
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				statuses[m.Name] = status
			}
		})
	}
	wg.Wait()
	return statuses
}

func (s *Session) endpointOf(member string) string {
	for _, m := range s.Cluster.Members {
		if m.Name == member {
			return etcd.ClientURL(s.Cluster, m)
		}
	}
	return ""
}

// tidySnapshots removes half-written files of versions of clusterup that knew no other way. It also keeps git from
// adding snapshots.
func (s *Session) tidySnapshots() error {
	left, err := durable.Matching(s.snapshotDir(), ".*.db.[0-9]*")
	if err != nil {
		return err
	}
	for _, name := range left {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return durable.Write(filepath.Join(s.snapshotDir(), ".gitignore"), []byte("*\n"), 0o600)
}

// Snapshots are those in the operator directory, oldest first. A description without a snapshot does not count, nor
// does a snapshot without a description.
func (s *Session) Snapshots() ([]facts.SavedSnapshot, error) {
	names, err := durable.Matching(s.snapshotDir(), "*.json")
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	var found []facts.SavedSnapshot
	for _, name := range names {
		one, err := snapshot.ReadDescription(name)
		if err != nil && !errors.Is(err, snapshot.ErrMismatched) {
			return nil, fmt.Errorf("list snapshots: %w", err)
		}
		if one == nil {
			continue // somebody else's file
		}
		info, err := os.Stat(one.Path)
		if err != nil {
			continue
		}
		if size := cmp.Or(one.FileSize, one.Size); one.Damage == "" && size != 0 && size != info.Size() {
			one.Damage = fmt.Sprintf("cut short: %d of its %d bytes", info.Size(), size)
		}
		found = append(found, *one)
	}
	slices.SortFunc(found, func(a, b facts.SavedSnapshot) int {
		return cmp.Or(a.Taken.Compare(b.Taken), cmp.Compare(a.Path, b.Path))
	})
	return found, nil
}
