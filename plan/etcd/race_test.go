//go:build race

package etcd

// raced says that the race detector makes everything some ten times slower; walks are then coarser.
const raced = true
