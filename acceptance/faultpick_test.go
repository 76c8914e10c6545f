package acceptance

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Of the points between which nothing is done one is enough; hosts are told apart by the steps' names.
func TestPickPoints(t *testing.T) {
	points := []string{
		"before look", "after look", "before create-ca/peer", "after create-ca/peer", "before look@2", "after look@2",
		"before make-dirs/etcd-1", "before make-dirs/etcd-1#script-1", "after make-dirs/etcd-1#script-1",
		"after make-dirs/etcd-1",
		"before issue-leaf/peer/etcd-2@2", "before issue-leaf/peer/etcd-2#write-1@2",
		"after issue-leaf/peer/etcd-2#write-1@2", "after issue-leaf/peer/etcd-2@2",
		"after verify",
	}
	rotationPoints := []string{
		"before look", "after look", "before create-ca/peer", "after create-ca/peer", "after look@2",
		"before write-unit/etcd-3",
		"after write-unit/etcd-3#write-1", "after write-unit/etcd-3", "before move-leader/etcd-1", "after move-leader/etcd-1",
		"before issue-leaf/peer/etcd-2", "after issue-leaf/peer/etcd-2", "after move-leader/etcd-3", "after verify",
	}
	for _, test := range []struct {
		name string
		got  []string
		want []string
	}{
		{"distinct", distinct(points), []string{
			"before look", "after create-ca/peer", "after make-dirs/etcd-1#script-1", "after issue-leaf/peer/etcd-2#write-1@2",
		}},
		{
			"steps of one", steps(points, "etcd-2"),
			[]string{"before issue-leaf/peer/etcd-2@2", "after issue-leaf/peer/etcd-2@2"},
		},
		{"all steps", steps(points[6:], ""), []string{
			"before make-dirs/etcd-1", "after make-dirs/etcd-1", "before issue-leaf/peer/etcd-2@2",
			"after issue-leaf/peer/etcd-2@2",
		}},
		{"kills in a rotation", rotationSteps("kill", rotationPoints), []string{
			"before create-ca/peer", "after create-ca/peer", "before write-unit/etcd-3", "after write-unit/etcd-3",
			"before move-leader/etcd-1", "after move-leader/etcd-1", "before issue-leaf/peer/etcd-2",
			"after issue-leaf/peer/etcd-2",
		}},
		{
			"failures in a rotation", rotationSteps("fail", rotationPoints),
			[]string{"after create-ca/peer", "after issue-leaf/peer/etcd-2"},
		},
		{
			"elsewhere",
			[]string{renamed(points[10], []string{"etcd-1", "etcd-2"}, []string{"etcd-3", "etcd-11"})},
			[]string{"before issue-leaf/peer/etcd-11@2"},
		},
	} {
		if d := cmp.Diff(test.want, test.got); d != "" {
			t.Errorf("%s: %s", test.name, d)
		}
	}
}

// The pictures' own reader of write-ahead logs, on the first bytes of one that etcd 3.6.16 wrote.
func TestReadHead(t *testing.T) {
	const wal = "BAAAAAAAAIQIBBAAAAAAAB0AAAAAAACDCAEQhPya7wIaEwjl1sLE88/dTRCO1uu2hviqpF4AAAAOAAAAAAAAgggFEJy7gqcIGgQIABAAAAB7AAAAAAAAhQgC"
	got, err := readHead(decode(t, wal))
	// As the member itself said when asked.
	if want := (head{member: 0x9b767f3890ab65, cluster: 0x5e48abc066daeb0e}); err != nil || got != want {
		t.Errorf("%x, %v; want %x", got, err, want)
	}
	for _, bad := range []string{"", "BAAA", "////////////////////"} {
		if got, err := readHead(decode(t, bad)); err == nil {
			t.Errorf("%q is taken for %x", bad, got)
		}
	}
}
