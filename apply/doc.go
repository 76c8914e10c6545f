// Package apply runs what package plan decides: gather, Next, run the stage, gather again, until there is nothing left
// to do; then it verifies the cluster.
//
// It owns how each step is done on a host, and declares the interfaces that it needs for that. It decides nothing: not
// what to do, not in which order. It does not print, prompt or exit; it emits events.
package apply
