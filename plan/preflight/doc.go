// Package preflight says whether hosts are fit for a bootstrap: findings about each, and about all of them together,
// from their facts and from probes. What the rules of etcd would refuse is among them. It does no I/O.
package preflight
