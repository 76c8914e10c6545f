// Package facts owns the words for what was seen of a cluster (Snapshot, Host, Unit, Process, Member, Status, Leaf, …)
// and the errors on which those who wait or retry branch.
//
// It looks at nothing itself and decides nothing: facts/look gathers a Snapshot, facts/probe what preflight asks beyond
// it, and package quorum answers in these words for etcd.
package facts
