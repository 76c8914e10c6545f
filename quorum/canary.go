package quorum

import (
	"context"
	"errors"
	"fmt"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// canaryPrefix is where canary keys lie; no other key is ever touched.
const canaryPrefix = "clusterup/canary/"

// Canary proves that writes and reads work through the member at endpoint: it puts key, reads it back linearizably,
// deletes it, and sees that it is gone, all through that endpoint. What a run that was killed has left under another
// RUN is deleted with the same write. key must be under canaryPrefix and should name the
// run and the member ("clusterup/canary/RUN/MEMBER"), so that two runs do not meet. The deletion is tried whatever
// happened before, also when ctx was cancelled, so Canary can take up to twice the timeout after that. It is an error
// if what is read is not what was written.
func (c *Cluster) Canary(ctx context.Context, endpoint, key, value string) error {
	if !strings.HasPrefix(key, canaryPrefix) || key == canaryPrefix {
		return &Error{
			Endpoint: endpoint, Op: "write canary through",
			Err: fmt.Errorf("key %q is not under %s", key, canaryPrefix),
		}
	}
	written := c.writeCanary(ctx, endpoint, key, value)
	deleted := c.deleteCanary(context.WithoutCancel(ctx), endpoint, key)
	if written != nil {
		// A deletion that fails after a write that failed says nothing new, most of the time; the first error is the
		// cause.
		return written
	}
	return deleted
}

func (c *Cluster) writeCanary(ctx context.Context, endpoint, key, value string) error {
	_, err := ask(ctx, c, endpoint, "write canary through", func(ctx context.Context, n *conn) (struct{}, error) {
		run := key // with all that belongs to it
		if name, _, named := strings.Cut(strings.TrimPrefix(key, canaryPrefix), "/"); named {
			run = canaryPrefix + name + "/"
		}
		_, err := n.client.Txn(clientv3.WithRequireLeader(ctx)).Then(
			clientv3.OpDelete(canaryPrefix, clientv3.WithRange(run)),
			clientv3.OpDelete(clientv3.GetPrefixRangeEnd(run), clientv3.WithRange(clientv3.GetPrefixRangeEnd(canaryPrefix))),
			clientv3.OpPut(key, value)).Commit()
		return struct{}{}, err
	})
	if err != nil {
		return err
	}
	return c.expectCanary(ctx, endpoint, key, &value)
}

func (c *Cluster) deleteCanary(ctx context.Context, endpoint, key string) error {
	_, err := ask(ctx, c, endpoint, "delete canary through", func(ctx context.Context, n *conn) (struct{}, error) {
		_, err := n.client.Delete(clientv3.WithRequireLeader(ctx), key)
		return struct{}{}, err
	})
	if err != nil {
		return err
	}
	return c.expectCanary(ctx, endpoint, key, nil)
}

// expectCanary reads key and compares; want is nil when it must not be there.
func (c *Cluster) expectCanary(ctx context.Context, endpoint, key string, want *string) error {
	_, err := ask(ctx, c, endpoint, "read canary through", func(ctx context.Context, n *conn) (struct{}, error) {
		r, err := n.client.Get(clientv3.WithRequireLeader(ctx), key)
		switch {
		case err != nil:
		case want == nil && len(r.Kvs) > 0:
			err = wrongCanary("the key is there after its deletion")
		case want != nil && len(r.Kvs) == 0:
			err = wrongCanary("the key is not there after it was written")
		case want != nil && string(r.Kvs[0].Value) != *want:
			err = wrongCanary("the value is not the one that was written")
		}
		return struct{}{}, err
	})
	return err
}

func wrongCanary(what string) error { return &Error{Err: errors.New(what)} }
