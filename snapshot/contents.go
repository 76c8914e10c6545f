package snapshot

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
)

// Contents is what the database itself says. It needs no description beside the file, so it is known of snapshots that
// etcdctl took, too.
type Contents struct {
	Revision  int64          // of the store
	Compacted int64          // below which history was dropped; zero: never
	Version   string         // of the cluster, "3.6.0"; empty: it was never agreed on
	Members   []facts.Listed // sorted by ID
	Auth      bool           // whoever asks a member with these data needs a user
}

// etcdBuckets are those that every member makes when it starts first (server/storage/schema).
var etcdBuckets = []string{"key", "meta", "members", "cluster"}

// readContents reads a few pages of a snapshot. It fails with [ErrForeign] or [ErrAltered], or as at does.
func readContents(at io.ReaderAt, size int64) (Contents, error) {
	d, err := openDatabase(at, size)
	if err != nil {
		return Contents{}, err
	}
	buckets := map[string]node{}
	for _, name := range append([]string{"auth"}, etcdBuckets...) {
		n, ok, err := d.bucket(name)
		if err != nil {
			return Contents{}, fmt.Errorf("read the database: %w", err)
		}
		if !ok && slices.Contains(etcdBuckets, name) {
			return Contents{}, fmt.Errorf("%w: it is a database of something else, without etcd's %s", ErrForeign, name)
		}
		buckets[name] = n
	}
	c := Contents{Revision: 1}
	err = errors.Join(d.revisions(buckets["key"], buckets["meta"], &c), d.cluster(buckets["cluster"], &c),
		d.members(buckets["members"], &c), d.auth(buckets["auth"], &c))
	if err != nil {
		return Contents{}, fmt.Errorf("read the database: %w", err)
	}
	return c, nil
}

// revisions follows what a member does when it starts (server/storage/mvcc, kvstore.go, restore).
func (d *database) revisions(keys, meta node, c *Contents) error {
	newest, ok, err := d.last(keys)
	if err != nil {
		return err
	}
	if ok {
		if c.Revision, err = revisionOf(newest.key); err != nil {
			return err
		}
	}
	err = d.each(meta, func(i item) error {
		if name := string(i.key); name != "scheduledCompactRev" && name != "finishedCompactRev" {
			return nil
		}
		compacted, err := revisionOf(i.value)
		c.Compacted = max(c.Compacted, compacted)
		return err
	})
	c.Revision = max(c.Revision, c.Compacted)
	return err
}

// revisionOf reads the main revision of a key in etcd's tree: eight bytes, of the greatest first.
func revisionOf(key []byte) (int64, error) {
	if len(key) < 8 {
		return 0, errNode
	}
	revision := int64(binary.BigEndian.Uint64(key)) //nolint:gosec // checked next
	if revision < 0 {
		return 0, errNode
	}
	return revision, nil
}

func (d *database) cluster(n node, c *Contents) error {
	return d.each(n, func(i item) error {
		if string(i.key) == "clusterVersion" {
			c.Version = strings.ToValidUTF8(string(i.value[:min(len(i.value), 32)]), "?")
		}
		return nil
	})
}

func (d *database) members(n node, c *Contents) error {
	err := d.each(n, func(i item) error {
		var m struct {
			ID       uint64   `json:"id"`
			Name     string   `json:"name"`
			PeerURLs []string `json:"peerURLs"`
			Client   []string `json:"clientURLs"`
			Learner  bool     `json:"isLearner"`
		}
		if err := json.Unmarshal(i.value, &m); err != nil {
			return errNode
		}
		c.Members = append(c.Members, facts.Listed{
			ID: facts.ID(m.ID), Name: m.Name, PeerURLs: m.PeerURLs, ClientURLs: m.Client, Learner: m.Learner,
		})
		return nil
	})
	slices.SortFunc(c.Members, func(a, b facts.Listed) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return err
}

func (d *database) auth(n node, c *Contents) error {
	return d.each(n, func(i item) error {
		if string(i.key) == "authEnabled" {
			c.Auth = len(i.value) == 1 && i.value[0] == 1
		}
		return nil
	})
}
