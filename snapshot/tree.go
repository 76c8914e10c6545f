package snapshot

import "errors"

// maxItems bounds how many entries of a bucket are read; of etcd's, those that are read whole have a few.
const maxItems = 10_000

var errEnough = errors.New("enough")

// bucket finds a bucket and returns its first node; ok is false when there is none.
func (d *database) bucket(name string) (n node, ok bool, err error) {
	top, err := d.node(d.root)
	if err != nil {
		return node{}, false, err
	}
	var found item
	err = d.each(top, func(i item) error {
		if i.bucket && string(i.key) == name {
			found, ok = i, true
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) || !ok {
		return node{}, false, err
	}
	if len(found.value) < 16 {
		return node{}, false, errNode
	}
	if root := d.order.Uint64(found.value); root != 0 {
		n, err = d.node(root)
	} else {
		n, err = d.parse(found.value[16:])
	}
	return n, err == nil, err
}

// each walks the entries below a node in order.
func (d *database) each(n node, do func(item) error) error {
	left := maxItems
	var walk func(node, int) error
	walk = func(n node, depth int) error {
		for i := range n.count {
			if left--; left < 0 || depth > maxDepth {
				return errNode
			}
			if !n.leaf {
				below, err := d.node(n.child(i))
				if err == nil {
					err = walk(below, depth+1)
				}
				if err != nil {
					return err
				}
				continue
			}
			one, err := n.item(i)
			if err == nil {
				err = do(one)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return walk(n, 0)
}

// last is the entry with the greatest key below a node; ok is false when there is none.
func (d *database) last(n node) (one item, ok bool, err error) {
	for range maxDepth {
		switch {
		case n.count == 0:
			return item{}, false, nil
		case n.leaf:
			one, err = n.item(n.count - 1)
			return one, err == nil, err
		}
		if n, err = d.node(n.child(n.count - 1)); err != nil {
			return item{}, false, err
		}
	}
	return item{}, false, errNode
}
