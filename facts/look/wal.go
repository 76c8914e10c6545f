package look

import (
	"encoding/binary"
	"errors"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/clusterup/clusterup/facts"
)

// walHead is how much of a WAL file's beginning is needed to see whose it is: two small records.
const walHead = 256

// Record types of etcd's WAL (server/storage/wal/wal.go).
const (
	walMetadata = 1
	walCRC      = 4
)

var errWALHead = errors.New("not the head of an etcd WAL file")

// walIdentity reads the cluster and member ID from the first bytes of a WAL file. Every WAL file begins with a CRC
// record and a metadata record that holds both (server/storage/wal: Create and cut; frames: decoder.go; metadata:
// etcdserverpb.Metadata). So a stopped member can be told from a foreign one without starting anything.
func walIdentity(head []byte) (cluster, member facts.ID, err error) {
	for len(head) >= 8 {
		frame := binary.LittleEndian.Uint64(head)
		length, padding := walFrame(frame)
		head = head[8:]
		if length <= 0 || length+padding > len(head) {
			return 0, 0, errWALHead
		}
		kind, data, err := walRecord(head[:length])
		if err != nil {
			return 0, 0, err
		}
		switch kind {
		case walMetadata:
			return walMembership(data)
		case walCRC:
			head = head[length+padding:]
		default:
			return 0, 0, errWALHead
		}
	}
	return 0, 0, errWALHead
}

// walFrame splits a frame's length field: 56 bits of length; if the top bit is set, the 3 bits below bit 59 hold the
// padding.
func walFrame(field uint64) (length, padding int) {
	length = int(field & (1<<56 - 1))
	if field>>63 == 1 {
		padding = int(field >> 56 & 0x7)
	}
	if length > walHead {
		return -1, 0
	}
	return length, padding
}

// walRecord reads a record's type (field 1) and data (field 3).
func walRecord(raw []byte) (kind uint64, data []byte, err error) {
	err = protoFields(raw, func(field protowire.Number, value uint64, bytes []byte) {
		switch field {
		case 1:
			kind = value
		case 3:
			data = bytes
		}
	})
	return kind, data, err
}

// walMembership reads a metadata record: NodeID (field 1) and ClusterID (field 2).
func walMembership(raw []byte) (cluster, member facts.ID, err error) {
	err = protoFields(raw, func(field protowire.Number, value uint64, _ []byte) {
		switch field {
		case 1:
			member = facts.ID(value)
		case 2:
			cluster = facts.ID(value)
		}
	})
	if err == nil && (cluster == 0 || member == 0) {
		err = errWALHead
	}
	return cluster, member, err
}

// protoFields walks the varint and length-delimited fields of a protocol buffer message.
func protoFields(raw []byte, each func(field protowire.Number, value uint64, bytes []byte)) error {
	for len(raw) > 0 {
		field, kind, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return errWALHead
		}
		raw = raw[n:]
		var value uint64
		var bytes []byte
		switch n = -1; kind {
		case protowire.VarintType:
			value, n = protowire.ConsumeVarint(raw)
		case protowire.BytesType:
			bytes, n = protowire.ConsumeBytes(raw)
		}
		if n < 0 {
			return errWALHead
		}
		each(field, value, bytes)
		raw = raw[n:]
	}
	return nil
}
