package look

import (
	"bytes"
	"testing"

	"github.com/clusterup/clusterup/facts"
)

// walHeads are the first bytes of real WAL files, out of the answers of real hosts.
func walHeads(t testing.TB) map[string][]byte {
	t.Helper()
	heads := map[string][]byte{}
	for _, name := range answers(t) {
		raw := answer(t, name)
		if begin := bytes.LastIndex(raw, []byte(rawLog)); begin >= 0 {
			heads[name] = bytes.TrimSuffix(raw[begin+len(rawLog):], []byte(rawEnd))
		}
	}
	if len(heads) == 0 {
		t.Fatal("no WAL in the answers")
	}
	return heads
}

func TestWALIdentity(t *testing.T) {
	members := map[facts.ID]bool{}
	for name, head := range walHeads(t) {
		cluster, member, err := walIdentity(head)
		if err != nil || cluster != 0x20e6d8e99aebbaad || member == 0 {
			t.Errorf("%s: cluster %s, member %s, %v", name, cluster, member, err)
		}
		members[member] = true
	}
	if len(members) != 3 {
		t.Errorf("%d members in the logs of three hosts", len(members))
	}
}

// A head that is cut, or of which any byte that matters has changed, never passes for another member's.
func TestWALIdentityCut(t *testing.T) {
	for name, head := range walHeads(t) {
		cluster, member, _ := walIdentity(head)
		for n := range head {
			c, m, err := walIdentity(head[:n])
			if err == nil && (c != cluster || m != member) {
				t.Errorf("%s: %d bytes pass for cluster %s, member %s", name, n, c, m)
			}
		}
	}
}

func TestWALIdentityRejects(t *testing.T) {
	frame := func(length byte, rest ...byte) []byte { return append([]byte{length, 0, 0, 0, 0, 0, 0, 0}, rest...) }
	for name, head := range map[string][]byte{
		"nothing":              nil,
		"zeros":                make([]byte, 256),
		"ones":                 bytes.Repeat([]byte{0xff}, 256),
		"text":                 []byte("this is not a write-ahead log at all"),
		"a record of entries":  frame(2, 8, 2),
		"metadata of nobody":   frame(4, 8, 1, 0x1a, 0),
		"a length beyond all":  frame(200, 8, 4),
		"a varint without end": frame(2, 0x88, 0x88),
		"a group":              frame(2, 0x0b, 1),
		"bytes beyond the end": frame(3, 0x1a, 200, 1),
	} {
		if cluster, member, err := walIdentity(head); err == nil {
			t.Errorf("%s passes for cluster %s, member %s", name, cluster, member)
		}
	}
}

func FuzzWALIdentity(f *testing.F) {
	for _, head := range walHeads(f) {
		f.Add(head)
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		if cluster, member, err := walIdentity(head); err == nil && (cluster == 0 || member == 0) {
			t.Errorf("cluster %s, member %s and no error", cluster, member)
		}
	})
}
