// Package node is the program of ours that lies on a balancer's node: it follows the keys of its balancer in etcd into
// HAProxy, and reports under a key of its own.
//
// It owns what is in force on the node: the last state that was good, in memory and in a file, whatever becomes of
// etcd, of HAProxy and of itself. It decides nothing about the cluster, and must not import what changes hosts. It
// writes nothing to etcd but its report.
package node
