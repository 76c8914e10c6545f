// Package pool owns the keys of a balancer in etcd: their names and values, the pool of servers that they make, and
// when that pool may shrink.
//
// Anybody's script may write these keys, so nothing of them is believed: whatever is not of the form that is described
// here is an error that says what is wrong, and none of it gets into a command or a file. The program that follows the
// keys on a balancer's node and whoever writes them on the control machine share this package, and it is pure: it
// imports nothing that speaks to etcd.
package pool
