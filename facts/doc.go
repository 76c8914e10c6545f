// Package facts owns the words for what was seen of a cluster (Snapshot, Host, Unit, Process, Member, Status, Leaf, …),
// and the errors on which callers branch when they wait or retry.
//
// It looks at nothing itself and decides nothing. Package facts/look gathers a Snapshot, facts/probe adds what
// preflight asks, and package quorum answers in these words for etcd.
package facts
