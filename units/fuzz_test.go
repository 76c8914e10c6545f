package units

import (
	"strconv"
	"testing"
	"time"
)

// A birth marker that can be read names a cluster and a member.
func FuzzParseBirth(f *testing.F) {
	f.Add(Birth("/etc/etcd/x", Born{ClusterID: "20e6d8e99aebbaad", MemberID: "1", Created: time.Unix(1795234534, 0)}).Data)
	f.Add([]byte(`{"cluster_id":"","member_id":"1"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		born, err := ParseBirth(data)
		if err != nil {
			return
		}
		for _, id := range []string{born.ClusterID, born.MemberID} {
			if _, err := strconv.ParseUint(id, 16, 64); err != nil {
				t.Errorf("%+v", born)
			}
		}
	})
}

// A note refuses no log of another member or life, and none that comes as far.
func FuzzParseLogEnd(f *testing.F) {
	f.Add([]byte("2e1259d415f2a040 2026-11-29T21:04:07Z 0000000000000003-00000000000f4240.wal 800\nstopping 7\n"))
	f.Add([]byte("stopping 7\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		noted, ok := ParseLogEnd(data)
		if !ok {
			return
		}
		born := Born{MemberID: noted.MemberID, Created: noted.Created}
		if noted.Feeds < 0 || noted.Beyond(born, noted.File, noted.Feeds) || noted.Beyond(Born{}, noted.File, 0) {
			t.Errorf("%+v", noted)
		}
	})
}
