package quorum

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/clusterup/clusterup/facts"
)

const (
	// fillingTime and fillingKeys bound a look at what fills a database.
	fillingTime = 10 * time.Second
	fillingKeys = 500_000
	// pageBytes is what one page is meant to hold, and pageKeys what it may: no one knows how large the next values are.
	pageBytes = 4 << 20
	pageKeys  = 500
	// enoughKeys of a prefix tell how large its keys are on average; the others are only counted.
	enoughKeys = 2000
	// maxGroups bounds the prefixes that are told apart.
	maxGroups = 1000
)

// Filling asks the member at endpoint what fills its database, by prefix of the keys, largest first. It reads what the
// member itself has, page by page, each of a few MiB, for ten seconds or half a million keys at the most: of a prefix
// with many keys it reads some, and counts the rest. What was read until a page fails is told. History is not seen. It
// needs no quorum and writes nothing.
func (c *Cluster) Filling(ctx context.Context, endpoint string) (facts.Filling, error) {
	bounded, cancel := context.WithTimeout(ctx, fillingTime)
	defer cancel()
	f := filling{groups: map[string]*facts.Prefix{}, depth: 2}
	for from, limit := "\x00", int64(4); from != "" && f.read < fillingKeys; {
		page, err := c.page(bounded, endpoint, from, clientv3.WithFromKey(), clientv3.WithLimit(limit))
		switch {
		case err != nil && ctx.Err() == nil && f.read > 0: // the time is over, or the member says no more
			return f.told(false), nil
		case err != nil && bounded.Err() == nil && limit > 1: // the values may be too large for the way to here
			limit = 1
			continue
		case err != nil:
			return facts.Filling{}, err
		case f.total == 0:
			f.total = page.Count
		}
		size := f.add(page)
		if len(page.Kvs) == 0 || !page.More {
			return f.told(true), nil
		}
		limit = min(2*limit, pageKeys, max(1, pageBytes*int64(len(page.Kvs))/size))
		last := string(page.Kvs[len(page.Kvs)-1].Key)
		from = last + "\x00"
		if prefix := prefixOf(last, f.depth); f.many(prefix) {
			rest, err := c.page(bounded, endpoint, from, clientv3.WithRange(clientv3.GetPrefixRangeEnd(prefix)),
				clientv3.WithCountOnly())
			if err == nil {
				f.skip(prefix, rest.Count)
				from = clientv3.GetPrefixRangeEnd(prefix)
			}
		}
	}
	return f.told(false), nil
}

// page reads from one member's own store.
func (c *Cluster) page(ctx context.Context, endpoint, from string,
	opts ...clientv3.OpOption,
) (*clientv3.GetResponse, error) {
	return ask(ctx, c, endpoint, "read keys of", func(ctx context.Context, n *conn) (*clientv3.GetResponse, error) {
		return n.client.Get(ctx, from, append(opts, clientv3.WithSerializable())...)
	})
}

// filling is what was counted so far.
type filling struct {
	groups      map[string]*facts.Prefix
	depth       int   // parts of a key that make its prefix
	read, total int64 // keys: that were read, and that there are
	passed      int64 // keys that were only counted
}

// add counts a page, and says how many bytes its keys and values have; at least 1.
func (f *filling) add(page *clientv3.GetResponse) int64 {
	all := int64(1)
	for _, kv := range page.Kvs {
		size := int64(len(kv.Key) + len(kv.Value))
		group := f.group(prefixOf(string(kv.Key), f.depth))
		group.Keys, group.Bytes, group.Read = group.Keys+1, group.Bytes+size, group.Read+1
		all, f.read = all+size, f.read+1
	}
	return all
}

// group is that of a prefix. Where there are too many, keys are told apart by their first part alone, and then not at
// all.
func (f *filling) group(prefix string) *facts.Prefix {
	if g := f.groups[prefix]; g != nil {
		return g
	}
	if len(f.groups) >= maxGroups && f.depth > 1 {
		f.depth = 1
		before := f.groups
		f.groups = map[string]*facts.Prefix{}
		for name, old := range before {
			g := f.group(prefixOf(name, f.depth))
			g.Keys, g.Bytes, g.Read = g.Keys+old.Keys, g.Bytes+old.Bytes, g.Read+old.Read
		}
		return f.group(prefixOf(prefix, f.depth))
	}
	if len(f.groups) >= maxGroups {
		prefix = ""
	}
	if f.groups[prefix] == nil {
		f.groups[prefix] = &facts.Prefix{Prefix: prefix}
	}
	return f.groups[prefix]
}

// many says that enough keys of a prefix were read.
func (f *filling) many(prefix string) bool {
	g := f.groups[prefix]
	return prefix != "" && g != nil && g.Read >= enoughKeys
}

// skip takes keys of a prefix to be as large as those that were read.
func (f *filling) skip(prefix string, keys int64) {
	g := f.groups[prefix]
	g.Bytes += keys * (g.Bytes / max(1, g.Keys))
	g.Keys += keys
	f.passed += keys
}

func (f *filling) told(all bool) facts.Filling {
	told := facts.Filling{Keys: max(f.total, f.read+f.passed), Read: f.read, All: all}
	for _, g := range f.groups {
		told.Prefixes = append(told.Prefixes, *g)
		told.Bytes += g.Bytes
	}
	slices.SortFunc(told.Prefixes, func(a, b facts.Prefix) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Prefix, b.Prefix))
	})
	return told
}

// prefixOf is a key up to so many slashes, without counting one at its beginning; "": it has none.
func prefixOf(key string, slashes int) string {
	end := 0
	for at := 1; at < len(key) && slashes > 0; at++ {
		if key[at] == '/' {
			end, slashes = at+1, slashes-1
		}
	}
	return strings.Clone(key[:end]) // not the whole page that it came with
}
