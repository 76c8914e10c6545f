package acceptance

import (
	"context"
	"fmt"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// observer follows everything that changes in a cluster, revision by revision.
type observer struct {
	name string

	mu    sync.Mutex
	last  int64               // revision
	keys  map[string]struct{} // of that revision
	wrong []string
	ended bool // by itself
}

// newObserver is one that has seen everything up to a revision.
func newObserver(name string, revision int64) *observer {
	return &observer{name: name, last: revision, keys: map[string]struct{}{}}
}

// watch goes on until its context ends. Going on after a lost member is the client's own affair: a watch that ends is a
// fault.
func (o *observer) watch(ctx context.Context, c *clientv3.Client) {
	for response := range c.Watch(ctx, "", clientv3.WithPrefix(), clientv3.WithRev(o.last+1)) {
		o.see(response)
	}
	if ctx.Err() == nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.ended = true
		o.wrong = append(o.wrong, fmt.Sprintf("the watch ended by itself after revision %d", o.last))
	}
}

// see checks that every change comes once, and in order. A revision may hold changes of several keys.
func (o *observer) see(response clientv3.WatchResponse) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := response.Err(); err != nil {
		o.wrong = append(o.wrong, err.Error())
	}
	for _, event := range response.Events {
		revision, key := event.Kv.ModRevision, string(event.Kv.Key)
		switch _, twice := o.keys[key]; {
		case revision == o.last+1:
			o.last, o.keys = revision, map[string]struct{}{}
		case revision != o.last || twice:
			o.wrong = append(o.wrong, fmt.Sprintf("revision %d of %q came after revision %d", revision, key, o.last))
			o.last = max(o.last, revision)
		}
		o.keys[key] = struct{}{}
	}
}

func (o *observer) seen() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last
}

func (o *observer) over() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ended
}
