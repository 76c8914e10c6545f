// Package operator holds the operator directory and the way to hosts: what a run has on the control machine, and what
// package apply asks for.
//
// It owns the session with its held connections, the look at all hosts, the cluster's lock, the client of etcd that
// goes through SSH, clusterup's own certificates, snapshots, saved plans and the journal. It decides nothing and prints
// nothing: it reports downloads, and asks for passphrases, through the functions in Options.
package operator
