// Package etcd has the rules of an etcd cluster: all of clusterup's knowledge about order and safety, in one pure
// function:
//
//	Next(want, seen) → the stage to run now, or nothing, or a refusal
//
// Simulate says what a stage does to a Snapshot, and Build shows the whole way by calling the two in turn. The gate of
// a stage is checked on the Snapshot that it is decided from, so whoever runs stages gathers right before each one.
//
// Comments here and in other packages cite laws by number. Tests hold every decision against them:
//
//	 1  A voter goes down only while the listed voters that stay up and healthy are a quorum, or by consent.
//	 3  Data is never deleted, nor put aside, unless the operator destroys the cluster.
//	 4  A bootstrap needs hosts of which none holds data or a birth marker; a mix of hosts is none.
//	 5  A CA signs only when every member trusts it, and is dropped only when nothing in use needs it.
//	 6  A cluster goes one minor version at a time, and never below what its data demands.
//	 7  Nothing secret is in a plan, an event, a log, an argument list, or a file that others can read.
//	 9  After an apply there is nothing left to do, and equal facts give equal plans.
//	11  Dark hosts narrow what is done: "for all" is false of them, and "there is one" is true.
//	12  A member starts with what its unit file says, and with nothing that is not wanted.
//	13  A CA is tried before it is trusted, and dropped after handshakes were seen to succeed without it.
//	14  A run that changes the cluster holds the lock on the hosts of a majority of the listed members.
//	15  An older clusterup does not plan over what a newer one wrote.
package etcd
