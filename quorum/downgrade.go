package quorum

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// DowngradeAction is one of the three things to say about a downgrade.
type DowngradeAction string

// The downgrade actions, in the order of etcd's procedure (etcd.io/docs/v3.6/downgrades). The target of
// ValidateDowngrade and EnableDowngrade is the minor below the cluster's, "3.5"; CancelDowngrade has none.
const (
	ValidateDowngrade DowngradeAction = "validate" // could the cluster go down to the target? Changes nothing
	// from now on members of the target may join: the storage is made ready for them
	EnableDowngrade DowngradeAction = "enable"
	// takes that back: the storage goes up again once no member of the target is left; fine if there is none
	CancelDowngrade DowngradeAction = "cancel"
)

var downgradeActions = map[DowngradeAction]clientv3.DowngradeAction{
	ValidateDowngrade: clientv3.DowngradeValidate,
	EnableDowngrade:   clientv3.DowngradeEnable,
	CancelDowngrade:   clientv3.DowngradeCancel,
}

// Downgrade speaks about a downgrade to target, "3.5", through any voter; it needs a quorum. It returns when the
// cluster has agreed, not when the storage of all members is ready, for which see StorageVersion of their Status.
// facts.ErrDowngradeTarget says that the cluster cannot go down to that target. A cluster of 3.5 knows the call, but
// cannot go down, and gives no answer to EnableDowngrade.
func (c *Cluster) Downgrade(ctx context.Context, endpoint string, action DowngradeAction, target string) error {
	op := fmt.Sprintf("%s downgrade through", action)
	_, err := ask(ctx, c, endpoint, op, func(ctx context.Context, n *conn) (struct{}, error) {
		how, known := downgradeActions[action]
		if !known {
			return struct{}{}, &Error{Err: fmt.Errorf("no such action: %q", string(action))}
		}
		_, err := n.maintenance().Downgrade(ctx, how, target)
		return struct{}{}, err
	})
	return err
}
