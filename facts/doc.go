// Package facts owns the words for what was seen of a cluster (Snapshot, Host, Member, Status, Leaf, …) and Gather,
// which sees it: one shell script per host in one session, and the etcd API of every member that runs.
//
// It changes nothing anywhere and decides nothing. It knows neither SSH nor the etcd client: both are reached through
// the small interfaces Shell and Etcd, which speak the standard library's types.
package facts
