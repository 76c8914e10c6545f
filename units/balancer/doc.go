// Package balancer has the files of a node: what HAProxy and the program that follows the servers' keys run with. It is
// pure.
package balancer
