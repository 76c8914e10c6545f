package quorum

import (
	"context"
	"maps"
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Exchange puts and removes keys through the member at endpoint, in one transaction, if every key of was still is at
// that revision of its last change (0: there is no such key), and no key that begins with one of since has changed
// after that revision, but for such as are gone. False means that one is not, and that nothing was changed.
// After an error it is not known whether anything was. It needs a quorum. Etcd takes 128 operations of each sort at
// once, unless it is told otherwise.
func (c *Cluster) Exchange(ctx context.Context, endpoint string, was, since map[string]int64,
	put map[string]string, remove []string,
) (bool, error) {
	txn := &pb.TxnRequest{}
	for _, prefix := range slices.Sorted(maps.Keys(since)) {
		txn.Compare = append(txn.Compare, &pb.Compare{
			Key: []byte(prefix), RangeEnd: []byte(clientv3.GetPrefixRangeEnd(prefix)), Result: pb.Compare_LESS,
			Target: pb.Compare_MOD, TargetUnion: &pb.Compare_ModRevision{ModRevision: since[prefix] + 1},
		})
	}
	for _, key := range slices.Sorted(maps.Keys(was)) {
		txn.Compare = append(txn.Compare, &pb.Compare{
			Key: []byte(key), Result: pb.Compare_EQUAL, Target: pb.Compare_MOD,
			TargetUnion: &pb.Compare_ModRevision{ModRevision: was[key]},
		})
	}
	for _, key := range slices.Sorted(maps.Keys(put)) {
		txn.Success = append(txn.Success, &pb.RequestOp{Request: &pb.RequestOp_RequestPut{
			RequestPut: &pb.PutRequest{Key: []byte(key), Value: []byte(put[key])},
		}})
	}
	for _, key := range remove {
		txn.Success = append(txn.Success, &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{
			RequestDeleteRange: &pb.DeleteRangeRequest{Key: []byte(key)},
		}})
	}
	return ask(ctx, c, endpoint, "change keys through", func(ctx context.Context, n *conn) (bool, error) {
		r, err := pb.NewKVClient(n.client.ActiveConnection()).Txn(clientv3.WithRequireLeader(ctx), txn)
		if err != nil {
			return false, err
		}
		return r.Succeeded, nil
	})
}
