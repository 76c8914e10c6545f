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
