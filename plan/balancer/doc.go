// Package balancer has the rules of the nodes of balancers: which hosts get HAProxy and the program that follows the
// servers' keys, and in which order. They are other rules than those of the etcd cluster, over the same steps: what a
// node lacks is prepared on all nodes side by side, what runs is changed on one node after the other. A node that
// cannot be seen, or must not be changed, holds up no other.
package balancer
