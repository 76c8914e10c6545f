package operator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/quorum"
	"github.com/clusterup/clusterup/snapshot"
)

const drillEndpoint = "https://" + drillName + ":1"

// ask holds what a restored member serves against the description of its snapshot.
func (d *drill) ask(ctx context.Context, member *quorum.Cluster) (found Drilled, err error) {
	if err := d.awaitServing(ctx, member); err != nil {
		return found, err
	}
	if err := d.unnamed(); err != nil {
		return found, err
	}
	if found.Revision, err = member.Applied(ctx, drillEndpoint); err != nil {
		return found, err
	}
	at := d.snapshot.Revision
	if d.snapshot.Described != nil && d.snapshot.Described.Revision != 0 {
		at = d.snapshot.Described.Revision
	}
	// Leases that end meanwhile write, so it may be more.
	if found.Revision < max(at, d.snapshot.Revision) {
		return found, fmt.Errorf("%w: revision %d was restored, and it is of %d", snapshot.ErrMismatched, found.Revision,
			max(at, d.snapshot.Revision))
	}
	if at < d.snapshot.Compacted {
		found.Unmatched = fmt.Sprintf("history up to revision %d was dropped while it was taken", d.snapshot.Compacted)
		at = found.Revision
	}
	if found.Keys, err = member.Keys(ctx, drillEndpoint, at); err != nil {
		return found, err
	}
	hash, err := member.HashKV(ctx, drillEndpoint, at)
	if err != nil {
		return found, err
	}
	found.Hash = facts.KeyHash{Sum: hash.Sum, Compacted: hash.Compacted}
	return found, d.compare(&found)
}

// compare says where what was restored is not what was described.
func (d *drill) compare(found *Drilled) error {
	described := d.snapshot.Described
	if described == nil || found.Unmatched != "" {
		return nil
	}
	if described.Revision != 0 {
		found.Compared = append(found.Compared, "revision")
	}
	if keys := described.Keys; keys != nil {
		if *keys != found.Keys {
			return fmt.Errorf("%w: %d keys were restored at revision %d, and there were %d", snapshot.ErrMismatched,
				found.Keys, described.Revision, *keys)
		}
		found.Compared = append(found.Compared, "keys")
	}
	switch hash := described.Hash; {
	case hash == nil:
		found.Unmatched = "none was noted when it was taken"
	case hash.Compacted != found.Hash.Compacted:
		found.Unmatched = "history was dropped while it was taken"
	case hash.Sum != found.Hash.Sum:
		return fmt.Errorf("%w: the hash of all keys at revision %d is %08x, and was %08x", snapshot.ErrMismatched,
			described.Revision, found.Hash.Sum, hash.Sum)
	default:
		found.Compared = append(found.Compared, "hash")
	}
	return nil
}

// awaitServing waits until the member answers a linearizable read.
func (d *drill) awaitServing(ctx context.Context, member *quorum.Cluster) error {
	deadline, tick := time.NewTimer(maxStart), time.NewTicker(20*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for {
		err := member.ReadLinearizable(ctx, drillEndpoint)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return fmt.Errorf("wait %s for the restored member to serve: %w", maxStart, err)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// lastWords keeps the end of what a program says.
type lastWords struct{ said []byte }

const maxWords = 2048

func (w *lastWords) Write(p []byte) (int, error) {
	w.said = append(w.said, p...)
	if over := len(w.said) - maxWords; over > 0 {
		w.said = append(w.said[:0], w.said[over:]...)
	}
	return len(p), nil
}

// explain adds the last line to the error of a program that has ended.
func (w *lastWords) explain(err error) error {
	lines := bytes.Split(bytes.TrimSpace(w.said), []byte("\n"))
	last := strings.ToValidUTF8(string(lines[len(lines)-1]), "?")
	switch {
	case err == nil:
		err = errors.New("it ended by itself")
	case last == "":
		return err
	}
	return fmt.Errorf("%w: %s", err, last)
}
