// Package etcd has the rules of an etcd cluster: all of clusterup's knowledge about order and safety, in one pure
// function:
//
//	Next(want, seen) → the stage to run now, or nothing, or a refusal
//
// Simulate says what a stage does to a Snapshot, and Build shows the whole way by calling the two in turn. What a stage
// needs is checked on the Snapshot that it is decided from, so whoever runs stages gathers right before each one.
package etcd
