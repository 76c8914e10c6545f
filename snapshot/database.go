package snapshot

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
)

// database reads the pages of a bbolt file (github.com/etcd-io/bbolt, internal/common). It is a reader of its own,
// since bbolt wants a file that it can map, and the plain bytes of a sealed snapshot never lie on a disk. Nothing in
// the file is believed: every offset is checked, and every way down ends.
type database struct {
	at    io.ReaderAt
	size  int64
	order binary.ByteOrder // that of the machine that wrote it
	page  int64            // bytes
	root  uint64           // page of the bucket of all buckets
}

const (
	magic      = 0xED0CDAED
	pageHead   = 16 // id 8, flags 2, count 2, overflow 4
	metaBytes  = 64 // magic 4, version 4, page size 4, flags 4, root 8+8, freelist 8, pages 8, transaction 8, checksum 8
	element    = 16
	branchPage = 1
	leafPage   = 2
	bucketLeaf = 1
	maxDepth   = 32
	maxPage    = 64 << 10 // bytes; bbolt takes that of the system, 4, 16 or 64 KiB
	maxNode    = 64 << 20 // bytes that a page with its overflow may have; values lie in it
)

// openDatabase finds the newer of the two meta pages that is sound.
func openDatabase(at io.ReaderAt, size int64) (*database, error) {
	d := &database{at: at, size: size}
	newest, found := uint64(0), false
	for _, offset := range []int64{0, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10} {
		m := make([]byte, metaBytes)
		if _, err := at.ReadAt(m, offset+pageHead); err != nil {
			continue
		}
		order := orderOf(m)
		if order == nil {
			continue
		}
		pageSize := int64(order.Uint32(m[8:]))
		if offset != 0 && offset != pageSize || pageSize < page || pageSize > maxPage || pageSize&(pageSize-1) != 0 {
			continue
		}
		sum := fnv.New64a()
		sum.Write(m[:metaBytes-8])
		if sum.Sum64() != order.Uint64(m[metaBytes-8:]) {
			continue
		}
		if transaction := order.Uint64(m[48:]); !found || transaction > newest {
			newest, found = transaction, true
			d.order, d.page, d.root = order, pageSize, order.Uint64(m[16:])
		}
	}
	if !found {
		return nil, fmt.Errorf("%w: no page in it says that it is a database", ErrForeign)
	}
	return d, nil
}

// isDatabase says whether the first bytes of a file are those of a database, however damaged.
func isDatabase(head []byte) bool {
	return len(head) >= pageHead+4 && orderOf(head[pageHead:]) != nil
}

func orderOf(meta []byte) binary.ByteOrder {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if order.Uint32(meta) == magic {
			return order
		}
	}
	return nil
}

// node is one page of a tree, with its overflow.
type node struct {
	raw   []byte
	order binary.ByteOrder
	leaf  bool
	count int
}

var errNode = fmt.Errorf("%w: a page of it makes no sense", ErrAltered)

func (d *database) node(id uint64) (node, error) {
	head := make([]byte, pageHead)
	offset := int64(id) * d.page //nolint:gosec // its bounds are checked next
	if id > uint64(d.size/d.page) || offset+d.page > d.size {
		return node{}, errNode
	}
	if _, err := d.at.ReadAt(head, offset); err != nil {
		return node{}, err
	}
	length := (int64(d.order.Uint32(head[12:])) + 1) * d.page
	if length > maxNode || offset+length > d.size {
		return node{}, errNode
	}
	raw := make([]byte, length)
	if _, err := d.at.ReadAt(raw, offset); err != nil {
		return node{}, err
	}
	return d.parse(raw)
}

// parse is of a page, or of the small tree that a bucket keeps in its own value.
func (d *database) parse(raw []byte) (node, error) {
	if len(raw) < pageHead {
		return node{}, errNode
	}
	flags, count := d.order.Uint16(raw[8:]), int(d.order.Uint16(raw[10:]))
	if flags != leafPage && flags != branchPage || pageHead+count*element > len(raw) {
		return node{}, errNode
	}
	return node{raw, d.order, flags == leafPage, count}, nil
}

// item is one entry of a leaf.
type item struct {
	key, value []byte
	bucket     bool
}

func (n node) item(i int) (item, error) {
	at := pageHead + i*element
	e := n.raw[at:]
	pos, key, value := int64(n.order.Uint32(e[4:])), int64(n.order.Uint32(e[8:])), int64(n.order.Uint32(e[12:]))
	from := int64(at) + pos
	if from+key+value > int64(len(n.raw)) {
		return item{}, errNode
	}
	return item{
		n.raw[from : from+key], n.raw[from+key : from+key+value], n.order.Uint32(e)&bucketLeaf != 0,
	}, nil
}

// child is the page of an entry of a branch.
func (n node) child(i int) uint64 { return n.order.Uint64(n.raw[pageHead+i*element+8:]) }
