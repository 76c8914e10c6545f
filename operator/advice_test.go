package operator

import (
	"errors"
	"testing"

	"github.com/clusterup/clusterup/remote"
)

// A member's host that was installed anew leads to the command that takes it back; one that is jumped over does not.
func TestRemedyOfAChangedKey(t *testing.T) {
	own := &remote.Error{
		Host: "etcd-2", Kind: remote.ErrKeyChanged, Err: errors.New("changed"), Remedy: "ssh-keygen -R 10.0.0.12",
	}
	jump := &remote.Error{
		Host: "etcd-2", Kind: remote.ErrKeyChanged, Remedy: "ssh-keygen -R bastion",
		Err: &remote.Error{Host: "bastion", Kind: remote.ErrKeyChanged, Err: errors.New("changed")},
	}
	unknown := &remote.Error{Host: "etcd-2", Kind: remote.ErrHostKey, Err: errors.New("not known"), Remedy: "compare"}
	for err, want := range map[error]string{
		own:  "ssh-keygen -R 10.0.0.12; then, if its data went with the old system: clusterup member replace etcd-2 INVENTORY",
		jump: "ssh-keygen -R bastion", unknown: "compare",
	} {
		next, dark := Advice(err)
		if next != want || !dark || !errors.Is(err, remote.ErrHostKey) {
			t.Errorf("%v: %q, %t", err, next, dark)
		}
	}
}
