// Package operator holds the operator directory and the way to hosts: what a run has on the control machine, and what
// package apply asks for.
//
// It owns the session with its held connections, looks at hosts under the cluster's lock, the client of etcd that goes
// through SSH, certificates of clusterup's own, snapshots, saved plans and the journal. It decides nothing and prints
// nothing: whoever opens a session hears of downloads and is asked for passphrases.
package operator
